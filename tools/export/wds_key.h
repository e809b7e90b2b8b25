/* SPDX-License-Identifier: Apache-2.0
 * tools/export/wds_key.h - a sample's key as the first part of its members' names in a
 * tar.
 *
 * WebDataset ends a key at the first dot behind the last '/', and skips folders called
 * __x__. So that every key comes back as a group of its own, some bytes become %XX as in
 * a URL: '%' itself; dots in the last component; all of a component that is "." or "..";
 * a
 * '/' at the start, at the end or behind another '/'; the first byte of a leading __x__
 * folder. Keys that came from a tar have nothing of that but perhaps '%' and odd slashes,
 * and stay as they are. Percent-decoding gives the key back. */
#ifndef TOOLS_EXPORT_WDS_KEY_H
#define TOOLS_EXPORT_WDS_KEY_H

#include <stddef.h>

/* Most that a key of `len` bytes takes, with a NUL. */
#define WDS_KEY_CAP(len) (3 * (len) + 1)

/* Writes the encoded key; `out` has room for WDS_KEY_CAP(strlen(key)). Returns its
 * length. */
size_t wds_key_encode(char *out, const char *key);

#endif
