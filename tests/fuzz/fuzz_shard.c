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

#include "shard/file/file_map.h"
#include "shard/file/format.h"
#include "shard/index/outline.h"
#include "shard/reader.h"
#include "shard/sequence.h"
#include "shard/file/text_frame.h"
#include "shard/file/wire.h"
#include "tests/unit/sample_records.h"

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

static void use_part(const struct shard_part *part)
{
    touch(part->role, strlen(part->role));
    touch(part->unknown.bytes, part->unknown.len);
    touch(part->sha256, sizeof(part->sha256));
    for (size_t i = 0; i < part->n_alternatives; i++) {
        const struct shard_alternative *a = &part->alternatives[i];
        touch(a->name, strlen(a->name));
        touch(a->text, a->text_len + 1);
        touch(a->unknown.bytes, a->unknown.len);
        if (a->n_ids != SHARD_NO_IDS)
            touch(a->ids, a->n_ids * sizeof(a->ids[0]));
    }
}

static void use_record(const struct shard_record *rec)
{
    touch(rec->key, strlen(rec->key));
    touch(rec->name, strlen(rec->name));
    touch(rec->metadata, rec->metadata_len);
    for (size_t i = 0; i < rec->n_parts; i++)
        use_part(&rec->parts[i]);
    for (size_t i = 0; i < rec->n_renditions; i++)
        touch(rec->renditions[i].unknown.bytes, rec->renditions[i].unknown.len);
    for (size_t i = 0; i < rec->n_tensors; i++)
        touch(rec->tensors[i].data,
              rec->tensors[i].data != NULL ? rec->tensors[i].n_bytes : 0);
}

/* Everything that a record may have is seen, images as all they may be. */
static const struct shard_plan *plan_of_all(void)
{
    static const char json[] =
        "{\"ends\":\"text\",\"rules\":[{\"part\":\"text\",\"see\":[{},"
        "{\"encoder\":\"states\"},{\"encoder\":\"words\"}]},"
        "{\"part\":\"image\",\"see\":[{},{\"encoder\":\"moments\",\"window\":1},"
        "{\"encoder\":\"codes\",\"row_end\":9,\"size\":{\"height\":1,\"width\":2}},"
        "{\"encoder\":\"features\"},"
        "{\"encoder\":\"jpeg\",\"markers\":false}]},"
        "{\"part\":\"data\",\"see\":[{\"encoder\":\"vector\"}]},"
        "{\"part\":77,\"see\":[{\"encoder\":\"later\"}]}]}";
    static struct shard_plan *plan;
    char why[200];

    if (plan == NULL &&
        shard_plan_from_json(json, sizeof(json) - 1, &plan, why, sizeof(why)) != SHARD_OK)
        abort();
    return plan;
}

static void use_sequence(const struct shard_header *h, const struct shard_record *rec,
                         const struct shard_plan *plan)
{
    const struct shard_view view = {.header = h, .plan = plan, .window = h->patch};
    struct shard_sequence seq;
    struct shard_draws draws;
    size_t length;

    if (shard_draws_stored(&draws, rec, h->seed) != SHARD_OK)
        abort();
    if (shard_sequence_build(&view, rec, &draws, &seq) == SHARD_OK) {
        touch(seq.tokens, seq.length * sizeof(seq.tokens[0]));
        touch(seq.loss, seq.length);
        for (size_t i = 0; i < seq.n_spans; i++)
            touch(&seq.tokens[seq.spans[i].offset], seq.spans[i].length);
        if (shard_sequence_length(&view, rec, &draws, &length) != SHARD_OK ||
            length != seq.length)
            abort();
        shard_sequence_clear(&seq);
    }
    shard_draws_clear(&draws);
}

/* What is planned from the index alone. */
static void use_outline(const char *path)
{
    struct shard_positioned_file file;
    struct shard_file_map map = {0};
    struct shard_outline outline = {0};
    struct shard_outline_room room = {0};
    struct shard_record rec;
    struct shard_measure m;

    if (shard_positioned_file_open(&file, NULL, path) == SHARD_OK &&
        shard_file_map_open(&map, &file) == SHARD_OK &&
        shard_outline_load(&outline, &map.index, map.header) == SHARD_OK) {
        const struct shard_view view = {
            .header = map.header, .plan = plan_of_all(), .window = map.header->patch};
        for (size_t i = 0; i < outline.n_records && i < 1000; i++) {
            if (shard_outline_record(&outline, i, &room, &rec) != SHARD_OK)
                abort();
            shard_sequence_measure(&view, &rec, &m);
            sink += (unsigned)m.length[0];
        }
    }
    touch(file.why, strlen(file.why));
    shard_outline_room_clear(&room);
    shard_outline_clear(&outline);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
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
            if (rc != SHARD_OK)
                continue;
            use_sequence(shard_reader_header(r), &rec, shard_plan_default());
            use_sequence(shard_reader_header(r), &rec, plan_of_all());
        }
        shard_reader_text_only(r, true);
        if (shard_reader_find(r, NULL, "dir/000001", &i) == SHARD_OK &&
            shard_reader_at(r, i, &rec) == SHARD_OK)
            use_record(&rec);
    }
    touch(shard_reader_why(r), strlen(shard_reader_why(r)));
    shard_reader_close(r);
    use_outline(path);
    close(fd);
}

static void decode_text(const uint8_t *data, size_t size)
{
    struct shard_text_frame frame;
    char why[256];

    if (shard_text_frame_decode(&frame, data, size, sample_header(), why, sizeof(why)) ==
        SHARD_OK)
        for (size_t i = 0; i < frame.n_records; i++) {
            use_record(&frame.records[i]);
            use_sequence(sample_header(), &frame.records[i], plan_of_all());
        }
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
