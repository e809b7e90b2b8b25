/* SPDX-License-Identifier: Apache-2.0
 * shard/kinds.h - public: the names of what FORMAT.md numbers. */
#ifndef SHARD_KINDS_H
#define SHARD_KINDS_H

#include <stdint.h>

#include "shard/record.h"

/* The kind of tensors that an encoder's `kind` names ("latent"); 0: a later version's. */
uint32_t shard_kind_number(const char *name);
/* "latent"; NULL: a later version's. Static. */
const char *shard_kind_name(uint32_t kind);

/* The kind of parts of that name ("text"); SHARD_NONE: a later version's. */
uint32_t shard_part_number(const char *name);
/* "text"; NULL: a later version's. Static. */
const char *shard_part_name(uint32_t kind);
/* "crop"; static. */
const char *shard_fit_name(enum shard_fit fit);

#endif
