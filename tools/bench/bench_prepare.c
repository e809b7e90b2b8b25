/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_prepare.c - end to end: `prepare` as a process of its own, once over
 * the inputs, into a folder that is removed again. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tools/bench/bench_section.h"
#include "tools/run/clock.h"
#include "tools/cli/image_options.h"
#include "tools/store/json_text.h"

extern char **environ;

enum { MAX_OPTIONS = 40, NUMBER_CAP = 24 };

struct prepare_run {
    char *out, *log; /* in the folder */
    char **argv;
    char size[NUMBER_CAP], workers[NUMBER_CAP], batch[NUMBER_CAP], limit[NUMBER_CAP],
        jpeg_scale[NUMBER_CAP];
    double seconds;
    struct rusage usage;
    /* What the log says: samples, and seconds without opening the models. */
    double n_samples, conveyor_seconds;
};

static char *number(char text[NUMBER_CAP], int64_t value)
{
    snprintf(text, NUMBER_CAP, "%lld", (long long)value);
    return text;
}

static int fill_arguments(struct prepare_run *r, struct bench *b, const char *folder)
{
    const struct bench_options *o = &b->options;
    const char **a, *vae;
    size_t n = 0;

    if (bench_vae_path(b, VAE_ENCODER, &vae) != 0)
        return -1;
    r->argv = calloc(MAX_OPTIONS + 2 * o->tokenizer.named.n + b->inputs.n + 1,
                     sizeof(*r->argv));
    if (!r->argv || asprintf(&r->out, "%s/out", folder) < 0 ||
        asprintf(&r->log, "%s/log", folder) < 0)
        return -1;
    const char *const options[] = {
        "latentmill",
        "prepare",
        "--quiet",
        "--out",
        r->out,
        "--log",
        r->log,
        "--vae",
        vae ? vae : "builtin",
        "--tokenizer",
        o->tokenizer.path,
        "--special-tokens",
        special_tokens_names[o->tokenizer.special_tokens],
        "--size",
        number(r->size, o->image.size),
        "--workers",
        number(r->workers, o->workers),
        "--batch",
        number(r->batch, o->batch),
        "--resize",
        resize_names[o->image.resize],
        "--icc",
        icc_mode_names[o->image.icc],
        "--jpeg-scale",
        number(r->jpeg_scale, o->image.jpeg_scale),
    };
    a = (const char **)r->argv;
    for (; n < sizeof(options) / sizeof(*options); n++)
        a[n] = options[n];
    if (o->limit > 0) {
        a[n++] = "--limit";
        a[n++] = number(r->limit, o->limit);
    }
    if (o->tokenizer.pattern) {
        a[n++] = "--pattern";
        a[n++] = o->tokenizer.pattern;
    }
    for (size_t i = 0; i < o->tokenizer.named.n; i++) {
        a[n++] = "--special-token";
        a[n++] = o->tokenizer.named.values[i];
    }
    if (b->vae_scale > 0) {
        a[n++] = "--scale";
        a[n++] = "1";
    }
    a[n++] = "--";
    for (size_t i = 0; i < b->inputs.n; i++)
        a[n++] = b->inputs.inputs[i].text;
    return 0;
}

/* The log's last line tells of the end. Returns 0, or -1 explained. */
static int read_log(struct prepare_run *r)
{
    FILE *f = fopen(r->log, "re");
    char *line = NULL;
    size_t cap = 0;
    json_t *event = NULL;
    int rc = -1;

    while (f && getline(&line, &cap, f) > 0) {
        json_decref(event);
        event = json_loads(line, 0, NULL);
    }
    if (!f || ferror(f))
        bench_fail("prepare's log cannot be read: %s", strerror(errno));
    else if (!event || json_unpack(event, "{s:F, s:F}", "samples", &r->n_samples,
                                   "seconds", &r->conveyor_seconds) != 0)
        bench_fail("prepare's log does not tell how it ended");
    else if (r->n_samples == 0)
        bench_fail("prepare made no samples of the inputs");
    else
        rc = 0;
    json_decref(event);
    free(line);
    if (f)
        fclose(f);
    return rc;
}

static int execute(struct prepare_run *r)
{
    uint64_t start = clock_ns();
    pid_t pid;
    int status, rc = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, r->argv, environ);

    if (rc != 0) {
        bench_fail("prepare could not start: %s", strerror(rc));
        return -1;
    }
    bench_set_child(pid);
    while (wait4(pid, &status, 0, &r->usage) < 0 && errno == EINTR)
        continue;
    bench_set_child(0);
    r->seconds = (double)(clock_ns() - start) / 1e9;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_fail("prepare ended with status %d",
                   WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    else
        return read_log(r);
    return -1;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static json_t *describe(const struct prepare_run *r, const struct bench *b)
{
    double rate = r->n_samples / r->conveyor_seconds;
    json_t *o = json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "inputs",
                          (json_int_t)b->inputs.n, "samples", (json_int_t)r->n_samples,
                          "workers", (json_int_t)b->options.workers, "batch",
                          (json_int_t)b->options.batch, "seconds", r->seconds,
                          "seconds_to_start", r->seconds - r->conveyor_seconds,
                          "images_per_second", r->n_samples / r->seconds,
                          "images_per_second_once_started", rate, "cpu_seconds",
                          seconds_of(r->usage.ru_utime) + seconds_of(r->usage.ru_stime),
                          "peak_memory_mib", (double)r->usage.ru_maxrss / 1024);

    if (b->encoder_rate > 0)
        json_put_member(&o, "share_of_encoder", json_real(rate / b->encoder_rate));
    return o;
}

json_t *bench_prepare(struct bench *b)
{
    struct prepare_run r = {0};
    char *folder = bench_make_folder();
    json_t *o = NULL;

    if (!folder)
        return NULL;
    if (fill_arguments(&r, b, folder) != 0)
        bench_fail("out of memory");
    else if (execute(&r) == 0)
        o = describe(&r, b);
    free(r.argv);
    free(r.out);
    free(r.log);
    bench_remove_folder(folder);
    return o;
}
