/* SPDX-License-Identifier: Apache-2.0
 * tools/bench_encoder.c - the VAE encoder: each step of the network, the whole, and its
 * error.
 *
 * All workers encode at once, as in `prepare`. A step's time is that between two calls of
 * the hook that vae_encode() asks before each step, on average of the workers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench.h"
#include "tools/clock.h"
#include "vae_encode/status.h"

/* Images of this size are compared with the referee, which is slow. */
enum { ERROR_SIDE = 64 };

struct worker {
    struct vae_encoder *encoder;
    struct vae_cancel clock;
    uint64_t last_ns;
    int running; /* the step that began at the clock's last call */
    int n_steps;
    double *ns; /* n_steps: of the run in hand, summed */
    float *mean;
    int status;
};

struct encoder_bench {
    int n_workers, n_steps;
    struct worker *workers;
    struct image_batch images;
    uint8_t *pixels;
    const uint8_t **rgb;
    int n_runs;
    double *step_seconds; /* (n_steps, 1 + repeats) of an image; run 0 warms up */
};

static bool step_begins(void *ctx, int step)
{
    struct worker *w = ctx;
    uint64_t now = clock_ns();

    if (w->running < w->n_steps)
        w->ns[w->running] += (double)(now - w->last_ns);
    w->running = step;
    w->last_ns = now;
    return false;
}

static void encode_batch(void *ctx, int i)
{
    struct encoder_bench *e = ctx;
    struct worker *w = &e->workers[i];

    memset(w->ns, 0, (size_t)w->n_steps * sizeof(*w->ns));
    w->status =
        vae_encode(w->encoder, &e->images, &(struct latent_batch){.mean = w->mean});
}

static int run(void *ctx)
{
    struct encoder_bench *e = ctx;
    int n_cells = e->n_steps, rc = 0;

    if (bench_parallel(e->n_workers, encode_batch, e) < 0)
        return -1;
    for (int i = 0; i < e->n_workers; i++) {
        const struct worker *w = &e->workers[i];

        rc = w->status != VAE_OK ? -1 : rc;
        for (int k = 0; k < n_cells; k++)
            e->step_seconds[e->n_runs * n_cells + k] +=
                w->ns[k] / 1e9 / e->images.n / e->n_workers;
    }
    e->n_runs++;
    return rc;
}

static size_t latent_values(const struct vae_info *info, int side)
{
    size_t grid = (size_t)(side / info->downscale);

    return (size_t)info->latent_channels * grid * grid;
}

/* Waves and noise. */
static void paint(uint8_t *rgb, int side)
{
    uint64_t seed = 1;

    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            for (int c = 0; c < 3; c++) {
                int wave = (x * (c + 1) + 2 * y) % 256;

                *rgb++ = (uint8_t)((wave < 128 ? wave : 255 - wave) +
                                   (int)(bench_random(&seed) >> 57));
            }
}

static int open_worker(struct worker *w, const struct vae *vae, int side, size_t n_values)
{
    if (vae_encoder_open(&w->encoder, vae, side, side) != VAE_OK)
        return -1;
    w->n_steps = vae_encoder_n_layers(w->encoder);
    w->ns = calloc((size_t)w->n_steps, sizeof(*w->ns));
    w->mean = malloc(n_values * sizeof(*w->mean));
    w->running = w->n_steps;
    w->clock = (struct vae_cancel){step_begins, w};
    vae_encoder_set_cancel(w->encoder, &w->clock);
    return w->ns && w->mean ? 0 : -1;
}

static int set_up(struct encoder_bench *e, const struct bench *b)
{
    const struct bench_options *o = &b->options;
    const struct vae *vae = b->models.vae;
    int side = (int)o->size, batch = (int)o->batch;
    size_t image_bytes = (size_t)side * (size_t)side * 3;

    e->n_workers = (int)o->workers;
    e->workers = calloc((size_t)e->n_workers, sizeof(*e->workers));
    e->pixels = malloc(image_bytes);
    e->rgb = calloc((size_t)batch, sizeof(*e->rgb));
    if (!e->workers || !e->pixels || !e->rgb)
        return -1;
    paint(e->pixels, side);
    for (int i = 0; i < batch; i++)
        e->rgb[i] = e->pixels;
    e->images = (struct image_batch){batch, side, side, e->rgb};
    for (int i = 0; i < e->n_workers; i++)
        if (open_worker(&e->workers[i], vae, side,
                        (size_t)batch * latent_values(vae_info(vae), side)) != 0)
            return -1;
    e->n_steps = e->workers[0].n_steps;
    e->step_seconds =
        calloc((size_t)e->n_steps * (size_t)(1 + o->repeats), sizeof(double));
    return e->step_seconds ? 0 : -1;
}

static void tear_down(struct encoder_bench *e)
{
    for (int i = 0; e->workers && i < e->n_workers; i++) {
        vae_encoder_close(e->workers[i].encoder);
        free(e->workers[i].ns);
        free(e->workers[i].mean);
    }
    free(e->workers);
    free(e->pixels);
    free(e->rgb);
    free(e->step_seconds);
}

/* Encodes one image of `side`; gives the latent or NULL. */
static float *encode_one(const struct vae *vae, int side, const uint8_t *rgb)
{
    struct vae_encoder *e;
    size_t n = latent_values(vae_info(vae), side);
    float *mean = malloc(n * sizeof(*mean));
    int rc = vae_encoder_open(&e, vae, side, side);

    if (rc == VAE_OK && mean)
        rc = vae_encode(e, &(struct image_batch){1, side, side, &rgb},
                        &(struct latent_batch){.mean = mean});
    vae_encoder_close(e);
    if (rc == VAE_OK)
        return mean;
    free(mean);
    return NULL;
}

/* Against the back end that sums in double; < 0 where it failed. */
static double relative_error(const struct bench *b, int side)
{
    struct vae_options options = {
        .path = b->vae_path, .scale = b->vae_scale, .backend = "ref"};
    size_t n = latent_values(vae_info(b->models.vae), side);
    uint8_t *rgb = malloc((size_t)side * (size_t)side * 3);
    struct vae *ref = NULL;
    float *found = NULL, *wanted = NULL;
    double difference = 0, square = 0;

    if (rgb && vae_open(&ref, &options) == VAE_OK) {
        paint(rgb, side);
        found = encode_one(b->models.vae, side, rgb);
        wanted = encode_one(ref, side, rgb);
    }
    for (size_t i = 0; found && wanted && i < n; i++) {
        difference += ((double)found[i] - wanted[i]) * ((double)found[i] - wanted[i]);
        square += (double)wanted[i] * wanted[i];
    }
    vae_close(ref);
    free(rgb);
    free(found);
    free(wanted);
    return square > 0 ? sqrt(difference / square) : -1;
}

static json_t *share(double part, double whole)
{
    return whole > 0 ? json_real(part / whole) : json_null();
}

/* `peak` is of one worker. */
static json_t *describe_layers(struct encoder_bench *e, double peak)
{
    json_t *rows = json_array();
    double *runs = malloc((size_t)e->n_runs * sizeof(*runs));
    double total = 0, *seconds = malloc((size_t)e->n_steps * sizeof(*seconds));

    for (int i = 0; runs && seconds && i < e->n_steps; i++) {
        for (int k = 1; k < e->n_runs; k++)
            runs[k - 1] = e->step_seconds[k * e->n_steps + i];
        seconds[i] = bench_median(runs, e->n_runs - 1);
        total += seconds[i];
    }
    for (int i = 0; runs && seconds && i < e->n_steps; i++) {
        struct vae_layer l = vae_encoder_layer(e->workers[0].encoder, i);
        double rate = l.flops / seconds[i];

        json_array_append_new(
            rows,
            json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:o, s:f}",
                      "name", l.name, "algorithm", l.algorithm, "c_in", l.c_in, "c_out",
                      l.c_out, "kernel", l.kernel, "stride", l.stride, "width", l.width,
                      "height", l.height, "milliseconds", seconds[i] * 1e3, "gflops",
                      rate / 1e9, "share_of_peak", share(rate, peak), "share_of_time",
                      seconds[i] / total));
    }
    free(runs);
    free(seconds);
    return rows;
}

static double network_flops(const struct encoder_bench *e)
{
    double sum = 0;

    for (int i = 0; i < e->n_steps; i++)
        sum += vae_encoder_layer(e->workers[0].encoder, i).flops;
    return sum;
}

static json_t *describe(struct encoder_bench *e, struct bench *b,
                        struct bench_times *times)
{
    const struct vae_info *info = vae_info(b->models.vae);
    int error_side = info->downscale > ERROR_SIDE ? info->downscale : ERROR_SIDE;
    double flops = network_flops(e), peak = bench_fma_peak(info->isa, e->n_workers);
    double images = (double)e->images.n * e->n_workers;
    double median = bench_median(times->seconds, times->n);
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:f, s:f}", "vae",
                  b->options.vae ? b->options.vae : "builtin", "family", info->family,
                  "isa", info->isa, "numerics", info->numerics, "parameters",
                  (json_int_t)info->n_parameters, "width", e->images.width, "height",
                  e->images.height, "packed_mib", (double)info->packed_bytes / (1 << 20),
                  "gflop_per_image", flops / 1e9);

    b->encoder_rate = images / median;
    json_object_set_new(o, "relative_rms_error",
                        json_real(relative_error(b, error_side)));
    json_object_set_new(o, "error_measured_at", json_integer(error_side));
    json_object_set_new(o, "fma_peak_gflops_per_worker",
                        peak > 0 ? json_real(peak / 1e9) : json_null());
    json_object_set_new(o, "seconds_per_image", json_real(median / images));
    json_object_set_new(o, "seconds_per_image_best",
                        json_real(times->seconds[0] / images));
    bench_set_rate(o, "images_per_second", images, times);
    json_object_set_new(o, "gflops", json_real(flops * images / median / 1e9));
    json_object_set_new(o, "share_of_peak",
                        share(flops * images / median, peak * e->n_workers));
    json_object_set_new(o, "layers", describe_layers(e, peak));
    return o;
}

json_t *bench_encoder(struct bench *b)
{
    struct encoder_bench e = {0};
    struct bench_times times;
    json_t *o = NULL;

    if (set_up(&e, b) != 0)
        bench_fail("the encoder of %d x %d could not be opened: %s", (int)b->options.size,
                   (int)b->options.size,
                   e.workers ? vae_encoder_why(e.workers[0].encoder) : "out of memory");
    else if (bench_repeat(b, run, &e, &times) != 0)
        bench_fail("encoding failed: %s", vae_encoder_why(e.workers[0].encoder));
    else
        o = describe(&e, b, &times);
    tear_down(&e);
    return o;
}
