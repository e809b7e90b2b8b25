/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_shard.c - a reader survives any file.
 *
 * An input that starts as the content of a text frame does ("LMTX") is decoded as one:
 * behind Zstandard's checksums no mutation would reach that code. Anything else is a
 * shard file. What is read is read to its last byte, as a user would. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shard/format.h"
#include "shard/reader.h"
#include "shard/sequence.h"
#include "shard/text_frame.h"
#include "shard/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sink;

static void touch(const void *data, size_t len)
{
    const unsigned char *p = data;
    unsigned sum = 0;

    for (size_t i = 0; p != NULL && i < len; i++)
        sum += p[i];
    sink += sum;
}

static void use_record(const struct shard_record *rec)
{
    touch(rec->key, strlen(rec->key));
    touch(rec->name, strlen(rec->name));
    touch(rec->metadata, rec->metadata_len);
    touch(rec->images, rec->n_images * sizeof(rec->images[0]));
    for (size_t i = 0; i < rec->n_segments; i++) {
        const struct shard_segment *segment = &rec->segments[i];
        touch(segment->data, segment->data != NULL ? segment->n_bytes : 0);
        for (size_t j = 0; j < segment->n_alternatives; j++) {
            const struct shard_alternative *a = &segment->alternatives[j];
            touch(a->name, strlen(a->name));
            touch(a->text, a->text_len + 1);
            if (a->n_ids != SHARD_NO_IDS)
                touch(a->ids, a->n_ids * sizeof(a->ids[0]));
        }
    }
}

static void use_sequence(const struct shard_header *h, const struct shard_record *rec)
{
    struct shard_sequence seq;

    if (shard_sequence_build(h, rec, rec->order, rec->caption_drawn, h->patch, &seq) ==
        SHARD_OK) {
        touch(seq.tokens, seq.length * sizeof(seq.tokens[0]));
        touch(seq.loss, seq.length);
        for (size_t i = 0; i < seq.n_spans; i++)
            touch(&seq.tokens[seq.spans[i].offset], seq.spans[i].length);
        shard_sequence_clear(&seq);
    }
}

static void read_shard(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct shard_reader *r = NULL;
    struct shard_record rec;
    char path[32];
    uint64_t i;

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (shard_reader_open(&r, path) == SHARD_OK) {
        int rc;
        /* A small file may claim many records: as many are read as it may honestly have.
         */
        for (i = 0; i < 1000; i++) {
            rc = shard_reader_next(r, &rec);
            if (rc == SHARD_EOF)
                break;
            use_record(&rec);
            if (rc == SHARD_OK)
                use_sequence(shard_reader_header(r), &rec);
        }
        shard_reader_text_only(r, true);
        if (shard_reader_find(r, NULL, "dir/000001", &i) == SHARD_OK &&
            shard_reader_at(r, i, &rec) == SHARD_OK)
            use_record(&rec);
    }
    touch(shard_reader_why(r), strlen(shard_reader_why(r)));
    shard_reader_close(r);
    close(fd);
}

static void decode_text(const uint8_t *data, size_t size)
{
    struct shard_text_frame frame;
    char why[256];

    if (shard_text_frame_decode(&frame, data, size, 3, why, sizeof(why)) == SHARD_OK)
        for (size_t i = 0; i < frame.n_records; i++)
            use_record(&frame.records[i]);
    shard_text_frame_clear(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 4 && wire_load_u32(data) == SHARD_MAGIC_TEXT)
        decode_text(data, size);
    else
        read_shard(data, size);
    return 0;
}
