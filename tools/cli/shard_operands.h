/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/shard_operands.h - the shards that operands of a command stand for.
 *
 * A file stands for itself, a folder for the finished shards below it (data_set.h). */
#ifndef TOOLS_CLI_SHARD_OPERANDS_H
#define TOOLS_CLI_SHARD_OPERANDS_H

#include "tools/store/path_list.h"

struct shard_operands {
    struct path_list files;
    size_t n_lacking;    /* things that folders lack or have unfinished */
    size_t n_unfinished; /* of these: of units that `prepare` has not finished */
};

/* Appends what `operand` stands for; of a folder in order of NAME and part. What that
 * lacks is said on stderr and counted. Returns 0 or an exit code after explaining; what
 * could be found is appended even so. */
int shard_operands_add(struct shard_operands *operands, const char *operand);
void shard_operands_clear(struct shard_operands *operands);

#endif
