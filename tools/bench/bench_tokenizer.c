/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_tokenizer.c - texts -> ids, on one thread: files of text in documents
 * of 10 kB, the inputs' captions, or made up ones where nothing is given. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/text/utf8.h"
#include "shard/status.h"
#include "tools/bench/bench_section.h"
#include "tools/store/store.h"

enum { N_MADE_UP = 20000, MADE_UP_CAP = 200, DOCUMENT_BYTES = 10000 };
enum { MAX_TEXT_FILE = 1 << 30 };

struct text {
    char *bytes; /* owned */
    size_t len;
};

struct texts {
    struct text *at;
    size_t n, cap;
    double bytes;
};

struct tokenizer_bench {
    struct tokenizer_worker *worker;
    struct texts texts;
    uint64_t n_tokens; /* of the run in hand */
    const char *why;   /* of a text that has no ids */
};

static int run(void *ctx)
{
    struct tokenizer_bench *e = ctx;

    e->n_tokens = 0;
    for (size_t i = 0; i < e->texts.n; i++) {
        const struct text *text = &e->texts.at[i];
        uint32_t *ids, n;
        int rc = tokenizer_encode(e->worker, text->bytes, text->len, &ids, &n);

        if (rc != SHARD_OK) {
            e->why = tokenizer_worker_why(e->worker);
            e->why = *e->why ? e->why : shard_strerror(rc);
            return -1;
        }
        e->n_tokens += n;
        free(ids);
    }
    return 0;
}

/* Returns 0, or -1: no memory. */
static int add_text(struct texts *t, const char *bytes, size_t len)
{
    if (t->n == t->cap) {
        const size_t more = t->cap ? 2 * t->cap : 1024;
        struct text *at = realloc(t->at, more * sizeof(*at));

        if (!at)
            return -1;
        t->at = at;
        t->cap = more;
    }
    t->at[t->n].bytes = malloc(len + 1);
    if (!t->at[t->n].bytes)
        return -1;
    memcpy(t->at[t->n].bytes, bytes, len);
    t->at[t->n++].len = len;
    t->bytes += (double)len;
    return 0;
}

static const char *pick(const char *const *words, uint64_t *seed)
{
    size_t n = 0;

    while (words[n])
        n++;
    return words[bench_random(seed) % n];
}

static void make_up(char text[MADE_UP_CAP], uint64_t *seed)
{
    static const char *const parts[][8] = {
        {"A photograph of", "A close-up of", "An aerial view of", "Two people beside",
         "A painting of", "A child with", "Nobody noticed"},
        {"a small", "the old", "a bright yellow", "an enormous", "a weathered",
         "the neighbours'", "a brand-new"},
        {"bicycle", "lighthouse", "dog", "bowl of soup", "sailboat", "typewriter",
         "bridge"},
        {"on a beach at sunset.", "in front of a brick wall, 1987.", "near the harbour.",
         "on the kitchen table.", "in heavy snow.", "under a cloudless sky."}};
    size_t len = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        len += (size_t)snprintf(text + len, MADE_UP_CAP - len, "%s%s", i ? " " : "",
                                pick(parts[i], seed));
}

static int make_up_captions(struct texts *t)
{
    uint64_t seed = 1;

    for (size_t i = 0; i < N_MADE_UP; i++) {
        char text[MADE_UP_CAP];

        make_up(text, &seed);
        if (add_text(t, text, strlen(text)) != 0)
            return -1;
    }
    return 0;
}

static int take_alternatives(struct texts *t, const struct ingest_part *part)
{
    for (size_t i = 0; i < part->n_alternatives; i++)
        if (add_text(t, part->alternatives[i].text, part->alternatives[i].text_len) != 0)
            return -1;
    return 0;
}

static int take_captions(struct texts *t, const struct bench *b)
{
    for (size_t i = 0; i < b->inputs.n; i++)
        for (size_t k = 0; k < b->tars[i].n; k++)
            for (size_t p = 0; p < b->tars[i].samples[k].n_parts; p++)
                if (take_alternatives(t, &b->tars[i].samples[k].parts[p]) != 0)
                    return -1;
    return 0;
}

/* Documents of DOCUMENT_BYTES at most, each of whole characters. */
static int cut(struct texts *t, const char *bytes, size_t len)
{
    for (size_t start = 0, end; start < len; start = end) {
        end = len - start > DOCUMENT_BYTES ? start + DOCUMENT_BYTES : len;
        while (end < len && ((unsigned char)bytes[end] & 0xC0) == 0x80)
            end--;
        if (add_text(t, bytes + start, end - start) != 0)
            return -1;
    }
    return 0;
}

/* Explains what it cannot read. Returns 0 or -1. */
static int take_file(struct texts *t, const char *path)
{
    char *bytes;
    size_t len;
    int rc = store_read(store_at(path), path, MAX_TEXT_FILE, &bytes, &len);

    if (rc != 0)
        bench_fail("%s: %s", path, strerror(errno));
    else if (!utf8_valid(bytes, len))
        bench_fail("%s: is not UTF-8", path);
    else if (cut(t, bytes, len) == 0) {
        free(bytes);
        return 0;
    } else {
        bench_fail("out of memory");
    }
    free(bytes);
    return -1;
}

/* What is to be tokenized; a word for it in *what. Returns 0, or -1 explained. */
static int take_texts(struct bench *b, struct texts *t, const char **what)
{
    int rc = 0;

    *what = "documents of 10 kB";
    for (size_t i = 0; i < b->n_text_files && rc == 0; i++)
        rc = take_file(t, b->text_files[i]);
    if (b->n_text_files > 0 || bench_load_tars(b) != 0)
        return b->n_text_files > 0 ? rc : -1;
    *what = b->inputs.n > 0 ? "captions of the inputs" : "made up";
    if ((b->inputs.n > 0 ? take_captions(t, b) : make_up_captions(t)) == 0)
        return 0;
    bench_fail("out of memory");
    return -1;
}

static json_t *measure(struct bench *b, struct tokenizer_bench *e, const char *what)
{
    const struct tokenizer *tokenizer = b->models.text.tokenizer;
    const struct texts *t = &e->texts;
    struct bench_times times;
    json_t *o;

    if (t->n == 0)
        return bench_fail("there is no text to measure with");
    if (bench_repeat(b, run, e, &times) != 0)
        return bench_fail("a text could not be tokenized: %s", e->why ? e->why : "");
    o = json_pack("{s:i, s:s, s:i, s:s, s:I, s:f, s:f}", "threads", 1, "tokenizer",
                  b->options.tokenizer.path, "pieces", (int)tokenizer_n_pieces(tokenizer),
                  "text", what, "captions", (json_int_t)t->n, "megabytes", t->bytes / 1e6,
                  "tokens_per_caption", (double)e->n_tokens / (double)t->n);
    bench_set_rate(&o, "captions_per_second", (double)t->n, &times);
    bench_set_rate(&o, "megabytes_per_second", t->bytes / 1e6, &times);
    bench_set_rate(&o, "tokens_per_second", (double)e->n_tokens, &times);
    return o;
}

json_t *bench_tokenizer(struct bench *b)
{
    struct tokenizer_bench e = {.worker = tokenizer_worker_new(b->models.text.tokenizer)};
    const char *what;
    json_t *o = NULL;

    if (!e.worker)
        bench_fail("out of memory");
    else if (take_texts(b, &e.texts, &what) == 0)
        o = measure(b, &e, what);
    for (size_t i = 0; i < e.texts.n; i++)
        free(e.texts.at[i].bytes);
    free(e.texts.at);
    tokenizer_worker_free(e.worker);
    return o;
}
