/* SPDX-License-Identifier: Apache-2.0
 * shard/record.c - what the numbers on disk are called, and how wide a value is. */
#include "shard/record.h"

#include <string.h>

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

static const char *const kind_names[] = {[SHARD_LATENT] = "latent",
                                         [SHARD_CODES] = "codes",
                                         [SHARD_FEATURES] = "features",
                                         [SHARD_PIXELS] = "pixels",
                                         [SHARD_IDS] = "ids"};
enum { N_KINDS = sizeof(kind_names) / sizeof(kind_names[0]) };

uint32_t shard_kind_number(const char *name)
{
    for (uint32_t i = SHARD_LATENT; i < N_KINDS; i++)
        if (strcmp(kind_names[i], name) == 0)
            return i;
    return 0;
}

const char *shard_kind_name(uint32_t kind)
{
    return kind < N_KINDS ? kind_names[kind] : NULL;
}

static const char *const part_names[] = {
    [SHARD_PART_TEXT] = "text", [SHARD_PART_IMAGE] = "image", [SHARD_PART_DATA] = "data"};
enum { N_PARTS = sizeof(part_names) / sizeof(part_names[0]) };

uint32_t shard_part_number(const char *name)
{
    for (uint32_t i = 0; i < N_PARTS; i++)
        if (strcmp(part_names[i], name) == 0)
            return i;
    return SHARD_NONE;
}

const char *shard_part_name(uint32_t kind)
{
    return kind < N_PARTS ? part_names[kind] : NULL;
}

const char *shard_fit_name(enum shard_fit fit)
{
    static const char *const names[] = {
        [SHARD_CROP] = "crop", [SHARD_PAD] = "pad", [SHARD_STRETCH] = "stretch"};

    return names[fit];
}
