/* SPDX-License-Identifier: Apache-2.0
 * shard/record.c - what the types of values are called, and how wide they are. */
#include "shard/record.h"

#include <stddef.h>

uint32_t shard_dtype_width(uint32_t dtype)
{
    switch (dtype) {
    case SHARD_U8:
        return 1;
    case SHARD_U16:
    case SHARD_FP16:
    case SHARD_BF16:
        return 2;
    case SHARD_U32:
    case SHARD_I32:
    case SHARD_FP32:
        return 4;
    default:
        return 0;
    }
}

const char *shard_dtype_name(uint32_t dtype)
{
    static const char *const names[] = {"u8",   "u16",  "u32",  "i32",
                                        "fp16", "bf16", "fp32", "file"};

    return dtype < sizeof(names) / sizeof(names[0]) ? names[dtype] : NULL;
}
