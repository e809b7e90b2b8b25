/* SPDX-License-Identifier: Apache-2.0
 * tools/version.h - the program's name and version, as shards and manifests record it. */
#ifndef TOOLS_VERSION_H
#define TOOLS_VERSION_H

#define LATENTMILL_VERSION "0.1.0"
#define LATENTMILL_SOFTWARE "latentmill " LATENTMILL_VERSION

#endif
