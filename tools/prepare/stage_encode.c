/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/stage_encode.c - images -> pixels and tensors, texts -> ids; nearly all
 * of the work.
 *
 * One worker decodes its batch and then encodes it, so that there are as many busy
 * threads as workers, and pixels never leave the core that made them. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/image/decode.h"
#include "ingest/status.h"
#include "shard/parts.h"
#include "tools/run/clock.h"
#include "tools/run/encoding.h"
#include "tools/prepare/fittings.h"
#include "tools/prepare/gather.h"
#include "tools/run/pipeline.h"
#include "tools/prepare/job.h"
#include "tools/prepare/unit.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/sample_tensors.h"
#include "tools/prepare/sample_texts.h"
#include "vae_encode/status.h"

/* Pixels, and tensors as computed, that a worker has in hand, unless one image has more.
 */
static const uint64_t BATCH_BYTES = (uint64_t)256 << 20;

/* An image whose pixels wait for the encoders. */
struct slot {
    struct sample *sample; /* NULL: free */
    uint32_t rendition;    /* position of its first one in the sample's */
    uint8_t *rgb;          /* of all fittings; the sample's where it goes on with them */
};

/* One encoder at work. */
struct encoding_worker {
    const struct encoding *encoding;
    const struct fitting *fitting;
    void *encoder;                       /* NULL: of another stage */
    void *computed[ENCODER_MAX_TENSORS]; /* of a batch; NULL: not stored */
};

struct encode_worker {
    struct job *job;
    struct encoder_cancel cancel;
    struct fittings fittings;
    EVP_MD_CTX *sha; /* of images */
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
    if (w->encoding && w->encoding->encoder)
        w->encoding->encoder->close(w->encoder);
    for (size_t i = 0; i < ENCODER_MAX_TENSORS; i++)
        free(w->computed[i]); /* no files: each batch's have been taken or freed */
}

static void close_worker(void *worker)
{
    struct encode_worker *w = worker;

    if (!w)
        return;
    tokenizer_worker_free(w->tokenizer);
    EVP_MD_CTX_free(w->sha);
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
    uint64_t bytes = e->n_file_bytes;

    for (size_t i = 0; e->encoder && i < e->n_tensors; i++)
        bytes += encoder_tensor_bytes(&e->about.tensors[e->tensors[i].from]);
    return bytes;
}

/* Returns 0, or -1: no memory. */
static int make_slots(struct encode_worker *w)
{
    const size_t image = w->fittings.n_bytes;
    uint64_t bytes = image, most;

    for (size_t i = 0; i < w->job->n_encodings; i++)
        bytes += computed_bytes(&w->job->encodings[i]);
    most = BATCH_BYTES / bytes;
    w->n_slots = (size_t)w->job->options->batch;
    if (most < w->n_slots)
        w->n_slots = most > 0 ? (size_t)most : 1;
    w->slots = calloc(w->n_slots, sizeof(*w->slots));
    if (!w->job->has_devices) /* else the sample has room for them */
        w->rgb = malloc(w->n_slots * image);
    w->rgb_of = calloc(w->n_slots, sizeof(*w->rgb_of));
    w->batch = calloc(w->n_slots, sizeof(*w->batch));
    if (!w->slots || (!w->rgb && !w->job->has_devices) || !w->rgb_of || !w->batch ||
        gather_init(&w->gather, w->n_slots) != 0)
        return -1;
    for (size_t i = 0; w->rgb && i < w->n_slots; i++)
        w->slots[i].rgb = w->rgb + i * image;
    return 0;
}

static int open_encoding(struct encode_worker *w, struct encoding_worker *at,
                         const struct encoding *e)
{
    const struct shard_rendition *r = &e->rendition;
    struct job *job = w->job;

    at->encoding = e;
    if (!e->encoder)
        return PIPE_OK;
    for (size_t i = 0; i < e->n_tensors; i++) {
        const size_t from = e->tensors[i].from;

        at->computed[from] =
            calloc(w->n_slots, encoder_tensor_bytes(&e->about.tensors[from]));
        if (!at->computed[from])
            return job_fail(job, "out of memory");
    }
    if (e->encoder->open(&at->encoder, e->model, (int)r->target_width,
                         (int)r->target_height, &w->cancel) != VAE_OK)
        return job_fail(job, "%s", e->encoder->why(at->encoder));
    return PIPE_OK;
}

/* What images need. */
static int open_encoders(struct encode_worker *w)
{
    struct job *job = w->job;
    const struct decode_options d = image_options_decode(job->image, job->isa);
    int rc = PIPE_OK;

    w->cancel = (struct encoder_cancel){is_stopping, job};
    fittings_plan(&w->fittings, job->encodings, job->n_encodings);
    w->encodings = calloc(job->n_encodings, sizeof(*w->encodings));
    w->sha = EVP_MD_CTX_new();
    if (!w->encodings || !w->sha || make_slots(w) != 0 ||
        image_decoder_open(&w->decoder, &d) != INGEST_OK)
        return job_fail(job, "out of memory");
    for (size_t i = 0; i < job->n_encodings && rc == PIPE_OK; i++) {
        w->encodings[i].fitting = &w->fittings.fittings[w->fittings.of[i]];
        rc = open_encoding(w, &w->encodings[i], &job->encodings[i]);
    }
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

/* What was made of the image's pixels: fittings that are one rendition follow each other.
 */
static void add_renditions(const struct fittings *f, struct sample *s, uint32_t part,
                           const struct decoded *image,
                           const struct image_target *targets)
{
    const size_t first = s->n_renditions;
    struct sample_part *made = &s->parts[part];

    made->width = image->original_width;
    made->height = image->original_height;
    made->broken_profile |= image->broken_profile;
    for (size_t i = 0; i < f->n; i++) {
        const struct image_target *t = &targets[i];
        struct shard_rendition *r = &s->renditions[first + f->fittings[i].number];

        *r = f->fittings[i].rendition;
        r->part = part;
        r->crop =
            (struct shard_box){t->crop_left, t->crop_top, t->crop_width, t->crop_height};
        made->upscaled |= t->upscaled;
    }
    s->n_renditions += f->n_renditions;
}

/* Another core has written the image: its lines are asked for ahead, a few at a time, so
 * that they come while others are hashed. Returns 0, or -1. */
static int hash_image(EVP_MD_CTX *sha, const unsigned char *image, size_t len,
                      unsigned char sha256[32])
{
    enum { LINE = 64, STEP = 16 * LINE, AHEAD = 4 * STEP };

    if (EVP_DigestInit_ex(sha, EVP_sha256(), NULL) != 1)
        return -1;
    for (size_t at = 0; at < len; at += STEP) {
        for (size_t i = at + AHEAD; i < at + AHEAD + STEP && i < len; i += LINE)
            __builtin_prefetch(image + i);
        if (EVP_DigestUpdate(sha, image + at, len - at < STEP ? len - at : STEP) != 1)
            return -1;
    }
    return EVP_DigestFinal_ex(sha, sha256, NULL) == 1 ? 0 : -1;
}

/* Decodes an image into the slot, once for all fittings. A bad one sets *bad. Returns 0,
 * 1 where the run is being stopped, or -1. */
static int decode(struct encode_worker *w, struct sample *s, uint32_t part,
                  struct slot *slot, struct reject *bad)
{
    struct image_target targets[ENCODERS_MAX];
    struct job *job = w->job;
    const struct ingest_part *image = &s->in.parts[part];
    struct image_header header;
    uint64_t start = clock_ns(), total = (uint64_t)job->image->decode_mem;
    struct decoded decoded;
    int rc;

    if (hash_image(w->sha, image->image, image->image_len, s->parts[part].sha256) != 0)
        return job_fail(job, "SHA-256 failed");
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
    fittings_target(&w->fittings, slot->rgb, targets);
    rc = image_decoder_run(w->decoder, image->image, image->image_len, &header, targets,
                           w->fittings.n, &decoded);
    budget_give_back(&job->decode_mem, header.need);
    if (rc != INGEST_OK)
        return job_fail(job, "out of memory");
    *bad = decoded.reject;
    slot->rendition = (uint32_t)s->n_renditions;
    if (bad->reason == REJECT_NONE)
        add_renditions(&w->fittings, s, part, &decoded, targets);
    atomic_fetch_add(&job->count.decode_ns, clock_ns() - start);
    atomic_fetch_add(&job->count.decoded, 1);
    return 0;
}

/* Those that no sample has taken. */
static void free_files(const struct encoding_worker *w, size_t n)
{
    const struct encoding *e = w->encoding;

    for (size_t k = 0; k < e->n_tensors; k++) {
        struct encoder_file *files = w->computed[e->tensors[k].from];

        for (size_t i = 0; e->tensors[k].dtype == SHARD_FILE && i < n; i++) {
            free(files[i].bytes);
            files[i] = (struct encoder_file){0};
        }
    }
}

/* Puts tensor `from` of image `i` of a batch into the sample. Returns how many of its
 * values cannot be stored. */
static size_t put(const struct encoding_worker *w, size_t i, struct sample *s,
                  const struct stored_tensor *t, struct shard_tensor *tensor)
{
    const struct encoder_tensor *computed = &w->encoding->about.tensors[t->from];
    char *values = w->computed[t->from];

    values += i * encoder_tensor_bytes(computed);
    if (t->dtype == SHARD_FILE) {
        struct encoder_file *file = (struct encoder_file *)values;

        tensor->data = file->bytes;
        tensor->n_bytes = file->len;
        *file = (struct encoder_file){0};
        sample_take_file(s, tensor);
        return 0;
    }
    return encoding_store(t, values, sample_add_tensor(s, tensor));
}

/* Of the image in `slot`, number `i` of its batch. */
static void store(const struct encoding_worker *w, uint32_t encoder, size_t i,
                  const struct slot *slot)
{
    const struct encoding *e = w->encoding;
    struct sample *s = slot->sample;
    const uint32_t rendition = slot->rendition + (uint32_t)w->fitting->number;
    size_t bad = 0;

    for (size_t k = 0; k < e->n_tensors; k++) {
        struct shard_tensor tensor = sample_tensor(s, e, encoder, k, rendition);

        bad += put(w, i, s, &e->tensors[k], &tensor);
    }
    if (bad > 0)
        sample_reject_values(s, e, s->renditions[rendition].part, bad);
}

/* Of the n images in w->batch. Returns as decode() does. */
static int encode_batch(struct encode_worker *w, size_t encoder, size_t n)
{
    struct job *job = w->job;
    const struct encoding_worker *e = &w->encodings[encoder];
    const struct shard_rendition *r = &e->fitting->rendition;
    const struct image_batch in = {.n = (int)n,
                                   .width = (int)r->target_width,
                                   .height = (int)r->target_height,
                                   .rgb = w->rgb_of};
    const uint64_t start = clock_ns();
    int rc;

    for (size_t i = 0; i < n; i++)
        w->rgb_of[i] = ((struct slot *)w->batch[i])->rgb + e->fitting->at;
    rc = e->encoding->encoder->encode(e->encoder, &in, e->computed);
    for (size_t i = 0; i < n && rc == VAE_OK; i++)
        store(e, (uint32_t)encoder, i, w->batch[i]);
    free_files(e, n);
    if (rc == VAE_CANCELLED)
        return 1;
    if (rc != VAE_OK)
        return job_fail(job, "%s", e->encoding->encoder->why(e->encoder));
    atomic_fetch_add(&job->count.encode_ns[encoder], clock_ns() - start);
    return 0;
}

/* Encodes those that wait of the oldest shape, and frees their slots. Returns as decode()
 * does. */
static int encode_oldest(struct encode_worker *w)
{
    struct job *job = w->job;
    int width, height, rc = 0;
    const size_t n = gather_take(&w->gather, w->batch, &width, &height);

    for (size_t k = 0; k < job->n_encodings && rc == 0; k++)
        if (job->encodings[k].encoder)
            rc = encode_batch(w, k, n);
    for (size_t i = 0; i < n; i++)
        ((struct slot *)w->batch[i])->sample = NULL;
    if (rc == 0)
        atomic_fetch_add(&job->count.encoded, (uint64_t)n);
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
    if (w->job->has_devices)
        slot->rgb = sample_add_pixels(s, w->fittings.n_bytes);
    rc = decode(w, s, part, slot, &bad);
    if (rc == 0 && bad.reason != REJECT_NONE)
        sample_reject(s, part, &bad);
    if (rc != 0 || bad.reason != REJECT_NONE)
        return rc;
    if (w->job->has_devices) {
        s->parts[part].pixels = slot->rgb;
        s->parts[part].first_rendition = slot->rendition;
    }
    slot->sample = s;
    /* All images have the same fittings, so that the first stands for them. */
    gather_add(&w->gather, slot, (int)w->fittings.fittings[0].rendition.target_width,
               (int)w->fittings.fittings[0].rendition.target_height);
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
    for (int i = 0; i < n && !w->job->has_devices; i++) /* whose stages come behind */
        sample_encoded(s[i], w->job);
    return pipe_pass_all(out, s, (size_t)n);
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
        if (job->encodings[i].encoder)
            fprintf(out, "%s %.2f images/s, ", job->encodings[i].label,
                    per_second(encoded, atomic_load(&c->encode_ns[i])));
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
