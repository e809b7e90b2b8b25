/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_tokenizer.c - captions -> ids, on one thread: the inputs' captions,
 * or made up ones where no input is given. */
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "tools/bench/bench_section.h"

enum { N_MADE_UP = 20000, MADE_UP_CAP = 200 };

struct captions {
    char **texts;
    size_t n;
    double bytes;
};

struct tokenizer_bench {
    struct tokenizer_worker *worker;
    struct captions captions;
    uint64_t n_tokens; /* of the run in hand */
};

static int run(void *ctx)
{
    struct tokenizer_bench *e = ctx;

    e->n_tokens = 0;
    for (size_t i = 0; i < e->captions.n; i++) {
        const char *text = e->captions.texts[i];
        uint32_t *ids, n;

        if (tokenizer_encode(e->worker, text, strlen(text), &ids, &n) != SHARD_OK)
            return -1;
        e->n_tokens += n;
        free(ids);
    }
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

static int make_up_captions(struct captions *c)
{
    uint64_t seed = 1;

    c->texts = calloc(N_MADE_UP, sizeof(*c->texts));
    for (; c->texts && c->n < N_MADE_UP; c->n++) {
        char text[MADE_UP_CAP];

        make_up(text, &seed);
        c->texts[c->n] = strdup(text);
        if (!c->texts[c->n])
            return -1;
        c->bytes += (double)strlen(text);
    }
    return c->texts ? 0 : -1;
}

static int take_texts(struct captions *c, const struct ingest_part *part)
{
    for (size_t i = 0; i < part->n_alternatives; i++) {
        c->texts[c->n] = strdup(part->alternatives[i].text);
        if (!c->texts[c->n])
            return -1;
        c->bytes += (double)strlen(c->texts[c->n++]);
    }
    return 0;
}

static int take_captions(struct captions *c, const struct bench *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->inputs.n; i++)
        for (size_t k = 0; k < b->tars[i].n; k++)
            for (size_t p = 0; p < b->tars[i].samples[k].n_parts; p++)
                n += b->tars[i].samples[k].parts[p].n_alternatives;
    c->texts = calloc(n + 1, sizeof(*c->texts));
    if (!c->texts)
        return -1;
    for (size_t i = 0; i < b->inputs.n; i++)
        for (size_t k = 0; k < b->tars[i].n; k++)
            for (size_t p = 0; p < b->tars[i].samples[k].n_parts; p++)
                if (take_texts(c, &b->tars[i].samples[k].parts[p]) != 0)
                    return -1;
    return 0;
}

json_t *bench_tokenizer(struct bench *b)
{
    const struct tokenizer *tokenizer = b->models.tokenizer;
    struct tokenizer_bench e = {.worker = tokenizer_worker_new(tokenizer)};
    struct captions *c = &e.captions;
    struct bench_times times;
    json_t *o = NULL;
    int rc = bench_load_tars(b);

    if (rc == 0 && (!e.worker ||
                    (b->inputs.n > 0 ? take_captions(c, b) : make_up_captions(c)) != 0)) {
        bench_fail("out of memory");
    } else if (rc == 0 && bench_repeat(b, run, &e, &times) != 0) {
        bench_fail("a caption could not be tokenized");
    } else if (rc == 0) {
        o = json_pack("{s:i, s:s, s:i, s:s, s:I, s:f, s:f}", "threads", 1, "tokenizer",
                      b->options.tokenizer, "pieces", (int)tokenizer_n_pieces(tokenizer),
                      "text", b->inputs.n > 0 ? "captions of the inputs" : "made up",
                      "captions", (json_int_t)c->n, "megabytes", c->bytes / 1e6,
                      "tokens_per_caption", (double)e.n_tokens / (double)c->n);
        bench_set_rate(&o, "captions_per_second", (double)c->n, &times);
        bench_set_rate(&o, "megabytes_per_second", c->bytes / 1e6, &times);
        bench_set_rate(&o, "tokens_per_second", (double)e.n_tokens, &times);
    }
    for (size_t i = 0; i < c->n; i++)
        free(c->texts[i]);
    free(c->texts);
    tokenizer_worker_free(e.worker);
    return o;
}
