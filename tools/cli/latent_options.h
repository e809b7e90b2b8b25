/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/latent_options.h - what encodes images, and what is stored of it. */
#ifndef TOOLS_CLI_LATENT_OPTIONS_H
#define TOOLS_CLI_LATENT_OPTIONS_H

#include "tools/cli/options.h"

enum latent_dtype { LATENT_FP16, LATENT_BF16, LATENT_FP32 };
enum moments { MOMENTS_MEAN, MOMENTS_MEAN_LOGVAR };

/* Their names on the command line and in files, in the enums' order, NULL-terminated. */
extern const char *const latent_dtype_names[];
extern const char *const moments_names[];

struct latent_options {
    const char *vae; /* a path or "builtin"; NULL: builtin */
    double scale;    /* NAN: the model's own */
    enum latent_dtype dtype;
    enum moments moments;
};

struct latent_options latent_options_default(void);

/* Fills the list with the options that write to *o, under their heading. */
enum { N_LATENT_OPTIONS = 5 };
void latent_options_list(struct latent_options *o, struct option list[N_LATENT_OPTIONS]);

/* What the table cannot say. Returns OPTIONS_OK, or OPTIONS_WRONG after explaining. */
int latent_options_check(const struct latent_options *o);

#endif
