/* SPDX-License-Identifier: Apache-2.0
 * tools/stage_encode.c - pairs -> pixels, ids and latents, documents -> ids; nearly all
 * of the work.
 *
 * One worker decodes its batch and then encodes it, so that there are as many busy
 * threads as workers, and pixels never leave the core that made them. */
#include <math.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"
#include "shard/float16.h"
#include "shard/status.h"
#include "tools/clock.h"
#include "tools/intake.h"
#include "tools/job.h"
#include "tools/pipeline.h"
#include "tools/sample.h"
#include "vae_encode/status.h"

/* Bytes that parsing and tokenizing a text hold for one byte of it, as measured: 100 for
 * prose, 250 for digits, each of which is a token. (A normalizer may make 11 bytes of
 * one, of U+FDFA say; no text is made of that.) Texts that need less than SMALL_TEXT_NEED
 * do not ask: a worker has one of them in hand. */
enum { TEXT_FACTOR = 256, SMALL_TEXT_NEED = 1 << 20 };

struct encode_worker {
    struct job *job;
    struct vae_cancel cancel;
    struct image_decoder *decoder;
    struct vae_encoder *encoder;
    size_t image_bytes;     /* of one image of training size */
    uint8_t *rgb;           /* batch images (size, size, 3) */
    const uint8_t **rgb_of; /* batch pointers into rgb */
    struct sample **good;   /* batch: those whose pixels are in rgb */
    float *mean, *logvar;   /* batch (C,H,W); logvar NULL unless stored */
};

static void close_worker(void *worker)
{
    struct encode_worker *w = worker;

    if (!w)
        return;
    image_decoder_close(w->decoder);
    vae_encoder_close(w->encoder);
    free(w->rgb);
    free(w->rgb_of);
    free(w->good);
    free(w->mean);
    free(w->logvar);
    free(w);
}

static bool is_stopping(void *job, int step)
{
    (void)step;
    return atomic_load(&((struct job *)job)->stopping);
}

/* What images need. */
static int open_encoder(struct encode_worker *w)
{
    struct job *job = w->job;
    const struct prepare_options *o = job->options;
    size_t batch = (size_t)o->batch;
    struct decode_options d = {.width = (int)o->size,
                               .height = (int)o->size,
                               .filter = (enum resize_filter)o->resize,
                               .icc = (enum icc_mode)o->icc,
                               .keep_truncated = o->truncated == 1,
                               .min_size = (uint32_t)o->min_size,
                               .jpeg_scale = (int)o->jpeg_scale,
                               .isa = vae_info(job->vae)->isa};

    w->image_bytes = (size_t)o->size * (size_t)o->size * 3;
    w->rgb = malloc(batch * w->image_bytes);
    w->rgb_of = calloc(batch, sizeof(*w->rgb_of));
    w->good = calloc(batch, sizeof(struct sample *));
    w->mean = malloc(batch * job->latent_values * sizeof(float));
    if (o->moments == MOMENTS_MEAN_LOGVAR)
        w->logvar = malloc(batch * job->latent_values * sizeof(float));
    if (!w->rgb || !w->rgb_of || !w->good || !w->mean ||
        (o->moments == MOMENTS_MEAN_LOGVAR && !w->logvar) ||
        image_decoder_open(&w->decoder, &d) != INGEST_OK)
        return job_fail(job, "out of memory");
    if (vae_encoder_open(&w->encoder, job->vae, (int)o->size, (int)o->size) != VAE_OK)
        return job_fail(job, "%s", vae_encoder_why(w->encoder));
    w->cancel = (struct vae_cancel){is_stopping, job};
    vae_encoder_set_cancel(w->encoder, &w->cancel);
    return PIPE_OK;
}

static int open_worker(void **out, void *shared)
{
    struct job *job = shared;
    struct encode_worker *w = *out = calloc(1, sizeof(*w));

    if (!w)
        return job_fail(job, "out of memory");
    w->job = job;
    return job->vae ? open_encoder(w) : PIPE_OK;
}

/* Its texts stay held until they are written. */
static void release_image(struct job *job, struct sample *s)
{
    if (s->pair.image_len > 0)
        budget_give_back(&job->read_bytes, s->pair.image_len);
    s->held -= s->pair.image_len;
    free(s->pair.image);
    s->pair.image = NULL;
    s->pair.image_len = 0;
}

/* Decodes into rgb. A bad image is marked in the sample. Returns 0, 1 where the run is
 * being stopped, or -1. */
static int decode(struct encode_worker *w, struct sample *s, uint8_t *rgb)
{
    struct job *job = w->job;
    struct pair *p = &s->pair;
    uint64_t start = clock_ns(), total = (uint64_t)job->options->decode_mem;
    struct decode_info info;
    int rc;

    if (SHA256(p->image, p->image_len, s->image_sha256) == NULL)
        return job_fail(job, "out of memory");
    if (decode_probe(p->image, p->image_len, &info, &p->reject) != REJECT_NONE)
        return 0;
    if (info.need > total) {
        reject_set(&p->reject, REJECT_TOO_MANY_PIXELS,
                   "%u x %u pixels need %llu bytes to decode; --decode-mem is %llu",
                   info.width, info.height, (unsigned long long)info.need,
                   (unsigned long long)total);
        return 0;
    }
    if (!budget_take(&job->decode_mem, info.need))
        return 1;
    rc = image_decoder_run(w->decoder, p->image, p->image_len, rgb, &s->geometry);
    budget_give_back(&job->decode_mem, info.need);
    if (rc != INGEST_OK)
        return job_fail(job, "out of memory");
    p->reject = s->geometry.reject;
    atomic_fetch_add(&job->count.decode_ns, clock_ns() - start);
    atomic_fetch_add(&job->count.decoded, 1);
    return 0;
}

/* Takes from the budget what a text of len bytes needs; *taken is to be given back. false
 * where the run is being stopped. */
static bool take_for_text(struct job *job, size_t len, uint64_t *taken)
{
    uint64_t need = (uint64_t)len * TEXT_FACTOR;

    *taken = need < SMALL_TEXT_NEED ? 0 : need;
    return *taken == 0 || budget_take(&job->decode_mem, *taken);
}

static void give_back_for_text(struct job *job, uint64_t taken)
{
    if (taken > 0)
        budget_give_back(&job->decode_mem, taken);
}

/* One caption after the other: the caller has taken what the longest needs. */
static int tokenize(struct job *job, struct sample *s)
{
    const struct pair *p = &s->pair;
    uint64_t start = clock_ns();

    if (!job->tokenizer)
        return 0;
    s->ids = calloc(p->n_captions, sizeof(*s->ids));
    s->n_ids = calloc(p->n_captions, sizeof(*s->n_ids));
    if (!s->ids || !s->n_ids)
        return job_fail(job, "out of memory");
    for (size_t i = 0; i < p->n_captions; i++) {
        int rc = tokenizer_encode(job->tokenizer, p->captions[i].text,
                                  p->captions[i].text_len, &s->ids[i], &s->n_ids[i]);
        if (rc != SHARD_OK)
            return job_fail(job, "%s: caption %s of '%s' could not be tokenized%s",
                            s->unit->input->name, p->captions[i].name, p->key,
                            rc == SHARD_ENOMEM ? ": out of memory" : "");
        atomic_fetch_add(&job->count.tokens, s->n_ids[i]);
    }
    atomic_fetch_add(&job->count.tokenize_ns, clock_ns() - start);
    return 0;
}

/* Returns as decode() does. */
static int tokenize_captions(struct job *job, struct sample *s)
{
    size_t longest = 0;
    uint64_t taken;
    int rc;

    if (!job->tokenizer)
        return 0;
    for (size_t i = 0; i < s->pair.n_captions; i++)
        if (s->pair.captions[i].text_len > longest)
            longest = s->pair.captions[i].text_len;
    if (!take_for_text(job, longest, &taken))
        return 1;
    rc = tokenize(job, s);
    give_back_for_text(job, taken);
    return rc;
}

/* n values as stored; returns how many are not finite in that type. */
static size_t store(int dtype, const float *values, void *out, size_t n)
{
    size_t bad = 0;

    if (dtype == LATENT_FP16)
        return shard_fp32_to_fp16(values, out, n);
    if (dtype == LATENT_BF16)
        return shard_fp32_to_bf16(values, out, n);
    memcpy(out, values, n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        bad += !isfinite(values[i]);
    return bad;
}

static void store_latent(struct encode_worker *w, struct sample *s, int i)
{
    const struct job *job = w->job;
    size_t n = job->latent_values, at = (size_t)i * n;
    int dtype = job->options->latent;
    size_t bad = store(dtype, w->mean + at, s->latent, n);

    if (w->logvar)
        bad += store(dtype, w->logvar + at, (char *)s->latent + job->latent_bytes / 2, n);
    if (bad > 0)
        reject_set(&s->pair.reject, REJECT_NOT_FINITE,
                   "%zu of %zu latent values are not finite in %s", bad,
                   w->logvar ? 2 * n : n, latent_dtype_names[dtype]);
}

static int encode(struct encode_worker *w, int n)
{
    struct job *job = w->job;
    int size = (int)job->options->size;
    struct image_batch in = {.n = n, .width = size, .height = size, .rgb = w->rgb_of};
    struct latent_batch out = {.mean = w->mean, .logvar = w->logvar};
    uint64_t start = clock_ns();
    int rc;

    if (n == 0)
        return 0;
    rc = vae_encode(w->encoder, &in, &out);
    if (rc == VAE_CANCELLED)
        return PIPE_END;
    if (rc != VAE_OK)
        return job_fail(job, "%s", vae_encoder_why(w->encoder));
    for (int i = 0; i < n; i++) {
        store_latent(w, w->good[i], i);
        atomic_fetch_add(&w->good[i]->unit->progress.n_encoded, 1);
    }
    atomic_fetch_add(&job->count.encode_ns, clock_ns() - start);
    atomic_fetch_add(&job->count.encoded, (uint64_t)n);
    return 0;
}

/* Makes a pair of a document's line. Returns as decode() does. */
static int parse(struct job *job, struct sample *s)
{
    struct document_options options = intake_document_options(job->options);
    uint64_t start = clock_ns();

    if (document_parse(&s->line, &options, &s->pair, &s->dropped_metadata) != INGEST_OK)
        return job_fail(job, "out of memory");
    document_line_clear(&s->line);
    atomic_fetch_add(&job->count.parse_ns, clock_ns() - start);
    atomic_fetch_add(&job->count.documents, 1);
    return 0;
}

/* A document needs no more than this; its text stays with it, so `held` does too. */
static int work_on_document(struct encode_worker *w, struct sample *s)
{
    struct job *job = w->job;
    uint64_t taken;
    int rc;

    if (!take_for_text(job, s->line.len, &taken))
        return 1;
    rc = parse(job, s);
    if (rc == 0 && s->pair.reject.reason == REJECT_NONE)
        rc = tokenize(job, s);
    give_back_for_text(job, taken);
    atomic_fetch_add(&s->unit->progress.n_encoded, 1);
    return rc;
}

/* Up to what encode() goes on with: n_good pairs, this one added unless it is bad. */
static int work_on_pair(struct encode_worker *w, struct sample *s, int *n_good)
{
    uint8_t *rgb = w->rgb + (size_t)*n_good * w->image_bytes;
    int rc = s->pair.reject.reason == REJECT_NONE ? decode(w, s, rgb) : 0;

    release_image(w->job, s);
    if (rc != 0 || s->pair.reject.reason != REJECT_NONE)
        return rc;
    w->rgb_of[*n_good] = rgb;
    w->good[(*n_good)++] = s;
    return tokenize_captions(w->job, s);
}

static int work(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct encode_worker *w = worker;
    int n_good = 0, rc = 0;

    for (int i = 0; i < n && rc == 0; i++)
        if (!s[i]->end_of_unit && !atomic_load(&s[i]->unit->progress.dropped))
            rc = s[i]->unit->input->format == INPUT_DOCUMENTS
                     ? work_on_document(w, s[i])
                     : work_on_pair(w, s[i], &n_good);
    if (rc != 0)
        return rc < 0 ? rc : PIPE_END;
    rc = encode(w, n_good);
    for (int i = 0; i < n && rc == PIPE_OK; i++)
        rc = pipe_pass(out, s[i]);
    return rc;
}

struct pipe_stage encode_stage(struct job *job)
{
    return (struct pipe_stage){.name = "encode",
                               .n_workers = job->n_workers,
                               .batch = (int)job->options->batch,
                               .shared = job,
                               .open = open_worker,
                               .work = work,
                               .close = close_worker};
}
