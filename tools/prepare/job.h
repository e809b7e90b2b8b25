/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/job.h - what the stages of one run of the conveyor share.
 *
 * Read-only while the conveyor runs, but for the units (unit.h says who writes what), the
 * number of the next one, counters, flags, budgets, and what `lock` guards. */
#ifndef TOOLS_PREPARE_JOB_H
#define TOOLS_PREPARE_JOB_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include "ingest/readers.h"
#include "ingest/reject.h"
#include "shard/header.h"
#include "shard/tokenizer/tokenizer.h"
#include "tools/run/budget.h"
#include "tools/run/encoding.h"
#include "tools/run/input.h"
#include "tools/cli/run_options.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/select_options.h"
#include "tools/cli/text_options.h"

/* Filled by the stages, read by the reports at any time. */
struct counters {
    atomic_uint_fast64_t bytes_read;
    atomic_uint_fast64_t groups; /* read so far */
    atomic_uint_fast64_t samples, withheld, upscaled;
    atomic_uint_fast64_t rejects[N_REJECT_REASONS];
    atomic_uint_fast64_t skipped[N_SKIP_KINDS]; /* members of archives */
    atomic_uint_fast64_t decoded, encoded;      /* images */
    atomic_uint_fast64_t parsed, done; /* samples: by parse(), out of the encoders */
    atomic_uint_fast64_t tokens;
    /* within the encode stage: */
    atomic_uint_fast64_t decode_ns, parse_ns, tokenize_ns;
    atomic_uint_fast64_t encode_ns[ENCODERS_MAX]; /* of each encoder */
    atomic_uint_fast64_t shard_bytes;
    atomic_uint_fast64_t units_done, units_bad, units_failed;
};

/* What units share. Name and part of the header are set per unit. */
struct job_description {
    struct shard_header header; /* owns its `config` */
    json_t *config;
};

struct unit;

struct job {
    const struct run_options *options;
    const struct image_options *image;
    const struct text_options *text;
    const struct select_options *select;
    struct reader_options reading; /* of them, what readers want to know */
    int n_workers;

    const char *isa;                  /* NULL: the best */
    const struct encoding *encodings; /* in the order of the header's encoders */
    size_t n_encodings;               /* ENCODERS_MAX at most; 0: no input has images */
    bool has_devices;             /* some of them are at work in stages of their own */
    struct shared_memory *memory; /* that they may read pixels from */
    struct tokenizer *tokenizer;  /* NULL: --tokenizer none */
    struct sample_room room;      /* for what is made of one image */
    /* of units whose samples may have images, and of others, which have no encoder: */
    struct job_description with_images, without_images;

    struct unit *units; /* those to be done, in the order given */
    size_t n_units;
    atomic_size_t next_unit;

    struct budget decode_mem; /* of decoders and tokenizers */
    struct budget read_bytes; /* encoded images, and texts not yet written */
    int cancel_fd;            /* becomes readable when the run is to stop */
    atomic_bool stopping;     /* the same, for those who ask often */
    atomic_bool draining;     /* no unit is to be begun any more */
    struct counters count;
    atomic_bool progress_shown; /* the terminal's cursor stands behind a progress line */

    FILE *log;              /* --log, or NULL */
    json_t *unlogged;       /* events of before it is open; NULL: none */
    atomic_bool log_failed; /* a line of it was lost */
    pthread_mutex_t lock;   /* guards: */
    char why[800];          /* the first error that ends the run */
};

/* Makes ready what waits and is counted; the rest is the caller's to fill in. Returns 0,
 * or -1 with errno. Release with job_free() in either case. */
int job_init(struct job *job, uint64_t decode_mem);
void job_free(struct job *job);

const struct job_description *job_description_of(const struct job *job,
                                                 const struct input *in);

/* Keeps the first error's words; returns -1, for a stage to return. */
__attribute__((format(printf, 2, 3))) int job_fail(struct job *job, const char *fmt, ...);

/* Wakes whoever waits for an input or for a budget, for good. */
void job_end_waits(struct job *job);

/* The stages, for the pipeline's table; `shared` is the job, or what is given. One of
 * devices for each encoder that works in processes of its own: device.h. */
struct device_stage;
struct pipe_stage read_stage(struct job *job);
struct pipe_stage encode_stage(struct job *job);
struct pipe_stage device_stage(struct device_stage *stage);
struct pipe_stage write_stage(struct job *job);

#endif
