/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/list_pairs.c - what ingest/pair.h makes of a file, as JSON lines.
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

#include "ingest/pair.h"
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

static void print_pair(const struct pair *p)
{
    json_t *captions = json_array();

    for (size_t i = 0; i < p->n_captions; i++)
        json_array_append_new(captions,
                              json_pack("[s,s%]", p->captions[i].name,
                                        p->captions[i].text, p->captions[i].text_len));
    print(json_pack("{s:s,s:I,s:s,s:s,s:o,s:o,s:o}", "key", p->key, "index",
                    (json_int_t)p->index, "reject", reject_name(p->reject.reason),
                    "detail", p->reject.detail, "image", digest(p->image, p->image_len),
                    "captions", captions, "metadata",
                    digest(p->metadata, p->metadata_len)));
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

static int list(struct pair_reader *r)
{
    struct pair p;
    int rc;

    while ((rc = pair_reader_next(r, &p)) == INGEST_OK) {
        print_pair(&p);
        pair_clear(&p);
    }
    if (rc == INGEST_END)
        print_totals(pair_reader_totals(r));
    return rc;
}

int main(int argc, char **argv)
{
    struct input in = {.chunk = argc > 2 ? strtoul(argv[2], NULL, 10) : 1 << 20};
    struct ingest_source source = {.ctx = &in, .read = read_input, .why = why_input};
    struct pair_options options = pair_options_default();
    struct pair_reader *r = NULL;
    int rc = INGEST_EIO;

    if (argc < 2 || (in.fd = open(argv[1], O_RDONLY)) < 0) {
        fprintf(stderr, "usage: list_pairs FILE [CHUNK [IMAGE_FIELD]]\n");
        return 2;
    }
    if (argc > 3)
        options.image_field = argv[3];
    rc = pair_reader_open(&r, &source, &options);
    if (rc == INGEST_OK)
        rc = list(r);
    if (rc < 0)
        fprintf(stderr, "list_pairs: %s\n", pair_reader_why(r));
    pair_reader_close(r);
    close(in.fd);
    return rc < 0;
}
