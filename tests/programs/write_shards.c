/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/write_shards.c - sample shards for readers that are not ours.
 *
 *     write_shards PREFIX N MAX_BYTES MAX_BLOCK_BYTES [KINDS]
 *
 * writes the records 0..N-1 of tests/unit/sample_records.h to PREFIX-00000.lms and so on,
 * and prints each as a line of JSON: what a reader must find. Bytes are printed in hex.
 * With KINDS only such records, in turn: "023" is pairs, documents, edits; "4" is pairs
 * with log-variances.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "shard/status.h"
#include "shard/writer.h"
#include "tests/unit/sample_records.h"

static int path_of(void *ctx, uint32_t part, char *path, size_t cap)
{
    int n = snprintf(path, cap, "%s-%05u.lms", (const char *)ctx, (unsigned)part);
    return n > 0 && (size_t)n < cap ? 0 : -1;
}

static json_t *hex(const void *data, size_t len)
{
    const unsigned char *p = data;
    char *text = malloc(2 * len + 1);

    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < len; i++)
        snprintf(text + 2 * i, 3, "%02x", p[i]);
    json_t *value = json_stringn(text, 2 * len);
    free(text);
    return value;
}

static json_t *bytes(const struct shard_unknown *unknown)
{
    return hex(unknown->bytes, unknown->len);
}

static json_t *alternatives(const struct shard_part *part)
{
    json_t *array = json_array();

    for (size_t i = 0; i < part->n_alternatives; i++) {
        const struct shard_alternative *a = &part->alternatives[i];
        json_t *ids = a->n_ids == SHARD_NO_IDS ? json_null() : json_array();
        for (uint32_t j = 0; json_is_array(ids) && j < a->n_ids; j++)
            json_array_append_new(ids, json_integer(a->ids[j]));
        json_array_append_new(array, json_pack("{s:i, s:s, s:s%, s:o, s:o}", "kind",
                                               (int)a->kind, "name", a->name, "text",
                                               a->text, a->text_len, "ids", ids,
                                               "unknown", bytes(&a->unknown)));
    }
    return array;
}

static json_t *part_to_json(const struct shard_part *part)
{
    return json_pack("{s:i, s:i, s:s, s:o, s:[i,i], s:o, s:o}", "kind", (int)part->kind,
                     "flags", (int)part->flags, "role", part->role, "alternatives",
                     alternatives(part), "source", (int)part->width, (int)part->height,
                     "sha256", hex(part->sha256, sizeof(part->sha256)), "unknown",
                     bytes(&part->unknown));
}

static json_t *box_to_json(const struct shard_box *box)
{
    return json_pack("[i,i,i,i]", (int)box->left, (int)box->top, (int)box->width,
                     (int)box->height);
}

static json_t *rendition_to_json(const struct shard_rendition *r)
{
    return json_pack("{s:i, s:i, s:b, s:i, s:[i,i], s:o, s:o, s:o}", "kind", (int)r->kind,
                     "part", (int)r->part, "mirrored", (int)r->mirrored, "fit",
                     (int)r->fit, "target", (int)r->target_width, (int)r->target_height,
                     "crop", box_to_json(&r->crop), "content", box_to_json(&r->content),
                     "unknown", bytes(&r->unknown));
}

static json_t *tensor_to_json(const struct shard_tensor *t)
{
    json_t *dims = json_array();

    for (uint32_t i = 0; i < t->n_dims; i++)
        json_array_append_new(dims, json_integer(t->dims[i]));
    return json_pack("{s:i, s:i, s:o, s:i, s:i, s:i, s:o, s:o}", "kind", (int)t->kind,
                     "part", (int)t->part, "owner",
                     t->owner == SHARD_NONE ? json_null() : json_integer(t->owner),
                     "encoder", (int)t->encoder, "slot", (int)t->slot, "dtype",
                     (int)t->dtype, "dims", dims, "data", hex(t->data, t->n_bytes));
}

static void print_record(const struct shard_record *rec)
{
    json_t *parts = json_array(), *renditions = json_array(), *tensors = json_array();

    for (size_t i = 0; i < rec->n_parts; i++)
        json_array_append_new(parts, part_to_json(&rec->parts[i]));
    for (size_t i = 0; i < rec->n_renditions; i++)
        json_array_append_new(renditions, rendition_to_json(&rec->renditions[i]));
    for (size_t i = 0; i < rec->n_tensors; i++)
        json_array_append_new(tensors, tensor_to_json(&rec->tensors[i]));
    json_t *root =
        json_pack("{s:s, s:s, s:I, s:i, s:i, s:o, s:o, s:o, s:s%}", "key", rec->key,
                  "name", rec->name, "index", (json_int_t)rec->index, "order",
                  (int)rec->order, "caption_drawn", (int)rec->caption_drawn, "parts",
                  parts, "renditions", renditions, "tensors", tensors, "metadata",
                  rec->metadata_len > 0 ? rec->metadata : "", rec->metadata_len);
    json_dumpf(root, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(root);
}

int main(int argc, char **argv)
{
    struct shard_writer *w = NULL;
    int rc = SHARD_EINVAL;

    if (argc != 5 && argc != 6) {
        fprintf(stderr,
                "usage: write_shards PREFIX N MAX_BYTES MAX_BLOCK_BYTES [KINDS]\n");
        return 2;
    }
    const char *kinds = argc > 5 ? argv[5] : "0123456789";
    const size_t n_kinds = strlen(kinds);
    struct shard_writer_options options = {.header = sample_header(),
                                           .path = path_of,
                                           .ctx = argv[1],
                                           .max_bytes = strtoull(argv[3], NULL, 10),
                                           .max_block_bytes =
                                               strtoull(argv[4], NULL, 10)};
    rc = shard_writer_open(&w, &options);
    for (uint64_t i = 0; i < strtoull(argv[2], NULL, 10) && rc == SHARD_OK; i++) {
        const uint64_t kind = (uint64_t)(kinds[i % n_kinds] - '0');
        struct sample *s = sample_make(SAMPLE_KINDS * (i / n_kinds) + kind);
        rc = shard_writer_append(w, &s->rec);
        print_record(&s->rec);
        sample_free(s);
    }
    if (rc == SHARD_OK)
        rc = shard_writer_finish(w);
    if (rc < 0)
        fprintf(stderr, "write_shards: %s\n", shard_writer_why(w));
    shard_writer_close(w);
    return rc == SHARD_OK ? 0 : 1;
}
