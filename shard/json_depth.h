/* SPDX-License-Identifier: Apache-2.0
 * shard/json_depth.h - public: how deep JSON is nested, before a parser that recurses
 * sees it. */
#ifndef SHARD_JSON_DEPTH_H
#define SHARD_JSON_DEPTH_H

#include <stddef.h>

/* Most objects and arrays that are open at once. Of text that is no JSON, any number. */
size_t shard_json_depth(const char *text, size_t len);

#endif
