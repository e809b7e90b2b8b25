/* SPDX-License-Identifier: Apache-2.0
 * tools/shard_files.h - the shard files that operands of the commands stand for.
 *
 * A folder stands for the finished shards below it: those that a manifest names. Others
 * are still being written, or left over from a run that was killed. */
#ifndef TOOLS_SHARD_FILES_H
#define TOOLS_SHARD_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* A file that macOS puts beside another, whose name it takes with "._" before it
 * (AppleDouble): no folder's walk looks at such. */
bool shard_files_is_twin(const char *file);

struct shard_files {
    char **paths; /* keeps n of them */
    size_t n, cap;
    bool no_memory; /* was one of the problems */
};

/* Appends `operand` itself where it is no folder, else the shards below it, sorted by
 * NAME and part. What cannot be read is explained on stderr, the rest is appended all the
 * same. Returns how many problems there were. */
size_t shard_files_add(struct shard_files *files, const char *operand);
void shard_files_clear(struct shard_files *files);

/* Appends the files below `folder` whose names end in `suffix`, sorted by what stands
 * before it. A folder below it that has a file called `apart` (NULL: none) is another's
 * and passed over. Returns how many problems there were, explained on stderr. */
size_t shard_files_find(struct shard_files *files, const char *folder, const char *suffix,
                        const char *apart);

#endif
