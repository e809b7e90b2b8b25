/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/write_dataset_index.c - an index.lmi as large as one likes.
 *
 *     write_dataset_index SHARD N OUT
 *
 * writes the index of N shards that are all SHARD, under names of their own, to OUT. */
#include <stdio.h>
#include <stdlib.h>

#include "shard/index/dataset_index.h"

static int add_all(struct dataset_index_writer *w, const char *shard, unsigned long n)
{
    int rc = SHARD_OK;

    for (unsigned long i = 0; i < n && rc == SHARD_OK; i++) {
        char name[64];
        snprintf(name, sizeof(name), "part-%03lu/pairs-%06lu.lms", i / 1000, i);
        rc = dataset_index_writer_add(w, shard, name);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct dataset_index_writer *w = NULL;
    unsigned char *bytes = NULL;
    size_t len;

    if (argc != 4) {
        fprintf(stderr, "usage: write_dataset_index SHARD N OUT\n");
        return 2;
    }
    int rc = dataset_index_writer_open(&w, NULL);
    if (rc == SHARD_OK)
        rc = add_all(w, argv[1], strtoul(argv[2], NULL, 10));
    if (rc == SHARD_OK)
        rc = dataset_index_writer_finish(w, false, &bytes, &len);
    if (rc < 0)
        fprintf(stderr, "write_dataset_index: %s\n", dataset_index_writer_why(w));
    FILE *out = rc == SHARD_OK ? fopen(argv[3], "wb") : NULL;
    bool written = out != NULL && fwrite(bytes, 1, len, out) == len;
    written = out != NULL && fclose(out) == 0 && written;
    free(bytes);
    dataset_index_writer_close(w);
    return written ? 0 : 1;
}
