/* SPDX-License-Identifier: Apache-2.0
 * The encode stage with several images and texts a sample and two fake encoders: the
 * outcome is that of each image alone, whatever the batch. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <spng.h>

#include "shard/status.h"
#include "tools/prepare/job.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/unit.h"
#include "tools/run/pipeline.h"
#include "vae_encode/status.h"

enum { SIDE = 16, VALUES = 4, N_ENCODERS = 2, N_IN_FLIGHT = 7, MOST_SAMPLES = 16 };

enum { CODEBOOK = 253 };

/* The gray of images that an encoder makes NaN of. */
enum { NAN_OF_0 = 250, NAN_OF_1 = 251, NAN_OF_BOTH = 252 };

/* What went wrong on the conveyor's threads; cmocka's assertions are for the main one. */
static atomic_int n_wrong;

static void expect(bool right)
{
    atomic_fetch_add(&n_wrong, !right);
}

/* ---- encoders: each value is the gray of the image, and 1000 more for the second ----
 */

struct fake {
    int number;
    int side; /* of its images */
    enum encoder_element element;
    size_t stride; /* floats from one image to the next */
    int largest;   /* batch that was seen */
};

static int fake_open(void **worker, const void *model, int width, int height,
                     const struct encoder_cancel *cancel)
{
    const struct fake *fake = model;

    expect(width == fake->side && height == fake->side && !cancel->asked(cancel->ctx));
    *worker = (void *)model;
    return VAE_OK;
}

/* Codes that are the gray, or a file with as many bytes as that, and one more. */
static void fake_encode_other(const struct fake *fake, int gray, bool bad, void *out,
                              int i)
{
    struct encoder_file *files = out;
    uint32_t *codes = (uint32_t *)out + (size_t)i * fake->stride;

    if (fake->element == ENCODER_FILE) {
        expect(!files[i].bytes && files[i].len == 0);
        files[i].len = (size_t)gray + 1;
        files[i].bytes = malloc(files[i].len);
        if (!files[i].bytes)
            abort();
        memset(files[i].bytes, gray, files[i].len);
        return;
    }
    for (int k = 0; k < VALUES; k++)
        codes[k] = bad && k > 1 ? CODEBOOK : (uint32_t)gray;
}

static int fake_encode(void *worker, const struct image_batch *in, void *const *out)
{
    struct fake *fake = worker;

    expect(in->width == fake->side && in->height == fake->side);
    if (in->n > fake->largest)
        fake->largest = in->n;
    for (int i = 0; i < in->n; i++) {
        const int gray = in->rgb[i][3 * fake->side * fake->side - 1];
        const bool bad = gray == NAN_OF_BOTH || gray == NAN_OF_0 + fake->number;

        if (fake->element != ENCODER_FP32) {
            fake_encode_other(fake, gray, bad, out[0], i);
            continue;
        }
        for (int k = 0; k < VALUES; k++)
            ((float *)out[0])[(size_t)i * fake->stride + (size_t)k] =
                bad ? NAN : (float)(1000 * fake->number + gray);
    }
    return VAE_OK;
}

static const char *fake_why(const void *worker)
{
    (void)worker;
    return "";
}

static void fake_close(void *worker)
{
    (void)worker;
}

static const struct encoder fake_encoder = {.scheme = "fake",
                                            .open = fake_open,
                                            .encode = fake_encode,
                                            .why = fake_why,
                                            .close = fake_close};

static struct encoding fake_encoding(struct fake *fake, uint32_t side)
{
    struct encoding e = {.label = fake->number == 0 ? "zero" : "one",
                         .encoder = &fake_encoder,
                         .model = fake,
                         .rendition = {.fit = SHARD_CROP,
                                       .target_width = (uint32_t)fake->side,
                                       .target_height = (uint32_t)fake->side},
                         .n_tensors = 1,
                         .dtype = "fp32",
                         .n_bytes = VALUES * sizeof(float)};

    e.about.n_tensors = 1;
    e.about.tensors[0] = (struct encoder_tensor){
        .kind = ENCODER_LATENT, .n_dims = 2, .dims = {side, side}};
    e.tensors[0] =
        (struct stored_tensor){.kind = fake->number == 0 ? SHARD_LATENT : SHARD_FEATURES,
                               .dtype = SHARD_FP32,
                               .n_values = VALUES,
                               .n_bytes = VALUES * sizeof(float)};
    fake->stride = encoder_tensor_values(&e.about.tensors[0]);
    if (fake->element == ENCODER_FP32)
        return e;
    e.about.codebook = CODEBOOK;
    e.about.tensors[0].element = fake->element;
    e.tensors[0].kind = fake->element == ENCODER_U32 ? SHARD_CODES : SHARD_PIXELS;
    e.tensors[0].dtype = fake->element == ENCODER_U32 ? SHARD_U16 : SHARD_FILE;
    e.tensors[0].codebook = CODEBOOK;
    if (fake->element == ENCODER_FILE)
        e.tensors[0].n_bytes = e.tensors[0].n_values = 0;
    return e;
}

/* ---- what is around the stage ---- */

struct world {
    struct job job;
    struct run_options options;
    struct image_options image;
    struct unit unit;
    struct input input;
    struct fake fakes[N_ENCODERS];
    struct encoding encodings[N_ENCODERS];
    const char *const *samples; /* their parts, NULL-terminated; see add_part() */
    size_t n_read;
    int sides[N_ENCODERS]; /* 0: SIDE */
    enum resize_filter filters[N_ENCODERS];
    enum encoder_element elements[N_ENCODERS];
    bool elsewhere; /* the first encoder is at work in another stage */
    bool uncounted; /* nothing is held for images, as where parse() adds them */
    char outcomes[MOST_SAMPLES][400];
};

static unsigned char *gray_png(int gray, size_t *len)
{
    unsigned char pixels[SIDE * SIDE];
    struct spng_ihdr ihdr = {.width = SIDE,
                             .height = SIDE,
                             .bit_depth = 8,
                             .color_type = SPNG_COLOR_TYPE_GRAYSCALE};
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    int rc;
    unsigned char *png;

    memset(pixels, gray, sizeof(pixels));
    if (spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1) != 0 ||
        spng_set_ihdr(ctx, &ihdr) != 0 ||
        spng_encode_image(ctx, pixels, sizeof(pixels), SPNG_FMT_PNG,
                          SPNG_ENCODE_FINALIZE) != 0 ||
        !(png = spng_get_png_buffer(ctx, len, &rc)))
        abort();
    spng_ctx_free(ctx);
    return png;
}

static void add_text(struct ingest_part *part)
{
    static const char *const texts[] = {"one", "a second text"};

    part->kind = INGEST_TEXT;
    part->n_alternatives = 2;
    part->alternatives = calloc(2, sizeof(*part->alternatives));
    for (size_t i = 0; i < 2; i++)
        part->alternatives[i] = (struct ingest_alternative){.name = strdup("txt"),
                                                            .text = strdup(texts[i]),
                                                            .text_len = strlen(texts[i])};
}

/* 't' is a text, a digit an image of that gray, 'X' no image at all, and 'N', 'M', 'B'
 * one that the first encoder, the second, or both make NaN of. */
static void add_part(struct ingest_part *part, char letter)
{
    static const int grays[] = {['N'] = NAN_OF_0, ['M'] = NAN_OF_1, ['B'] = NAN_OF_BOTH};

    if (letter == 't') {
        add_text(part);
        return;
    }
    part->kind = INGEST_IMAGE;
    part->image = letter == 'X' ? (unsigned char *)strdup("GIF89a")
                                : gray_png(letter <= '9' ? letter - '0'
                                                         : grays[(unsigned char)letter],
                                           &part->image_len);
    if (letter == 'X')
        part->image_len = 6;
}

static int open_world(void **worker, void *shared)
{
    *worker = shared;
    return PIPE_OK;
}

static void close_world(void *worker)
{
    (void)worker;
}

static int read_one(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct world *w = worker;
    const char *parts = w->samples[w->n_read];
    struct sample *to = s[0];

    (void)n;
    if (!parts)
        return PIPE_END;
    to->unit = &w->unit;
    to->seq = w->n_read++;
    to->in.key = strdup("k");
    ingest_sample_set_parts(&to->in, strlen(parts));
    for (size_t i = 0; i < to->in.n_parts; i++) {
        add_part(&to->in.parts[i], parts[i]);
        to->held_images += w->uncounted ? 0 : to->in.parts[i].image_len;
    }
    to->held = to->held_images;
    if (to->held > 0)
        budget_take(&w->job.read_bytes, to->held);
    return pipe_pass(out, to);
}

static void check_ids(const struct world *w, const struct sample *s)
{
    struct tokenizer_worker *worker = tokenizer_worker_new(w->job.tokenizer);

    if (worker == NULL)
        abort();
    for (size_t i = 0; i < s->in.n_parts; i++)
        for (size_t k = 0; k < s->in.parts[i].n_alternatives; k++) {
            const struct ingest_alternative *a = &s->in.parts[i].alternatives[k];
            uint32_t *ids, n;

            if (tokenizer_encode(worker, a->text, a->text_len, &ids, &n) != SHARD_OK)
                abort();
            expect(s->parts[i].n_ids[k] == n &&
                   memcmp(s->parts[i].ids[k], ids, n * sizeof(*ids)) == 0);
            free(ids);
        }
    tokenizer_worker_free(worker);
}

/* Of a file its length. */
static double last_value(const struct shard_tensor *t)
{
    if (t->dtype == SHARD_FILE) {
        const unsigned char *bytes = t->data;

        expect(bytes[t->n_bytes - 1] == t->n_bytes - 1);
        return (double)t->n_bytes;
    }
    return t->dtype == SHARD_U16 ? ((const uint16_t *)t->data)[VALUES - 1]
                                 : ((const float *)t->data)[VALUES - 1];
}

/* "reason: detail", or the renditions' parts and then each tensor as
 * "encoder.part.owner=value". */
static void describe(const struct sample *s, char *text, size_t cap)
{
    size_t len = 0;

    if (s->in.reject.reason != REJECT_NONE) {
        snprintf(text, cap, "%s: %s", reject_name(s->in.reject.reason),
                 s->in.reject.detail);
        return;
    }
    for (size_t i = 0; i < s->n_renditions; i++)
        len += (size_t)snprintf(text + len, cap - len, "r%u%s ", s->renditions[i].part,
                                s->renditions[i].target_width == SIDE ? "" : "x2");
    for (size_t i = 0; i < s->n_tensors; i++) {
        const struct shard_tensor *t = &s->tensors[i];

        len += (size_t)snprintf(text + len, cap - len, "%u.%u.%u=%g ", t->encoder,
                                t->part, t->owner, last_value(t));
    }
}

static int write_some(void *worker, struct sample **s, int n, struct pipe_out *out)
{
    struct world *w = worker;
    int rc = PIPE_OK;

    for (int i = 0; i < n && rc == PIPE_OK; i++) {
        describe(s[i], w->outcomes[s[i]->seq], sizeof(w->outcomes[0]));
        if (s[i]->in.reject.reason == REJECT_NONE)
            check_ids(w, s[i]);
        expect(s[i]->held == 0);
        sample_clear(s[i]);
        rc = pipe_pass(out, s[i]);
    }
    return rc;
}

static void open_job(struct world *w, const char *const *samples, int batch,
                     uint32_t tensor_side, struct tokenizer *tokenizer)
{
    w->samples = samples;
    w->input.reader = &reader_tar;
    w->options = run_options_default();
    w->options.batch = batch;
    w->image = image_options_default();
    w->unit.input = &w->input;
    for (int i = 0; i < N_ENCODERS; i++) {
        w->fakes[i].number = i;
        w->fakes[i].element = w->elements[i];
        w->fakes[i].side = w->sides[i] > 0 ? w->sides[i] : SIDE;
        w->encodings[i] = fake_encoding(&w->fakes[i], tensor_side);
        w->encodings[i].filter = w->filters[i];
    }
    if (w->elsewhere)
        w->encodings[0].encoder = NULL;
    assert_int_equal(job_init(&w->job, 1 << 28), 0);
    w->job.options = &w->options;
    w->job.image = &w->image;
    w->job.n_workers = 1;
    w->job.tokenizer = tokenizer;
    w->job.encodings = w->encodings;
    w->job.n_encodings = N_ENCODERS;
    w->job.room = (struct sample_room){N_ENCODERS, N_ENCODERS,
                                       N_ENCODERS * VALUES * sizeof(float), 0, 0};
}

/* Sends the samples through the stage. */
static void run_held(struct world *w, const char *const *samples, int batch,
                     uint32_t tensor_side, bool uncounted)
{
    struct sample *flight[N_IN_FLIGHT];
    struct tokenizer *tokenizer;
    struct pipeline *pipeline;
    size_t len;
    const void *model = tokenizer_builtin(&len);

    assert_int_equal(tokenizer_open(&tokenizer, model, len, "builtin", NULL), SHARD_OK);
    open_job(w, samples, batch, tensor_side, tokenizer);
    w->uncounted = uncounted;
    for (size_t i = 0; i < N_IN_FLIGHT; i++)
        flight[i] = sample_new(&w->job.room, NULL);
    const struct pipe_stage around = {.name = "around",
                                      .n_workers = 1,
                                      .batch = 1,
                                      .shared = w,
                                      .open = open_world,
                                      .close = close_world};
    struct pipe_stage stages[] = {around, encode_stage(&w->job), around};
    stages[0].work = read_one;
    stages[2].work = write_some;
    assert_int_equal(pipeline_new(&pipeline, stages, 3, flight, N_IN_FLIGHT), 0);
    assert_int_equal(pipeline_run(pipeline), PIPE_OK);
    assert_int_equal(w->job.read_bytes.used, 0);
    assert_int_equal(n_wrong, 0);
    pipeline_free(pipeline);
    for (size_t i = 0; i < N_IN_FLIGHT; i++)
        sample_free(flight[i]);
    job_free(&w->job);
    tokenizer_close(tokenizer);
}

static void run(struct world *w, const char *const *samples, int batch,
                uint32_t tensor_side)
{
    *w = (struct world){0};
    run_held(w, samples, batch, tensor_side, false);
}

static const char *const samples[] = {"t12", "1t2t3", "t",  "N1", "1N",  "1X",    "NX",
                                      "XN",  "MN",    "1M", "B1", "2BX", "45t67", NULL};

#define NOT_IMAGE "unsupported_format: neither JPEG nor PNG nor WebP by its first bytes"
#define NAN_IN "not_finite: 4 of 4 "
#define LATENT NAN_IN "latent values are not finite in fp32"
#define FEATURES NAN_IN "features values are not finite in fp32"

static void the_outcome_does_not_depend_on_the_batch(void **state)
{
    static const char *const expected[] = {
        "r1 r2 0.1.0=1 0.2.1=2 1.1.0=1001 1.2.1=1002 ",
        "r0 r2 r4 0.0.0=1 0.2.1=2 0.4.2=3 1.0.0=1001 1.2.1=1002 1.4.2=1003 ",
        "",
        LATENT,
        LATENT,
        NOT_IMAGE,
        LATENT,
        NOT_IMAGE,
        FEATURES,
        FEATURES,
        LATENT,
        LATENT,
        ("r0 r1 r3 r4 0.0.0=4 0.1.1=5 0.3.2=6 0.4.3=7 1.0.0=1004 1.1.1=1005 1.3.2=1006 "
         "1.4.3=1007 ")};
    static const int batches[] = {1, 2, 3, 4, 64};

    (void)state;
    for (size_t b = 0; b < sizeof(batches) / sizeof(*batches); b++) {
        struct world w;
        uint64_t good = 0;

        run(&w, samples, batches[b], 2);
        for (size_t i = 0; samples[i]; i++) {
            assert_string_equal(w.outcomes[i], expected[i]);
            good += !strchr(w.outcomes[i], ':');
        }
        assert_int_equal(atomic_load(&w.unit.progress.n_encoded), good);
        if (batches[b] > 1)
            assert_true(w.fakes[0].largest > 1);
        assert_true(w.fakes[0].largest <= batches[b]);
        assert_int_equal(w.fakes[0].largest, w.fakes[1].largest);
    }
}

/* What two encoders compute of one image is more than half of what a worker may hold. */
static void memory_is_that_of_all_encoders(void **state)
{
    static const char *const pairs[] = {"t1", "t2", "t345", NULL};
    struct world w;

    (void)state;
    run(&w, pairs, 4, 5000);
    assert_int_equal(w.fakes[0].largest, 1);
    assert_string_equal(w.outcomes[2], "r1 r2 r3 0.1.0=3 0.2.1=4 0.3.2=5 1.1.0=1003 "
                                       "1.2.1=1004 1.3.2=1005 ");
    run(&w, pairs, 4, 3000);
    assert_int_equal(w.fakes[0].largest, 3);
}

/* What was not taken is not given back. */
static void images_of_parse_leave_the_budget_alone(void **state)
{
    struct world w = {0};

    (void)state;
    run_held(&w, samples, 2, 2, true);
    assert_string_equal(w.outcomes[0], "r1 r2 0.1.0=1 0.2.1=2 1.1.0=1001 1.2.1=1002 ");
}

/* Each encoder gets its own pixels and owns its own rendition, smaller ones first;
 * filters alone make no other rendition. */
static void geometries_are_renditions(void **state)
{
    static const char *const images[] = {"t12", "1X", "MN", NULL};
    static const struct {
        int sides[N_ENCODERS];
        enum resize_filter filters[N_ENCODERS];
        const char *first;
    } cases[] = {
        {{SIDE, 2 * SIDE},
         {RESIZE_BICUBIC, RESIZE_BICUBIC},
         "r1 r1x2 r2 r2x2 0.1.0=1 0.2.2=2 1.1.1=1001 1.2.3=1002 "},
        {{2 * SIDE, SIDE},
         {RESIZE_BICUBIC, RESIZE_AREA},
         "r1 r1x2 r2 r2x2 0.1.1=1 0.2.3=2 1.1.0=1001 1.2.2=1002 "},
        {{SIDE, SIDE},
         {RESIZE_AREA, RESIZE_BICUBIC},
         "r1 r2 0.1.0=1 0.2.1=2 1.1.0=1001 1.2.1=1002 "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (int batch = 1; batch <= 4; batch++) {
            struct world w = {0};

            memcpy(w.sides, cases[i].sides, sizeof(w.sides));
            memcpy(w.filters, cases[i].filters, sizeof(w.filters));
            run_held(&w, images, batch, 2, false);
            assert_string_equal(w.outcomes[0], cases[i].first);
            assert_string_equal(w.outcomes[1], NOT_IMAGE);
            assert_string_equal(w.outcomes[2], FEATURES);
        }
}

/* A code that is not in the codebook rejects its sample; files are as long as they are,
 * and are freed with samples that are rejected. */
static void codes_and_files_are_stored(void **state)
{
    static const char *const images[] = {"t12", "N1", "2M", "1X", "2BX", "345", NULL};

    (void)state;
    for (int batch = 1; batch <= 4; batch++) {
        struct world w = {.elements = {ENCODER_U32, ENCODER_FILE}};

        run_held(&w, images, batch, 2, false);
        assert_string_equal(w.outcomes[0], "r1 r2 0.1.0=1 0.2.1=2 1.1.0=2 1.2.1=3 ");
        assert_string_equal(w.outcomes[1],
                            "bad_code: 2 of 4 codes of zero are not below 253");
        assert_string_equal(w.outcomes[2], "r0 r1 0.0.0=2 0.1.1=251 1.0.0=3 1.1.1=252 ");
        assert_string_equal(w.outcomes[3], NOT_IMAGE);
        assert_string_equal(w.outcomes[4], w.outcomes[1]);
        assert_string_equal(w.outcomes[5], "r0 r1 r2 0.0.0=3 0.1.1=4 0.2.2=5 1.0.0=4 "
                                           "1.1.1=5 1.2.2=6 ");
    }
}

/* This stage leaves it alone. */
static void an_encoder_may_be_elsewhere(void **state)
{
    static const char *const images[] = {"t12", NULL};
    struct world w = {.elsewhere = true};

    (void)state;
    run_held(&w, images, 2, 2, false);
    assert_string_equal(w.outcomes[0], "r1 r2 1.1.0=1001 1.2.1=1002 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_outcome_does_not_depend_on_the_batch),
        cmocka_unit_test(memory_is_that_of_all_encoders),
        cmocka_unit_test(geometries_are_renditions),
        cmocka_unit_test(codes_and_files_are_stored),
        cmocka_unit_test(an_encoder_may_be_elsewhere),
        cmocka_unit_test(images_of_parse_leave_the_budget_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
