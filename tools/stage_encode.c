/* SPDX-License-Identifier: Apache-2.0
 * tools/stage_encode.c - images -> pixels and latents, texts -> ids; nearly all of the
 * work.
 *
 * One worker decodes its batch and then encodes it, so that there are as many busy
 * threads as workers, and pixels never leave the core that made them. */
#include <math.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/decode.h"
#include "ingest/status.h"
#include "shard/float16.h"
#include "shard/status.h"
#include "tools/clock.h"
#include "tools/job.h"
#include "tools/pipeline.h"
#include "tools/sample.h"
#include "vae_encode/status.h"

/* Bytes that parsing and tokenizing a text hold for one byte of it, as measured: 100 for
 * prose, 250 for digits, each of which is a token. (A normalizer may make 11 bytes of
 * one, of U+FDFA say; no text is made of that.) Texts that need less than SMALL_TEXT_NEED
 * do not ask: a worker has one of them in hand. */
enum { TEXT_FACTOR = 256, SMALL_TEXT_NEED = 1 << 20 };

/* One whose pixels wait to be encoded. */
struct image_in_hand {
    struct sample *sample;
    uint32_t rendition; /* position in the sample's */
};

struct encode_worker {
    struct job *job;
    struct vae_cancel cancel;
    struct image_decoder *decoder;
    struct vae_encoder *encoder;
    size_t image_bytes;         /* of one image of training size */
    uint8_t *rgb;               /* batch images (size, size, 3) */
    const uint8_t **rgb_of;     /* batch pointers into rgb */
    struct image_in_hand *good; /* batch: those whose pixels are in rgb */
    int n_good;
    float *mean, *logvar; /* batch (C,H,W); logvar NULL unless stored */
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
    w->good = calloc(batch, sizeof(*w->good));
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

/* The texts stay held until they are written. */
static void release_image(struct job *job, struct sample *s, struct ingest_part *image)
{
    if (image->image_len > 0)
        budget_give_back(&job->read_bytes, image->image_len);
    s->held -= image->image_len;
    free(image->image);
    image->image = NULL;
    image->image_len = 0;
}

/* The image, cropped to a square and resized, is one rendition. */
static void add_rendition(const struct job *job, struct sample *s, uint32_t part,
                          const struct decoded *g)
{
    const uint32_t size = (uint32_t)job->options->size;
    struct sample_part *made = &s->parts[part];

    made->width = g->original_width;
    made->height = g->original_height;
    made->upscaled |= g->upscaled;
    made->broken_profile |= g->broken_profile;
    s->renditions[s->n_renditions++] = (struct shard_rendition){
        .part = part,
        .fit = SHARD_CROP,
        .target_width = size,
        .target_height = size,
        .crop = {g->crop_left, g->crop_top, g->crop_width, g->crop_height},
        .content = {0, 0, size, size}};
}

/* Decodes an image into rgb. A bad one is marked in the sample. Returns 0, 1 where the
 * run is being stopped, or -1. */
static int decode(struct encode_worker *w, struct sample *s, uint32_t part, uint8_t *rgb)
{
    struct job *job = w->job;
    struct ingest_part *image = &s->in.parts[part];
    struct image_header *header = &image->header;
    uint64_t start = clock_ns(), total = (uint64_t)job->options->decode_mem;
    struct decoded decoded;
    int rc;

    if (SHA256(image->image, image->image_len, s->parts[part].sha256) == NULL)
        return job_fail(job, "out of memory");
    if (image_header_read(image->image, image->image_len, header, &s->in.reject) !=
        REJECT_NONE)
        return 0;
    if (header->need > total) {
        reject_set(&s->in.reject, REJECT_TOO_MANY_PIXELS,
                   "%u x %u pixels need %llu bytes to decode; --decode-mem is %llu",
                   header->width, header->height, (unsigned long long)header->need,
                   (unsigned long long)total);
        return 0;
    }
    if (!budget_take(&job->decode_mem, header->need))
        return 1;
    rc = image_decoder_run(w->decoder, image->image, image->image_len, header, rgb,
                           &decoded);
    budget_give_back(&job->decode_mem, header->need);
    if (rc != INGEST_OK)
        return job_fail(job, "out of memory");
    s->in.reject = decoded.reject;
    if (decoded.reject.reason == REJECT_NONE)
        add_rendition(job, s, part, &decoded);
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

static int tokenize(struct job *job, const struct sample *s, size_t part)
{
    const struct ingest_part *text = &s->in.parts[part];
    struct sample_part *made = &s->parts[part];

    made->ids = calloc(text->n_alternatives, sizeof(*made->ids));
    made->n_ids = calloc(text->n_alternatives, sizeof(*made->n_ids));
    if (!made->ids || !made->n_ids)
        return job_fail(job, "out of memory");
    for (size_t i = 0; i < text->n_alternatives; i++) {
        const struct ingest_alternative *a = &text->alternatives[i];
        int rc = tokenizer_encode(job->tokenizer, a->text, a->text_len, &made->ids[i],
                                  &made->n_ids[i]);

        if (rc != SHARD_OK)
            return job_fail(job, "%s: caption %s of '%s' could not be tokenized%s",
                            s->unit->input->name, a->name, s->in.key,
                            rc == SHARD_ENOMEM ? ": out of memory" : "");
        atomic_fetch_add(&job->count.tokens, made->n_ids[i]);
    }
    return 0;
}

static size_t longest_text(const struct sample *s)
{
    size_t longest = 0;

    for (size_t i = 0; i < s->in.n_parts; i++)
        for (size_t k = 0; k < s->in.parts[i].n_alternatives; k++)
            if (s->in.parts[i].alternatives[k].text_len > longest)
                longest = s->in.parts[i].alternatives[k].text_len;
    return longest;
}

/* One text after the other, so that what the longest needs is enough. Returns as decode()
 * does. */
static int tokenize_texts(struct job *job, struct sample *s)
{
    uint64_t taken, start;
    int rc = 0;

    if (!job->tokenizer)
        return 0;
    if (!take_for_text(job, longest_text(s), &taken))
        return 1;
    start = clock_ns();
    for (size_t i = 0; i < s->in.n_parts && rc == 0; i++)
        if (s->in.parts[i].kind == INGEST_TEXT)
            rc = tokenize(job, s, i);
    atomic_fetch_add(&job->count.tokenize_ns, clock_ns() - start);
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

static void store_latent(struct encode_worker *w, int i)
{
    static const uint32_t stored_dtype[] = {SHARD_FP16, SHARD_BF16, SHARD_FP32};
    const struct job *job = w->job;
    const struct prepare_options *o = job->options;
    const struct vae_info *vae = vae_info(job->vae);
    const struct image_in_hand *image = &w->good[i];
    const float *const values[] = {w->mean, w->logvar};
    const uint32_t side = (uint32_t)(o->size / vae->downscale);
    const size_t n = job->latent_values, n_tensors = w->logvar ? 2 : 1;
    struct sample *s = image->sample;
    size_t bad = 0;

    for (size_t t = 0; t < n_tensors; t++) {
        struct shard_tensor latent = {
            .kind = SHARD_LATENT,
            .part = s->renditions[image->rendition].part,
            .owner = image->rendition,
            .slot = t > 0 ? SHARD_SLOT_LOGVAR : 0,
            .dtype = stored_dtype[o->latent],
            .n_dims = 3,
            .dims = {(uint32_t)vae->latent_channels, side, side},
            .n_bytes = job->latent_bytes / n_tensors};
        void *out = sample_add_tensor(s, &latent);

        bad += store((int)o->latent, values[t] + (size_t)i * n, out, n);
    }
    if (bad > 0)
        reject_set(&s->in.reject, REJECT_NOT_FINITE,
                   "%zu of %zu latent values are not finite in %s", bad, n_tensors * n,
                   latent_dtype_names[o->latent]);
}

/* The images in hand; then there are none. */
static int encode(struct encode_worker *w)
{
    struct job *job = w->job;
    int size = (int)job->options->size, n = w->n_good;
    struct image_batch in = {.n = n, .width = size, .height = size, .rgb = w->rgb_of};
    struct latent_batch out = {.mean = w->mean, .logvar = w->logvar};
    uint64_t start = clock_ns();
    int rc;

    w->n_good = 0;
    if (n == 0)
        return 0;
    rc = vae_encode(w->encoder, &in, &out);
    if (rc == VAE_CANCELLED)
        return PIPE_END;
    if (rc != VAE_OK)
        return job_fail(job, "%s", vae_encoder_why(w->encoder));
    for (int i = 0; i < n; i++) {
        store_latent(w, i);
        atomic_fetch_add(&w->good[i].sample->unit->progress.n_encoded, 1);
    }
    atomic_fetch_add(&job->count.encode_ns, clock_ns() - start);
    atomic_fetch_add(&job->count.encoded, (uint64_t)n);
    return 0;
}

/* What the reader has left to do, if anything. Returns as decode() does. */
static int parse(struct job *job, struct sample *s)
{
    const struct reader *reader = s->unit->input->reader;
    uint64_t taken, start;
    int rc;

    if (!reader->parse)
        return 0;
    if (!take_for_text(job, s->in.raw.len, &taken))
        return 1;
    start = clock_ns();
    rc = reader->parse(&s->in, &job->reading);
    give_back_for_text(job, taken);
    if (rc != INGEST_OK)
        return job_fail(job, "out of memory");
    atomic_fetch_add(&job->count.parse_ns, clock_ns() - start);
    atomic_fetch_add(&job->count.documents, 1);
    atomic_fetch_add(&s->unit->progress.n_encoded, 1);
    return 0;
}

/* Its pixels wait for encode(), unless they are bad. */
static int work_on_image(struct encode_worker *w, struct sample *s, uint32_t part)
{
    int rc = w->n_good == (int)w->job->options->batch ? encode(w) : 0;
    uint8_t *rgb = w->rgb + (size_t)w->n_good * w->image_bytes;

    if (rc == 0)
        rc = decode(w, s, part, rgb);
    if (rc != 0 || s->in.reject.reason != REJECT_NONE)
        return rc;
    w->rgb_of[w->n_good] = rgb;
    w->good[w->n_good++] = (struct image_in_hand){s, (uint32_t)s->n_renditions - 1};
    return 0;
}

/* All but what encode() is to go on with. A text stays with its sample, and so does what
 * is held for it. */
static int work_on_sample(struct encode_worker *w, struct sample *s)
{
    struct job *job = w->job;
    int rc = parse(job, s);

    if (rc == 0 && sample_make_room(s, &job->room) != 0)
        rc = job_fail(job, "out of memory");
    for (uint32_t i = 0; i < s->in.n_parts && rc == 0; i++) {
        if (s->in.parts[i].kind != INGEST_IMAGE)
            continue;
        if (s->in.reject.reason == REJECT_NONE)
            rc = work_on_image(w, s, i);
        release_image(job, s, &s->in.parts[i]);
    }
    return rc == 0 && s->in.reject.reason == REJECT_NONE ? tokenize_texts(job, s) : rc;
}

static int work(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct encode_worker *w = worker;
    int rc = 0;

    for (int i = 0; i < n && rc == 0; i++)
        if (!s[i]->end_of_unit && !atomic_load(&s[i]->unit->progress.dropped))
            rc = work_on_sample(w, s[i]);
    if (rc == 0)
        rc = encode(w);
    if (rc != 0)
        return rc < 0 ? rc : PIPE_END;
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
