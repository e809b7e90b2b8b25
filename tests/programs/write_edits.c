/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/write_edits.c - a shard of pairs and of records with two texts.
 *
 *     write_edits PREFIX N
 *
 * writes N records to PREFIX-00000.lms: in turn a pair with two captions, and an edit: a
 * text with two alternatives, a latent, and another text. */
#include <stdio.h>
#include <stdlib.h>

#include "shard/status.h"
#include "shard/writer.h"
#include "tests/unit/sample_records.h"

static int path_of(void *ctx, uint32_t part, char *path, size_t cap)
{
    int n = snprintf(path, cap, "%s-%05u.lms", (const char *)ctx, (unsigned)part);
    return n > 0 && (size_t)n < cap ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct shard_writer *w = NULL;
    struct shard_writer_options options = {
        .header = sample_header(), .path = path_of, .max_bytes = 1 << 30};

    if (argc != 3) {
        fprintf(stderr, "usage: write_edits PREFIX N\n");
        return 2;
    }
    options.ctx = argv[1];
    int rc = shard_writer_open(&w, &options);
    for (uint64_t i = 0; i < strtoull(argv[2], NULL, 10) && rc == SHARD_OK; i++) {
        struct sample *s = sample_make(SAMPLE_KINDS * i); /* a pair */
        if (i % 2 == 1) {
            sample_text(s, SHARD_FLAG_LOSS, 1, true);
            s->rec.order = SHARD_CAPTION_FIRST; /* only a pair has another */
        }
        rc = shard_writer_append(w, &s->rec);
        sample_free(s);
    }
    if (rc == SHARD_OK)
        rc = shard_writer_finish(w);
    if (rc < 0)
        fprintf(stderr, "write_edits: %s\n", shard_writer_why(w));
    shard_writer_close(w);
    return rc == SHARD_OK ? 0 : 1;
}
