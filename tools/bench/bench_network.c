/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_network.c - the VAE's encoder or decoder: each step of the network,
 * the whole, and its error.
 *
 * All workers run at once, as in `prepare`. A step's time is that between two calls of
 * the hook that is asked before each step, on average of the workers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench_section.h"
#include "tools/bench/bench_half.h"
#include "tools/run/clock.h"
#include "tools/store/json_text.h"
#include "tools/cli/print.h"

/* Images of this size are compared with the referee, which is slow. */
enum { ERROR_SIDE = 64 };

struct worker {
    struct bench_half *half;
    struct vae_cancel clock;
    uint64_t last_ns;
    int running; /* the step that began at the clock's last call */
    int n_steps;
    double *ns; /* n_steps: of the run in hand, summed */
    int status;
};

struct network_bench {
    int n_workers, n_steps, batch;
    struct worker *workers;
    int n_runs;
    double *step_seconds; /* (1 + repeats, n_steps) of an image; run 0 warms up */
};

static bool step_begins(void *ctx, int step)
{
    struct worker *w = ctx;
    uint64_t now = clock_ns();

    if (w->running < w->n_steps)
        w->ns[w->running] += (double)(now - w->last_ns);
    w->running = step;
    w->last_ns = now;
    return bench_stopped();
}

static bool is_stopped(void *ctx, int step)
{
    (void)ctx;
    (void)step;
    return bench_stopped();
}

static void run_batch(void *ctx, int i)
{
    struct network_bench *e = ctx;
    struct worker *w = &e->workers[i];

    memset(w->ns, 0, (size_t)w->n_steps * sizeof(*w->ns));
    w->running = w->n_steps;
    w->status = bench_half_run(w->half);
}

static int run(void *ctx)
{
    struct network_bench *e = ctx;
    double *seconds = e->step_seconds + (size_t)e->n_runs++ * (size_t)e->n_steps;
    int rc = bench_parallel(e->n_workers, run_batch, e) < 0 ? -1 : 0;

    for (int i = 0; i < e->n_workers && rc == 0; i++) {
        rc = e->workers[i].status;
        for (int k = 0; k < e->n_steps; k++)
            seconds[k] += e->workers[i].ns[k] / 1e9 / e->batch / e->n_workers;
    }
    return rc;
}

static int open_worker(struct worker *w, const struct vae *vae, int side, int batch)
{
    if (bench_half_open(&w->half, vae, side, batch) != 0)
        return -1;
    w->n_steps = bench_half_n_layers(w->half);
    w->ns = calloc((size_t)w->n_steps, sizeof(*w->ns));
    w->clock = (struct vae_cancel){step_begins, w};
    bench_half_set_clock(w->half, &w->clock);
    return w->ns ? 0 : -1;
}

static int set_up(struct network_bench *e, const struct bench *b, const struct vae *vae)
{
    const struct bench_options *o = &b->options;

    e->batch = (int)o->batch;
    e->n_workers = (int)o->workers;
    e->workers = calloc((size_t)e->n_workers, sizeof(*e->workers));
    if (!e->workers)
        return -1;
    for (int i = 0; i < e->n_workers; i++)
        if (open_worker(&e->workers[i], vae, (int)o->image.size, e->batch) != 0)
            return -1;
    e->n_steps = e->workers[0].n_steps;
    e->step_seconds =
        calloc((size_t)e->n_steps * (size_t)(1 + o->repeats), sizeof(double));
    return e->step_seconds ? 0 : -1;
}

static void tear_down(struct network_bench *e)
{
    for (int i = 0; e->workers && i < e->n_workers; i++) {
        bench_half_close(e->workers[i].half);
        free(e->workers[i].ns);
    }
    free(e->workers);
    free(e->step_seconds);
}

/* sqrt(sum (a - b)^2 / sum b^2) */
static double relative_rms(const float *a, const float *b, size_t n)
{
    double difference = 0, square = 0;

    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        square += (double)b[i] * b[i];
    }
    return sqrt(difference / square);
}

/* Against the back end that sums in double; null where there is no memory for it. */
static json_t *measure_error(struct bench *b, const struct vae *vae, int side)
{
    static const struct vae_cancel clock = {is_stopped, NULL};
    struct bench_half *half = NULL, *referee = NULL;
    struct vae *ref = NULL;
    json_t *error = NULL;
    size_t n;

    if (bench_open_vae(b, vae_info(vae)->part, "ref", &ref) == 0 &&
        bench_half_open(&half, vae, side, 1) == 0 &&
        bench_half_open(&referee, ref, side, 1) == 0) {
        bench_half_set_clock(referee, &clock); /* the slow one */
        if (bench_half_run(half) == 0 && bench_half_run(referee) == 0) {
            const float *found = bench_half_values(half, &n);

            error = json_real(relative_rms(found, bench_half_values(referee, &n), n));
        }
    }
    bench_half_close(half);
    bench_half_close(referee);
    vae_close(ref);
    return error ? error : json_null();
}

static json_t *share(double part, double whole)
{
    return whole > 0 ? json_real(part / whole) : json_null();
}

/* Medians of an image's seconds in each step; gives n_steps values, or NULL. */
static double *step_medians(const struct network_bench *e)
{
    double *medians = malloc((size_t)e->n_steps * sizeof(*medians));
    double *runs = malloc((size_t)e->n_runs * sizeof(*runs));

    for (int i = 0; medians && runs && i < e->n_steps; i++) {
        for (int k = 1; k < e->n_runs; k++)
            runs[k - 1] = e->step_seconds[k * e->n_steps + i];
        medians[i] = bench_median(runs, e->n_runs - 1);
    }
    if (!runs) {
        free(medians);
        medians = NULL;
    }
    free(runs);
    return medians;
}

/* `peak` is of one worker. */
static json_t *describe_layers(const struct network_bench *e, double peak)
{
    json_t *rows = json_array();
    double total = 0, *seconds = step_medians(e);

    for (int i = 0; seconds && i < e->n_steps; i++)
        total += seconds[i];
    for (int i = 0; seconds && i < e->n_steps; i++) {
        struct vae_layer l = bench_half_layer(e->workers[0].half, i);
        double rate = l.flops / seconds[i];

        json_put_element(
            &rows,
            json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:o, s:f}",
                      "name", l.name, "algorithm", l.algorithm, "c_in", l.c_in, "c_out",
                      l.c_out, "kernel", l.kernel, "stride", l.stride, "upscale",
                      l.upscale, "width", l.width, "height", l.height, "milliseconds",
                      seconds[i] * 1e3, "gflops", rate / 1e9, "share_of_peak",
                      share(rate, peak), "share_of_time", seconds[i] / total));
    }
    free(seconds);
    return rows;
}

static double network_flops(const struct network_bench *e)
{
    double sum = 0;

    for (int i = 0; i < e->n_steps; i++)
        sum += bench_half_layer(e->workers[0].half, i).flops;
    return sum;
}

static json_t *describe(const struct network_bench *e, struct bench *b,
                        const struct vae *vae, struct bench_times *times)
{
    const struct vae_info *info = vae_info(vae);
    int error_side = info->downscale > ERROR_SIDE ? info->downscale : ERROR_SIDE;
    double flops = network_flops(e), peak = bench_fma_peak(info->isa, e->n_workers);
    double images = (double)e->batch * e->n_workers;
    double median = bench_median(times->seconds, times->n);
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "vae",
        b->options.vae ? b->options.vae : "builtin", "family", info->family, "isa",
        info->isa, "numerics", info->numerics, "parameters",
        (json_int_t)info->n_parameters, "width", (json_int_t)b->options.image.size,
        "height", (json_int_t)b->options.image.size, "workers", (json_int_t)e->n_workers,
        "batch", (json_int_t)e->batch, "packed_mib",
        (double)info->packed_bytes / (1 << 20), "gflop_per_image", flops / 1e9);

    json_put_member(&o, "relative_rms_error", measure_error(b, vae, error_side));
    json_put_member(&o, "error_measured_at", json_integer(error_side));
    json_put_member(&o, "fma_peak_gflops_per_worker",
                    peak > 0 ? json_real(peak / 1e9) : json_null());
    json_put_member(&o, "seconds_per_image", json_real(median / images));
    json_put_member(&o, "seconds_per_image_best", json_real(times->seconds[0] / images));
    bench_set_rate(&o, "images_per_second", images, times);
    json_put_member(&o, "gflops", json_real(flops * images / median / 1e9));
    json_put_member(&o, "share_of_peak",
                    share(flops * images / median, peak * e->n_workers));
    json_put_member(&o, "layers", describe_layers(e, peak));
    return o;
}

static json_t *measure(struct bench *b, const struct vae *vae)
{
    struct network_bench e = {0};
    struct bench_times times;
    json_t *o = NULL;
    int rc = set_up(&e, b, vae);

    if (rc == 0)
        rc = bench_repeat(b, run, &e, &times);
    if (rc == 0)
        o = describe(&e, b, vae, &times);
    else
        bench_fail("%s at %d x %d: %s", vae_info(vae)->path, (int)b->options.image.size,
                   (int)b->options.image.size,
                   bench_half_why(e.workers ? e.workers[0].half : NULL));
    tear_down(&e);
    return o;
}

json_t *bench_encoder(struct bench *b)
{
    json_t *o = measure(b, b->vae);

    if (o)
        b->encoder_rate = json_real_value(json_object_get(o, "images_per_second"));
    return o;
}

json_t *bench_decoder(struct bench *b)
{
    struct vae *vae;
    json_t *o = NULL;

    if (b->only)
        return measure(b, b->vae);
    if (bench_open_vae(b, VAE_DECODER, NULL, &vae) == 0) {
        o = measure(b, vae);
    } else {
        print_to_stderr("the decoder is left out: %s", vae_why(vae));
        o = json_null();
    }
    vae_close(vae);
    return o;
}
