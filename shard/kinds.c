/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/kinds.h"

#include <string.h>

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
