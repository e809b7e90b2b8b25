/* SPDX-License-Identifier: Apache-2.0
 * tools/stage_encode.c - pairs -> pixels, ids and latents, documents -> ids; nearly all
 * of the work.
 *
 * One worker decodes its batch and then encodes it, so that there are as many busy
 * threads as workers, and pixels never leave the core that made them. */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"
#include "shard/status.h"
#include "tools/clock.h"
#include "tools/encoding.h"
#include "tools/gather.h"
#include "tools/intake.h"
#include "tools/pipeline.h"
#include "tools/run.h"
#include "tools/sample.h"
#include "vae_encode/status.h"

/* Bytes that parsing and tokenizing a text hold for one byte of it, as measured: 100 for
 * prose, 250 for digits, each of which is a token. (A normalizer may make 11 bytes of
 * one, of U+FDFA say; no text is made of that.) Texts that need less than SMALL_TEXT_NEED
 * do not ask: a worker has one of them in hand. */
enum { TEXT_FACTOR = 256, SMALL_TEXT_NEED = 1 << 20 };

/* Pixels, and tensors as computed, that a worker has in hand, unless one image has more.
 */
static const uint64_t BATCH_BYTES = (uint64_t)256 << 20;

/* An image whose pixels wait for the encoders. */
struct slot {
    struct sample *sample; /* NULL: free */
    uint8_t *rgb;          /* (height, width, 3) */
};

/* One encoder at work. */
struct encoding_worker {
    const struct encoding *encoding;
    void *encoder;
    void *computed[ENCODER_MAX_TENSORS]; /* of a batch; NULL: not stored */
};

struct encode_worker {
    struct run *run;
    struct encoder_cancel cancel;
    struct image_decoder *decoder;
    struct encoding_worker *encodings; /* run->n_encodings */
    size_t n_slots;
    struct slot *slots;     /* n_slots */
    uint8_t *rgb;           /* of all slots */
    const uint8_t **rgb_of; /* of a batch */
    void **batch;           /* slots of a batch */
    struct gather gather;   /* slots that wait */
};

static void close_encoding(struct encoding_worker *w)
{
    if (w->encoding)
        w->encoding->encoder->close(w->encoder);
    for (size_t i = 0; i < ENCODER_MAX_TENSORS; i++)
        free(w->computed[i]);
}

static void close_worker(void *worker)
{
    struct encode_worker *w = worker;

    if (!w)
        return;
    image_decoder_close(w->decoder);
    for (size_t i = 0; w->encodings && i < w->run->n_encodings; i++)
        close_encoding(&w->encodings[i]);
    free(w->encodings);
    gather_free(&w->gather);
    free(w->slots);
    free(w->rgb);
    free(w->rgb_of);
    free(w->batch);
    free(w);
}

static bool is_stopping(void *run)
{
    return atomic_load(&((struct run *)run)->stopping);
}

/* Returns 0, or -1: no memory. */
static int make_slots(struct encode_worker *w, const struct encoding *e)
{
    const size_t image = (size_t)e->width * (size_t)e->height * 3;
    const uint64_t most = BATCH_BYTES / e->about.image_bytes;

    w->n_slots = (size_t)w->run->options->batch;
    if (most < w->n_slots)
        w->n_slots = most > 0 ? (size_t)most : 1;
    w->slots = calloc(w->n_slots, sizeof(*w->slots));
    w->rgb = malloc(w->n_slots * image);
    w->rgb_of = calloc(w->n_slots, sizeof(*w->rgb_of));
    w->batch = calloc(w->n_slots, sizeof(*w->batch));
    if (!w->slots || !w->rgb || !w->rgb_of || !w->batch ||
        gather_init(&w->gather, w->n_slots, BATCH_BYTES) != 0)
        return -1;
    for (size_t i = 0; i < w->n_slots; i++)
        w->slots[i].rgb = w->rgb + i * image;
    return 0;
}

static int open_encoding(struct encode_worker *w, struct encoding_worker *at,
                         const struct encoding *e)
{
    struct run *run = w->run;

    at->encoding = e;
    for (size_t i = 0; i < e->n_tensors; i++) {
        const size_t from = e->tensors[i].from;

        at->computed[from] =
            calloc(w->n_slots, encoder_tensor_bytes(&e->about.tensors[from]));
        if (!at->computed[from])
            return run_fail(run, "out of memory");
    }
    if (e->encoder->open(&at->encoder, e->model, e->width, e->height, &w->cancel) !=
        VAE_OK)
        return run_fail(run, "%s", e->encoder->why(at->encoder));
    return PIPE_OK;
}

/* What images need: all encoders get the same pixels. */
static int open_encoders(struct encode_worker *w)
{
    struct run *run = w->run;
    const struct encoding *first = &run->encodings[0];
    const struct decode_options d = image_options_decode(run->image, first->about.isa);
    int rc = PIPE_OK;

    w->cancel = (struct encoder_cancel){is_stopping, run};
    w->encodings = calloc(run->n_encodings, sizeof(*w->encodings));
    if (!w->encodings || make_slots(w, first) != 0 ||
        image_decoder_open(&w->decoder, &d) != INGEST_OK)
        return run_fail(run, "out of memory");
    for (size_t i = 0; i < run->n_encodings && rc == PIPE_OK; i++)
        rc = open_encoding(w, &w->encodings[i], &run->encodings[i]);
    return rc;
}

static int open_worker(void **out, void *shared)
{
    struct run *run = shared;
    struct encode_worker *w = *out = calloc(1, sizeof(*w));

    if (!w)
        return run_fail(run, "out of memory");
    w->run = run;
    return run->n_encodings > 0 ? open_encoders(w) : PIPE_OK;
}

/* Its texts stay held until they are written. */
static void release_image(struct run *run, struct sample *s)
{
    if (s->pair.image_len > 0)
        budget_give_back(&run->read_bytes, s->pair.image_len);
    s->held -= s->pair.image_len;
    free(s->pair.image);
    s->pair.image = NULL;
    s->pair.image_len = 0;
}

/* Decodes into rgb. A bad image is marked in the sample. Returns 0, 1 where the run is
 * being stopped, or -1. */
static int decode(struct encode_worker *w, struct sample *s, uint8_t *rgb)
{
    struct run *run = w->run;
    struct pair *p = &s->pair;
    uint64_t start = clock_ns(), total = (uint64_t)run->image->decode_mem;
    struct decode_info info;
    int rc;

    if (SHA256(p->image, p->image_len, s->image_sha256) == NULL)
        return run_fail(run, "out of memory");
    if (decode_probe(p->image, p->image_len, &info, &p->reject) != REJECT_NONE)
        return 0;
    if (info.need > total) {
        reject_set(&p->reject, REJECT_TOO_MANY_PIXELS,
                   "%u x %u pixels need %llu bytes to decode; --decode-mem is %llu",
                   info.width, info.height, (unsigned long long)info.need,
                   (unsigned long long)total);
        return 0;
    }
    if (!budget_take(&run->decode_mem, info.need))
        return 1;
    rc = image_decoder_run(w->decoder, p->image, p->image_len, rgb, &s->geometry);
    budget_give_back(&run->decode_mem, info.need);
    if (rc != INGEST_OK)
        return run_fail(run, "out of memory");
    p->reject = s->geometry.reject;
    atomic_fetch_add(&run->count.decode_ns, clock_ns() - start);
    atomic_fetch_add(&run->count.decoded, 1);
    return 0;
}

/* Takes from the budget what a text of len bytes needs; *taken is to be given back. false
 * where the run is being stopped. */
static bool take_for_text(struct run *run, size_t len, uint64_t *taken)
{
    uint64_t need = (uint64_t)len * TEXT_FACTOR;

    *taken = need < SMALL_TEXT_NEED ? 0 : need;
    return *taken == 0 || budget_take(&run->decode_mem, *taken);
}

static void give_back_for_text(struct run *run, uint64_t taken)
{
    if (taken > 0)
        budget_give_back(&run->decode_mem, taken);
}

/* One caption after the other: the caller has taken what the longest needs. */
static int tokenize(struct run *run, struct sample *s)
{
    const struct pair *p = &s->pair;
    uint64_t start = clock_ns();

    if (!run->tokenizer)
        return 0;
    s->ids = calloc(p->n_captions, sizeof(*s->ids));
    s->n_ids = calloc(p->n_captions, sizeof(*s->n_ids));
    if (!s->ids || !s->n_ids)
        return run_fail(run, "out of memory");
    for (size_t i = 0; i < p->n_captions; i++) {
        int rc = tokenizer_encode(run->tokenizer, p->captions[i].text,
                                  p->captions[i].text_len, &s->ids[i], &s->n_ids[i]);
        if (rc != SHARD_OK)
            return run_fail(run, "%s: caption %s of '%s' could not be tokenized%s",
                            s->unit->input->name, p->captions[i].name, p->key,
                            rc == SHARD_ENOMEM ? ": out of memory" : "");
        atomic_fetch_add(&run->count.tokens, s->n_ids[i]);
    }
    atomic_fetch_add(&run->count.tokenize_ns, clock_ns() - start);
    return 0;
}

/* Returns as decode() does. */
static int tokenize_captions(struct run *run, struct sample *s)
{
    size_t longest = 0;
    uint64_t taken;
    int rc;

    if (!run->tokenizer)
        return 0;
    for (size_t i = 0; i < s->pair.n_captions; i++)
        if (s->pair.captions[i].text_len > longest)
            longest = s->pair.captions[i].text_len;
    if (!take_for_text(run, longest, &taken))
        return 1;
    rc = tokenize(run, s);
    give_back_for_text(run, taken);
    return rc;
}

/* Of image `i` of the batch, into its sample from *at on, which moves. */
static void store(const struct encoding_worker *w, size_t i, struct sample *s, char **at)
{
    const struct encoding *e = w->encoding;
    size_t bad = 0, n = 0;

    for (size_t k = 0; k < e->n_tensors; k++) {
        const struct stored_tensor *t = &e->tensors[k];
        const struct encoder_tensor *computed = &e->about.tensors[t->from];
        const char *values = w->computed[t->from];

        bad += encoding_store(t, values + i * encoder_tensor_bytes(computed), *at);
        n += t->n_values;
        *at += t->n_bytes;
    }
    if (bad > 0)
        reject_set(&s->pair.reject, REJECT_NOT_FINITE,
                   "%zu of %zu latent values are not finite in %s", bad, n, e->dtype);
}

/* Returns as decode() does. */
static int encode_batch(struct encode_worker *w, const struct image_batch *in)
{
    struct run *run = w->run;

    for (size_t k = 0; k < run->n_encodings; k++) {
        const struct encoding_worker *e = &w->encodings[k];
        const struct encoder *encoder = e->encoding->encoder;
        int rc = encoder->encode(e->encoder, in, e->computed);

        if (rc != VAE_OK)
            return rc == VAE_CANCELLED ? 1
                                       : run_fail(run, "%s", encoder->why(e->encoder));
    }
    return 0;
}

/* Encodes those that wait of the oldest shape, and frees their slots. Returns as decode()
 * does. */
static int encode_oldest(struct encode_worker *w)
{
    struct run *run = w->run;
    struct image_batch in = {.rgb = w->rgb_of};
    const uint64_t start = clock_ns();
    const size_t n = gather_take(&w->gather, w->batch, &in.width, &in.height);
    int rc;

    for (size_t i = 0; i < n; i++)
        w->rgb_of[i] = ((struct slot *)w->batch[i])->rgb;
    in.n = (int)n;
    rc = encode_batch(w, &in);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct slot *slot = w->batch[i];
        char *at = slot->sample->latent;

        for (size_t k = 0; k < run->n_encodings; k++)
            store(&w->encodings[k], i, slot->sample, &at);
        atomic_fetch_add(&slot->sample->unit->progress.n_encoded, 1);
        slot->sample = NULL;
    }
    if (rc == 0) {
        atomic_fetch_add(&run->count.encode_ns, clock_ns() - start);
        atomic_fetch_add(&run->count.encoded, (uint64_t)n);
    }
    return rc;
}

/* Gives a slot for an image of so many bytes. Returns as decode() does. */
static int take_slot(struct encode_worker *w, uint64_t bytes, struct slot **slot)
{
    int rc = 0;

    while (rc == 0 && !gather_has_room(&w->gather, bytes))
        rc = encode_oldest(w);
    *slot = w->slots;
    while (rc == 0 && (*slot)->sample)
        ++*slot;
    return rc;
}

/* Makes a pair of a document's line. Returns as decode() does. */
static int parse(struct run *run, struct sample *s)
{
    struct document_options options =
        intake_document_options(run->select, (uint64_t)run->image->decode_mem);
    uint64_t start = clock_ns();

    if (document_parse(&s->line, &options, &s->pair, &s->dropped_metadata) != INGEST_OK)
        return run_fail(run, "out of memory");
    document_line_clear(&s->line);
    atomic_fetch_add(&run->count.parse_ns, clock_ns() - start);
    atomic_fetch_add(&run->count.documents, 1);
    return 0;
}

/* A document needs no more than this; its text stays with it, so `held` does too. */
static int work_on_document(struct encode_worker *w, struct sample *s)
{
    struct run *run = w->run;
    uint64_t taken;
    int rc;

    if (!take_for_text(run, s->line.len, &taken))
        return 1;
    rc = parse(run, s);
    if (rc == 0 && s->pair.reject.reason == REJECT_NONE)
        rc = tokenize(run, s);
    give_back_for_text(run, taken);
    atomic_fetch_add(&s->unit->progress.n_encoded, 1);
    return rc;
}

/* Up to what the encoders go on with. Returns as decode() does. */
static int work_on_pair(struct encode_worker *w, struct sample *s)
{
    const struct encoding *e = &w->run->encodings[0];
    struct slot *slot = NULL;
    int rc = 0;

    if (s->pair.reject.reason == REJECT_NONE)
        rc = take_slot(w, e->about.image_bytes, &slot);
    if (slot && rc == 0)
        rc = decode(w, s, slot->rgb);
    release_image(w->run, s);
    if (rc != 0 || s->pair.reject.reason != REJECT_NONE)
        return rc;
    slot->sample = s;
    gather_add(&w->gather, slot, e->width, e->height, e->about.image_bytes);
    return tokenize_captions(w->run, s);
}

static int work(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct encode_worker *w = worker;
    int rc = 0;

    for (int i = 0; i < n && rc == 0; i++)
        if (!s[i]->end_of_unit && !atomic_load(&s[i]->unit->progress.dropped))
            rc = s[i]->unit->input->format == INPUT_DOCUMENTS ? work_on_document(w, s[i])
                                                              : work_on_pair(w, s[i]);
    while (rc == 0 && w->gather.n > 0)
        rc = encode_oldest(w);
    if (rc != 0)
        return rc < 0 ? rc : PIPE_END;
    for (int i = 0; i < n && rc == PIPE_OK; i++)
        rc = pipe_pass(out, s[i]);
    return rc;
}

static double per_second(uint64_t n, uint64_t ns)
{
    return ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

static void say_images(FILE *out, const struct run *run)
{
    const struct counters *c = &run->count;
    const uint64_t encoded = atomic_load(&c->encoded);
    const uint64_t decoded = atomic_load(&c->decoded);

    fprintf(out, "decode %.1f images/s, ",
            per_second(decoded, atomic_load(&c->decode_ns)));
    for (size_t i = 0; i < run->n_encodings; i++)
        fprintf(out, "%s%s", i > 0 ? "+" : "", run->encodings[i].label);
    fprintf(out, " %.2f images/s, ", per_second(encoded, atomic_load(&c->encode_ns)));
}

/* Of one worker, while it is at it. */
static void say_figures(FILE *out, const void *shared, uint64_t wall_ns)
{
    const struct run *run = shared;
    const struct counters *c = &run->count;
    const uint64_t documents = atomic_load(&c->documents);

    (void)wall_ns;
    fputs("per worker: ", out);
    if (documents > 0)
        fprintf(out, "parse %.0f documents/s, ",
                per_second(documents, atomic_load(&c->parse_ns)));
    if (atomic_load(&c->decoded) > 0)
        say_images(out, run);
    fprintf(out, "tokenize %.0f tokens/s",
            per_second(atomic_load(&c->tokens), atomic_load(&c->tokenize_ns)));
}

struct pipe_stage encode_stage(struct run *run)
{
    return (struct pipe_stage){.name = "encode",
                               .n_workers = run->n_workers,
                               .batch = (int)run->options->batch,
                               .shared = run,
                               .open = open_worker,
                               .work = work,
                               .close = close_worker,
                               .say_figures = say_figures};
}
