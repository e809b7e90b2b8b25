/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare.h - what one `latentmill prepare` was asked to do. */
#ifndef TOOLS_PREPARE_H
#define TOOLS_PREPARE_H

#include <stdbool.h>
#include <stdint.h>

enum latent_dtype { LATENT_FP16, LATENT_BF16, LATENT_FP32 };
enum { PREPARE_DEFAULT_BATCH = 4 };

enum moments { MOMENTS_MEAN, MOMENTS_MEAN_LOGVAR };

/* Their names on the command line and in files, in the enums' order, NULL-terminated. */
extern const char *const resize_names[];
extern const char *const icc_mode_names[];
extern const char *const latent_dtype_names[];
extern const char *const moments_names[];

/* The command line, defaults filled in. Strings are argv's. */
struct prepare_options {
    const char *out;

    /* encode: what the tensors' bits depend on */
    int64_t size;
    int resize;         /* enum resize_filter */
    int icc;            /* enum icc_mode */
    int64_t jpeg_scale; /* 0: in full */
    const char *vae;
    double scale; /* NAN: the model's own */
    int latent;   /* enum latent_dtype */
    int moments;  /* enum moments */

    /* text */
    const char *tokenizer; /* "builtin", "none" or a file; NULL: builtin */
    const char *boi, *eoi; /* NULL: the ids behind the last piece */
    int64_t seed;          /* not negative */
    double caption_first;
    int64_t patch;

    /* select: what gets in */
    const char *image_field;
    const char *text_field, *id_field; /* of documents */
    int64_t max_doc_bytes;
    int input_format; /* 0: by suffix; else 1 + position in `readers` */
    const char *name;
    int64_t name_depth;
    int64_t min_size;
    int truncated; /* 0 reject, 1 keep */
    int metadata;  /* 0 keep, 1 none */
    int64_t max_metadata;
    int64_t max_member;
    int64_t decode_mem;
    double max_reject_rate;
    int64_t limit; /* 0: none */

    /* not in the configuration: they alter no record */
    int64_t workers; /* 0: what the machine allows */
    int64_t batch;
    const char *log;
    bool redo;
    bool retry_failed;
    bool same_input;   /* where it cannot be compared with an earlier run's */
    bool check_inputs; /* compare all of it */
    int damaged;       /* 0 fail, 1 keep */
    int64_t grace;     /* seconds that units in hand may take after a signal */
    bool quiet;
};

#endif
