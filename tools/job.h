/* SPDX-License-Identifier: Apache-2.0
 * tools/job.h - what the stages of one `prepare` run share.
 *
 * Everything but the counters and what `lock` guards is read-only while the conveyor
 * runs. */
#ifndef TOOLS_JOB_H
#define TOOLS_JOB_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include "ingest/reject.h"
#include "ingest/skip.h"
#include "shard/header.h"
#include "shard/tokenizer.h"
#include "tools/budget.h"
#include "tools/input.h"
#include "tools/prepare.h"
#include "tools/unit.h"
#include "vae_encode/vae.h"

/* Filled by the stages, read by the reports at any time. */
struct counters {
    atomic_uint_fast64_t bytes_read;
    atomic_uint_fast64_t groups; /* read so far */
    atomic_uint_fast64_t samples, withheld, upscaled;
    atomic_uint_fast64_t rejects[N_REJECT_REASONS];
    atomic_uint_fast64_t skipped[N_SKIP_KINDS]; /* members of archives */
    atomic_uint_fast64_t decoded, encoded, documents, tokens;
    /* within the encode stage: */
    atomic_uint_fast64_t decode_ns, parse_ns, tokenize_ns, encode_ns;
    atomic_uint_fast64_t shard_bytes;
    atomic_uint_fast64_t units_done, units_bad, units_failed;
};

struct job {
    const struct prepare_options *options;
    int n_workers;

    struct vae *vae;             /* NULL: no input has images */
    struct tokenizer *tokenizer; /* NULL: --tokenizer none */
    /* What all units of a format share; name and part are set per unit. */
    struct shard_header header[N_INPUT_FORMATS];
    json_t *config[N_INPUT_FORMATS]; /* that of documents knows no VAE */
    size_t latent_values;            /* C*H*W of one tensor */
    size_t latent_bytes;             /* of all tensors of one sample, as stored */

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
    atomic_bool log_failed; /* a line of it was lost */
    pthread_mutex_t lock;   /* guards: */
    char why[800];          /* the first error that ends the run */
};

/* Keeps the first error's words; returns -1, for a stage to return. */
__attribute__((format(printf, 2, 3))) int job_fail(struct job *job, const char *fmt, ...);

/* The three stages, for the pipeline's table; `shared` is the job. */
struct pipe_stage read_stage(struct job *job);
struct pipe_stage encode_stage(struct job *job);
struct pipe_stage write_stage(struct job *job);

#endif
