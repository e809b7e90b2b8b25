/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_section.h - what the sections of `latentmill bench` share.
 *
 * A section measures and returns a JSON object, which is printed as it is (--json) or as
 * text by bench_text.c; a field's name holds its unit. Every figure follows one rule: a
 * fixed work is done once to warm up and then --repeats times; the median is given, and
 * the fastest run beside it. A section returns NULL after explaining on stderr. */
#ifndef TOOLS_BENCH_BENCH_SECTION_H
#define TOOLS_BENCH_BENCH_SECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "ingest/image/decode.h"
#include "ingest/ingest_sample.h"
#include "tools/cli/text_options.h"
#include "tools/run/input_list.h"
#include "tools/run/models.h"
#include "vae_encode/vae.h"

enum { BENCH_MAX_REPEATS = 1000 };

struct bench_options {
    const char *vae; /* NULL: builtin; or "random-sd" */
    struct tokenizer_choice tokenizer;
    int64_t workers, batch, repeats;
    int64_t limit;              /* pairs taken of each input; 0: all */
    struct image_options image; /* of which it has the options of pixels */
    bool json;
};

/* The good samples of one input. */
struct bench_tar {
    struct ingest_sample *samples;
    size_t n;
};

struct bench_section;

struct bench {
    struct bench_options options;     /* vae: NULL for builtin */
    const struct bench_section *only; /* NULL: all */
    struct input_list inputs;
    char *const *text_files; /* of `bench tokenizer`, instead of inputs; n_text_files */
    size_t n_text_files;
    struct bench_tar *tars; /* inputs.n of them once bench_load_tars() has read them */
    char random_vae[2][32]; /* paths of the random encoder and decoder, once made */
    double vae_scale;       /* NAN: the model's own */
    struct models models;
    struct vae *vae;     /* NULL: not measured */
    double encoder_rate; /* images a second of all workers; 0: not measured */
};

json_t *bench_encoder(struct bench *b);
json_t *bench_decoder(struct bench *b);
json_t *bench_images(struct bench *b);
json_t *bench_tokenizer(struct bench *b);
json_t *bench_shard(struct bench *b);
json_t *bench_prepare(struct bench *b);

/* Explains on stderr, unless a signal is the reason, and returns NULL, for a section to
 * return. */
__attribute__((format(printf, 1, 2))) json_t *bench_fail(const char *fmt, ...);

/* From here on SIGINT, SIGTERM and SIGUSR1 make bench_stopped() true, and SIGPIPE and
 * SIGXFSZ are ignored. Whatever takes long asks bench_stopped() and returns as failed. */
void bench_stop_on_signals(void);
bool bench_stopped(void);

/* The process that a signal kills; 0: none. */
void bench_set_child(pid_t pid);

/* -- what is measured -- */

/* What stands for --vae: its path; NULL for the embedded one. The file of random-sd is
 * made at the first call. Returns 0, or -1 explained. */
int bench_vae_path(struct bench *b, enum vae_part part, const char **path);

/* Opens --vae; `backend` as in struct vae_options. Gives *vae like vae_open(), and its
 * status. */
int bench_open_vae(struct bench *b, enum vae_part part, const char *backend,
                   struct vae **vae);

/* Gives a file in memory with the tensors of half of Stable Diffusion's VAE, 8 latent
 * channels, and pseudo-random weights. Returns its descriptor, or -1. */
int bench_random_vae(enum vae_part part);

/* Reads the pairs of all inputs into memory, once. Returns 0, or -1 explained. */
int bench_load_tars(struct bench *b);

/* A folder below TMPDIR. Gives its path, or NULL explained; the second removes the folder
 * with what is in it, and frees the path. */
char *bench_make_folder(void);
void bench_remove_folder(char *path);

/* splitmix64: the same material on every machine. */
uint64_t bench_random(uint64_t *seed);
/* Nearly: mean 0, deviation 1, at most 6. */
float bench_gaussian(uint64_t *seed);

/* -- how it is timed -- */

struct bench_times {
    int n;
    double seconds[BENCH_MAX_REPEATS];
};

/* Fills *times after one run to warm up. run() returns 0, or another number, which ends
 * it and is returned. */
int bench_repeat(const struct bench *b, int (*run)(void *ctx), void *ctx,
                 struct bench_times *times);

/* Runs work(ctx, i) for i from 0 to n - 1 on n threads that start together. Returns the
 * seconds until the last has ended, or -1 where a thread could not start. */
double bench_parallel(int n, void (*work)(void *ctx, int i), void *ctx);

/* Multiply-adds a second of one of `workers` threads that run at once, each counted as
 * two operations; 0 where this instruction set's peak is not known. */
double bench_fma_peak(const char *isa, int workers);

/* Sorts values[0..n). */
double bench_median(double *values, int n);

/* Sets `name` to amount / the median of *times, and `name`_best to that of the fastest.
 */
void bench_set_rate(json_t **o, const char *name, double amount,
                    struct bench_times *times);

/* -- how it is printed -- */

/* On stdout, at once; print_finish() looks at what that lost. */
void bench_print_text(const char *heading, json_t *section);

#endif
