/* SPDX-License-Identifier: Apache-2.0
 * shard/shard_input.h - public: where the bytes of a file that is read come from.
 *
 * The reader's caller may have a place of its own for them; by default they come from
 * plain files. */
#ifndef SHARD_SHARD_INPUT_H
#define SHARD_SHARD_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What is known of a file when it is opened. */
struct shard_input_entry {
    uint64_t bytes;
    uint64_t version[2]; /* another one when the file was replaced or changed */
    bool readable;       /* by position; else it is a folder, a pipe or the like */
};

struct shard_input {
    /* Gives *file, for close, which then alone may follow where it is not readable. Waits
     * for nobody. Returns 0, or -1 with errno. */
    int (*open)(void **file, const char *path, struct shard_input_entry *entry);
    /* At most `cap` bytes from `offset` on. Returns how many, 0 at the end, or -1 with
     * errno. */
    ssize_t (*read_at)(void *file, uint64_t offset, void *to, size_t cap);
    void (*close)(void *file);
};

/* The file system's own. */
extern const struct shard_input shard_plain_input;

#endif
