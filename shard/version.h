/* SPDX-License-Identifier: Apache-2.0
 * shard/version.h - public: the program's name and version, as shards and manifests
 * record it. */
#ifndef SHARD_VERSION_H
#define SHARD_VERSION_H

#define LATENTMILL_VERSION "0.1.0"
#define LATENTMILL_SOFTWARE "latentmill " LATENTMILL_VERSION

#endif
