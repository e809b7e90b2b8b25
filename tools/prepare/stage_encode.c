/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/stage_encode.c - images -> pixels and tensors, texts -> ids; nearly all
 * of the work.
 *
 * One worker decodes its batch and then encodes it, so that there are as many busy
 * threads as workers, and pixels never leave the core that made them. */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/image/decode.h"
#include "ingest/status.h"
#include "shard/parts.h"
#include "tools/run/clock.h"
#include "tools/run/encoding.h"
#include "tools/prepare/gather.h"
#include "tools/run/pipeline.h"
#include "tools/prepare/job.h"
#include "tools/prepare/unit.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/sample_texts.h"
#include "vae_encode/status.h"

/* Pixels, and tensors as computed, that a worker has in hand, unless one image has more.
 */
static const uint64_t BATCH_BYTES = (uint64_t)256 << 20;

/* An image whose pixels wait for the encoders. */
struct slot {
    struct sample *sample; /* NULL: free */
    uint32_t rendition;    /* position in the sample's */
    uint8_t *rgb;          /* (height, width, 3) */
};

/* One encoder at work. */
struct encoding_worker {
    const struct encoding *encoding;
    void *encoder;
    void *computed[ENCODER_MAX_TENSORS]; /* of a batch; NULL: not stored */
};

struct encode_worker {
    struct job *job;
    struct encoder_cancel cancel;
    int width, height; /* of pixels */
    struct image_decoder *decoder;
    struct encoding_worker *encodings; /* job->n_encodings */
    size_t n_slots;
    struct slot *slots;                 /* n_slots */
    uint8_t *rgb;                       /* of all slots */
    const uint8_t **rgb_of;             /* of a batch */
    void **batch;                       /* slots of a batch */
    struct gather gather;               /* slots that wait */
    struct tokenizer_worker *tokenizer; /* NULL: --tokenizer none */
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
    tokenizer_worker_free(w->tokenizer);
    image_decoder_close(w->decoder);
    for (size_t i = 0; w->encodings && i < w->job->n_encodings; i++)
        close_encoding(&w->encodings[i]);
    free(w->encodings);
    gather_free(&w->gather);
    free(w->slots);
    free(w->rgb);
    free(w->rgb_of);
    free(w->batch);
    free(w);
}

static bool is_stopping(void *job)
{
    return atomic_load(&((struct job *)job)->stopping);
}

/* Of the tensors of one image that are stored, before they are. */
static uint64_t computed_bytes(const struct encoding *e)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < e->n_tensors; i++)
        bytes += encoder_tensor_bytes(&e->about.tensors[e->tensors[i].from]);
    return bytes;
}

/* Returns 0, or -1: no memory. */
static int make_slots(struct encode_worker *w)
{
    const size_t image = (size_t)w->width * (size_t)w->height * 3;
    uint64_t bytes = image, most;

    for (size_t i = 0; i < w->job->n_encodings; i++)
        bytes += computed_bytes(&w->job->encodings[i]);
    most = BATCH_BYTES / bytes;
    w->n_slots = (size_t)w->job->options->batch;
    if (most < w->n_slots)
        w->n_slots = most > 0 ? (size_t)most : 1;
    w->slots = calloc(w->n_slots, sizeof(*w->slots));
    w->rgb = malloc(w->n_slots * image);
    w->rgb_of = calloc(w->n_slots, sizeof(*w->rgb_of));
    w->batch = calloc(w->n_slots, sizeof(*w->batch));
    if (!w->slots || !w->rgb || !w->rgb_of || !w->batch ||
        gather_init(&w->gather, w->n_slots) != 0)
        return -1;
    for (size_t i = 0; i < w->n_slots; i++)
        w->slots[i].rgb = w->rgb + i * image;
    return 0;
}

static int open_encoding(struct encode_worker *w, struct encoding_worker *at,
                         const struct encoding *e)
{
    struct job *job = w->job;

    at->encoding = e;
    for (size_t i = 0; i < e->n_tensors; i++) {
        const size_t from = e->tensors[i].from;

        at->computed[from] =
            calloc(w->n_slots, encoder_tensor_bytes(&e->about.tensors[from]));
        if (!at->computed[from])
            return job_fail(job, "out of memory");
    }
    if (e->encoder->open(&at->encoder, e->model, w->width, w->height, &w->cancel) !=
        VAE_OK)
        return job_fail(job, "%s", e->encoder->why(at->encoder));
    return PIPE_OK;
}

/* What images need: all encoders get the same pixels. */
static int open_encoders(struct encode_worker *w)
{
    struct job *job = w->job;
    const struct encoding *first = &job->encodings[0];
    const struct decode_options d = image_options_decode(job->image, first->about.isa);
    int rc = PIPE_OK;

    w->cancel = (struct encoder_cancel){is_stopping, job};
    w->width = (int)first->rendition.target_width;
    w->height = (int)first->rendition.target_height;
    w->encodings = calloc(job->n_encodings, sizeof(*w->encodings));
    if (!w->encodings || make_slots(w) != 0 ||
        image_decoder_open(&w->decoder, &d) != INGEST_OK)
        return job_fail(job, "out of memory");
    for (size_t i = 0; i < job->n_encodings && rc == PIPE_OK; i++)
        rc = open_encoding(w, &w->encodings[i], &job->encodings[i]);
    return rc;
}

static int open_worker(void **out, void *shared)
{
    struct job *job = shared;
    struct encode_worker *w = *out = calloc(1, sizeof(*w));

    if (!w)
        return job_fail(job, "out of memory");
    w->job = job;
    if (job->tokenizer && !(w->tokenizer = tokenizer_worker_new(job->tokenizer)))
        return job_fail(job, "out of memory");
    return job->n_encodings > 0 ? open_encoders(w) : PIPE_OK;
}

/* The texts stay held until they are written. Of images that parse() has added nothing
 * was taken: a worker that waited for bytes there, behind readers that wait for what it
 * is to pass on, would wait for ever. */
static void release_image(struct job *job, struct sample *s, struct ingest_part *image)
{
    const uint64_t held =
        image->image_len < s->held_images ? image->image_len : s->held_images;

    if (held > 0)
        budget_give_back(&job->read_bytes, held);
    s->held -= held;
    s->held_images -= held;
    free(image->image);
    image->image = NULL;
    image->image_len = 0;
}

/* The image, cropped and resized, is one rendition. */
static void add_rendition(const struct job *job, struct sample *s, uint32_t part,
                          const struct decoded *g)
{
    struct shard_rendition *r = &s->renditions[s->n_renditions++];
    struct sample_part *made = &s->parts[part];

    made->width = g->original_width;
    made->height = g->original_height;
    made->upscaled |= g->upscaled;
    made->broken_profile |= g->broken_profile;
    *r = job->encodings[0].rendition;
    r->part = part;
    r->crop =
        (struct shard_box){g->crop_left, g->crop_top, g->crop_width, g->crop_height};
}

/* Decodes an image into rgb. A bad one sets *bad. Returns 0, 1 where the run is being
 * stopped, or -1. */
static int decode(struct encode_worker *w, struct sample *s, uint32_t part, uint8_t *rgb,
                  struct reject *bad)
{
    struct job *job = w->job;
    const struct ingest_part *image = &s->in.parts[part];
    struct image_header header;
    uint64_t start = clock_ns(), total = (uint64_t)job->image->decode_mem;
    struct decoded decoded;
    int rc;

    if (SHA256(image->image, image->image_len, s->parts[part].sha256) == NULL)
        return job_fail(job, "out of memory");
    if (image_header_read(image->image, image->image_len, &header, bad) != REJECT_NONE)
        return 0;
    if (header.need > total) {
        reject_set(bad, REJECT_TOO_MANY_PIXELS,
                   "%u x %u pixels need %llu bytes to decode; --decode-mem is %llu",
                   header.width, header.height, (unsigned long long)header.need,
                   (unsigned long long)total);
        return 0;
    }
    if (!budget_take(&job->decode_mem, header.need))
        return 1;
    rc = image_decoder_run(w->decoder, image->image, image->image_len, &header, rgb,
                           &decoded);
    budget_give_back(&job->decode_mem, header.need);
    if (rc != INGEST_OK)
        return job_fail(job, "out of memory");
    *bad = decoded.reject;
    if (bad->reason == REJECT_NONE)
        add_rendition(job, s, part, &decoded);
    atomic_fetch_add(&job->count.decode_ns, clock_ns() - start);
    atomic_fetch_add(&job->count.decoded, 1);
    return 0;
}

/* Of the image in `slot`, number `i` of its batch. */
static void store(const struct encoding_worker *w, uint32_t encoder, size_t i,
                  const struct slot *slot)
{
    const struct encoding *e = w->encoding;
    struct sample *s = slot->sample;
    const uint32_t part = s->renditions[slot->rendition].part;
    struct reject reject;
    size_t bad = 0, n = 0;

    for (size_t k = 0; k < e->n_tensors; k++) {
        const struct stored_tensor *t = &e->tensors[k];
        const struct encoder_tensor *computed = &e->about.tensors[t->from];
        const char *values = w->computed[t->from];
        struct shard_tensor tensor = {.kind = t->kind,
                                      .part = part,
                                      .owner = slot->rendition,
                                      .encoder = encoder,
                                      .slot = t->slot,
                                      .dtype = t->dtype,
                                      .n_dims = (uint32_t)computed->n_dims,
                                      .n_bytes = t->n_bytes};

        memcpy(tensor.dims, computed->dims, sizeof(computed->dims));
        bad += encoding_store(t, values + i * encoder_tensor_bytes(computed),
                              sample_add_tensor(s, &tensor));
        n += t->n_values;
    }
    if (bad == 0)
        return;
    reject_set(&reject, REJECT_NOT_FINITE, "%zu of %zu %s values are not finite in %s",
               bad, n, shard_kind_name(e->tensors[0].kind), e->dtype);
    sample_reject(s, part, &reject);
}

/* Returns as decode() does. */
static int encode_batch(struct encode_worker *w, const struct image_batch *in)
{
    struct job *job = w->job;

    for (size_t k = 0; k < job->n_encodings; k++) {
        const struct encoding_worker *e = &w->encodings[k];
        const struct encoder *encoder = e->encoding->encoder;
        int rc = encoder->encode(e->encoder, in, e->computed);

        if (rc != VAE_OK)
            return rc == VAE_CANCELLED ? 1
                                       : job_fail(job, "%s", encoder->why(e->encoder));
    }
    return 0;
}

/* Encodes those that wait of the oldest shape, and frees their slots. Returns as decode()
 * does. */
static int encode_oldest(struct encode_worker *w)
{
    struct job *job = w->job;
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

        for (size_t k = 0; k < job->n_encodings; k++)
            store(&w->encodings[k], (uint32_t)k, i, slot);
        slot->sample = NULL;
    }
    if (rc == 0) {
        atomic_fetch_add(&job->count.encode_ns, clock_ns() - start);
        atomic_fetch_add(&job->count.encoded, (uint64_t)n);
    }
    return rc;
}

/* Gives a free slot. Returns as decode() does. */
static int take_slot(struct encode_worker *w, struct slot **slot)
{
    int rc = 0;

    while (rc == 0 && !gather_has_room(&w->gather))
        rc = encode_oldest(w);
    *slot = w->slots;
    while (rc == 0 && (*slot)->sample)
        ++*slot;
    return rc;
}

/* Its pixels wait for the encoders, unless they are bad. Returns as decode() does. */
static int work_on_image(struct encode_worker *w, struct sample *s, uint32_t part)
{
    struct reject bad = {.reason = REJECT_NONE};
    struct slot *slot;
    int rc = take_slot(w, &slot);

    /* An earlier image of this sample may have turned out bad just now. */
    if (rc != 0 || s->in.reject.reason != REJECT_NONE)
        return rc;
    rc = decode(w, s, part, slot->rgb, &bad);
    if (rc == 0 && bad.reason != REJECT_NONE)
        sample_reject(s, part, &bad);
    if (rc != 0 || bad.reason != REJECT_NONE)
        return rc;
    slot->sample = s;
    slot->rendition = (uint32_t)s->n_renditions - 1;
    gather_add(&w->gather, slot, w->width, w->height);
    return 0;
}

/* All but what the encoders are to go on with. A text stays with its sample, and so does
 * what is held for it. */
static int work_on_sample(struct encode_worker *w, struct sample *s)
{
    struct job *job = w->job;
    int rc = sample_parse(s, job);

    if (rc == 0 && sample_make_room(s, &job->room) != 0)
        rc = job_fail(job, "out of memory");
    for (uint32_t i = 0; i < s->in.n_parts && rc == 0; i++) {
        if (s->in.parts[i].kind != INGEST_IMAGE)
            continue;
        if (s->in.reject.reason == REJECT_NONE)
            rc = work_on_image(w, s, i);
        release_image(job, s, &s->in.parts[i]);
    }
    return rc == 0 && s->in.reject.reason == REJECT_NONE
               ? sample_tokenize(s, job, w->tokenizer)
               : rc;
}

static int work(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct encode_worker *w = worker;
    int rc = 0;

    for (int i = 0; i < n && rc == 0; i++)
        if (!s[i]->end_of_unit && !atomic_load(&s[i]->unit->progress.dropped))
            rc = work_on_sample(w, s[i]);
    while (rc == 0 && w->gather.n > 0)
        rc = encode_oldest(w);
    if (rc != 0)
        return rc < 0 ? rc : PIPE_END;
    for (int i = 0; i < n && rc == PIPE_OK; i++) {
        if (s[i]->parts && s[i]->in.reject.reason == REJECT_NONE) { /* was worked on */
            atomic_fetch_add(&s[i]->unit->progress.n_encoded, 1);
            atomic_fetch_add(&w->job->count.done, 1);
        }
        rc = pipe_pass(out, s[i]);
    }
    return rc;
}

static double per_second(uint64_t n, uint64_t ns)
{
    return ns > 0 ? (double)n * 1e9 / (double)ns : 0;
}

static void say_images(FILE *out, const struct job *job)
{
    const struct counters *c = &job->count;
    const uint64_t encoded = atomic_load(&c->encoded);
    const uint64_t decoded = atomic_load(&c->decoded);

    fprintf(out, "decode %.1f images/s, ",
            per_second(decoded, atomic_load(&c->decode_ns)));
    for (size_t i = 0; i < job->n_encodings; i++)
        fprintf(out, "%s%s", i > 0 ? "+" : "", job->encodings[i].label);
    fprintf(out, " %.2f images/s, ", per_second(encoded, atomic_load(&c->encode_ns)));
}

/* Of one worker, while it is at it. */
static void say_figures(FILE *out, const void *shared, uint64_t wall_ns)
{
    const struct job *job = shared;
    const struct counters *c = &job->count;
    const uint64_t parsed = atomic_load(&c->parsed);

    (void)wall_ns;
    fputs("per worker: ", out);
    if (parsed > 0)
        fprintf(out, "parse %.0f documents/s, ",
                per_second(parsed, atomic_load(&c->parse_ns)));
    if (atomic_load(&c->decoded) > 0)
        say_images(out, job);
    fprintf(out, "tokenize %.0f tokens/s",
            per_second(atomic_load(&c->tokens), atomic_load(&c->tokenize_ns)));
}

struct pipe_stage encode_stage(struct job *job)
{
    return (struct pipe_stage){.name = "encode",
                               .n_workers = job->n_workers,
                               .batch = (int)job->options->batch,
                               .shared = job,
                               .open = open_worker,
                               .work = work,
                               .close = close_worker,
                               .say_figures = say_figures};
}
