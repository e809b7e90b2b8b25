/* SPDX-License-Identifier: Apache-2.0
 * shard/output.h - public: where the bytes of a file that is made go.
 *
 * The writer's caller may have a place of its own for them; by default they go into plain
 * files. Whoever makes a file calls open, write as often as it needs, then finish or,
 * where the file is given up, close. */
#ifndef SHARD_OUTPUT_H
#define SHARD_OUTPUT_H

#include <stddef.h>

struct shard_output {
    /* Begins the file `path`, in place of what is there. Gives *file, for finish or
     * close. All return 0, or -1 with errno. */
    int (*open)(void **file, const char *path);
    /* All of it. */
    int (*write)(void *file, const void *data, size_t len);
    /* Releases `file`, whatever it returns. On success the file is whole and outlasts a
     * crash of the machine. */
    int (*finish)(void *file);
    /* Releases `file`: it is given up. What was written may stay. Accepts NULL. */
    void (*close)(void *file);
};

/* The file system's own. */
extern const struct shard_output shard_plain_output;

#endif
