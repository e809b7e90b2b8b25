/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/write_random_shards.c - shards of random legal records.
 *
 *     write_random_shards PREFIX N SEED MAX_BYTES MAX_BLOCK_BYTES [trainable]
 *
 * writes N records of tests/unit/random_records.h, drawn from SEED on, to
 * PREFIX-00000.lms and so on. trainable: only records that a Dataset takes: all parts are
 * known, all texts tokenized, latents of the default encoder fp16. */
#include <stdio.h>
#include <stdlib.h>

#include "shard/parts.h"
#include "shard/status.h"
#include "shard/writer.h"
#include "tests/unit/random_records.h"

static int path_of(void *ctx, uint32_t part, char *path, size_t cap)
{
    int n = snprintf(path, cap, "%s-%05u.lms", (const char *)ctx, (unsigned)part);
    return n > 0 && (size_t)n < cap ? 0 : -1;
}

static bool is_trainable(const struct shard_header *h, const struct shard_record *rec)
{
    for (size_t i = 0; i < rec->n_parts; i++) {
        const struct shard_part *part = &rec->parts[i];
        if (part->kind > SHARD_PART_DATA)
            return false;
        for (size_t j = 0; j < part->n_alternatives; j++)
            if (part->alternatives[j].n_ids == SHARD_NO_IDS)
                return false;
    }
    for (size_t i = 0; i < rec->n_tensors; i++)
        if (rec->tensors[i].encoder == shard_default_encoder(h) &&
            rec->tensors[i].dtype != SHARD_FP16)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    const struct shard_header *header = random_header();
    struct shard_writer *w = NULL;

    if (argc != 6 && argc != 7) {
        fprintf(stderr, "usage: write_random_shards PREFIX N SEED MAX_BYTES "
                        "MAX_BLOCK_BYTES [trainable]\n");
        return 2;
    }
    const struct shard_writer_options options = {.header = header,
                                                 .path = path_of,
                                                 .ctx = argv[1],
                                                 .max_bytes = strtoull(argv[4], NULL, 10),
                                                 .max_block_bytes =
                                                     strtoull(argv[5], NULL, 10)};
    int rc = shard_writer_open(&w, &options);
    uint64_t n = strtoull(argv[2], NULL, 10);
    for (uint64_t seed = strtoull(argv[3], NULL, 10); n > 0 && rc == SHARD_OK; seed++) {
        struct random_record *r = random_record_make(seed, header);
        if (argc < 7 || is_trainable(header, &r->rec)) {
            rc = shard_writer_append(w, &r->rec);
            n--;
        }
        random_record_free(r);
    }
    if (rc == SHARD_OK)
        rc = shard_writer_finish(w);
    if (rc < 0)
        fprintf(stderr, "write_random_shards: %s\n", shard_writer_why(w));
    shard_writer_close(w);
    return rc == SHARD_OK ? 0 : 1;
}
