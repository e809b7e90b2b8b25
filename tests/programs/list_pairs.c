/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/list_pairs.c - what ingest/readers.h makes of a file, as JSON lines.
 *
 *     list_pairs FILE [CHUNK [IMAGE_FIELD]]
 *
 * One object for each group, then one with the totals. CHUNK is the most bytes that one
 * read gives (1 MiB). Images and metadata are told by their SHA-256. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ingest/readers.h"
#include "ingest/status.h"

struct input {
    int fd;
    size_t chunk;
};

static ssize_t read_input(void *ctx, void *buf, size_t cap)
{
    struct input *in = ctx;
    ssize_t n = read(in->fd, buf, cap < in->chunk ? cap : in->chunk);

    return n < 0 ? INGEST_EIO : n;
}

static const char *why_input(void *ctx)
{
    (void)ctx;
    return strerror(errno);
}

static void print(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(object);
}

static json_t *digest(const void *bytes, size_t len)
{
    unsigned char sum[SHA256_DIGEST_LENGTH];
    char text[2 * sizeof(sum) + 1];

    if (!bytes)
        return json_null();
    SHA256(bytes, len, sum);
    for (size_t i = 0; i < sizeof(sum); i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return json_string(text);
}

static void print_sample(const struct ingest_sample *p)
{
    json_t *captions = json_array();

    const struct ingest_part *text = p->n_parts > 0 ? &p->parts[0] : NULL;
    const struct ingest_part *image = p->n_parts > 0 ? &p->parts[1] : NULL;

    for (size_t i = 0; text && i < text->n_alternatives; i++) {
        const struct ingest_alternative *a = &text->alternatives[i];

        json_array_append_new(captions,
                              json_pack("[s,s%]", a->name, a->text, a->text_len));
    }
    print(json_pack(
        "{s:s,s:I,s:s,s:s,s:o,s:o,s:o}", "key", p->key, "index", (json_int_t)p->index,
        "reject", reject_name(p->reject.reason), "detail", p->reject.detail, "image",
        image ? digest(image->image, image->image_len) : json_null(), "captions",
        captions, "metadata", digest(p->metadata, p->metadata_len)));
}

static void print_totals(const struct ingest_totals *t)
{
    json_t *skipped = json_object();

    for (int i = 0; i < N_SKIP_KINDS; i++)
        if (t->skipped[i] > 0)
            json_object_set_new(skipped, skip_name((enum skip_kind)i),
                                json_integer((json_int_t)t->skipped[i]));
    print(json_pack("{s:I,s:I,s:o,s:I,s:I,s:I,s:b,s:I,s:s,s:s?}", "groups",
                    (json_int_t)t->groups, "skipped_members",
                    (json_int_t)t->skipped_members, "skipped", skipped,
                    "dropped_captions", (json_int_t)t->dropped_captions,
                    "dropped_metadata", (json_int_t)t->dropped_metadata,
                    "unparsed_metadata", (json_int_t)t->unparsed_metadata, "damaged",
                    (int)t->damaged, "damage_offset", (json_int_t)t->damage_offset,
                    "damage", t->damage, "partial_key", t->partial_key));
}

static int list(void *r)
{
    struct ingest_sample p;
    int rc;

    while ((rc = reader_tar.next(r, &p)) == INGEST_OK) {
        print_sample(&p);
        ingest_sample_clear(&p);
    }
    if (rc == INGEST_END)
        print_totals(reader_tar.totals(r));
    return rc;
}

int main(int argc, char **argv)
{
    struct input in = {.chunk = argc > 2 ? strtoul(argv[2], NULL, 10) : 1 << 20};
    struct ingest_source source = {.ctx = &in, .read = read_input, .why = why_input};
    struct reader_options options = reader_options_default();
    void *r = NULL;
    int rc = INGEST_EIO;

    if (argc < 2 || (in.fd = open(argv[1], O_RDONLY)) < 0) {
        fprintf(stderr, "usage: list_pairs FILE [CHUNK [IMAGE_FIELD]]\n");
        return 2;
    }
    if (argc > 3)
        options.image_field = argv[3];
    rc = reader_tar.open(&r, &source, &options);
    if (rc == INGEST_OK)
        rc = list(r);
    if (rc < 0)
        fprintf(stderr, "list_pairs: %s\n", reader_tar.why(r));
    reader_tar.close(r);
    close(in.fd);
    return rc < 0;
}
