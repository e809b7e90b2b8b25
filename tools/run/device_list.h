/* SPDX-License-Identifier: Apache-2.0
 * tools/run/device_list.h - the devices that encoders in processes of their own work on,
 * by the names that PyTorch gives them. */
#ifndef TOOLS_RUN_DEVICE_LIST_H
#define TOOLS_RUN_DEVICE_LIST_H

#include <stddef.h>

enum { DEVICES_MAX = 64, DEVICE_NAME_CAP = 32 };

struct device_list {
    size_t n;                                 /* at least 1 */
    char names[DEVICES_MAX][DEVICE_NAME_CAP]; /* "cuda:0", "cpu" */
};

/* `text` is "auto" (NULL too) or a list with commas of names and numbers: 2 is cuda:2.
 * auto is every GPU that CUDA_VISIBLE_DEVICES (`visible`; NULL: unset) lets one see, of
 * which an invalid or repeated identifier ends the list, or
 * else that the driver shows below `root` ("/" but in tests); where there is none, the
 * CPU. Returns NULL, or what is wrong with the text. Static. */
const char *device_list_make(struct device_list *out, const char *text,
                             const char *visible, const char *root);

#endif
