/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/latent_options.h - what is stored of an encoder's latents. */
#ifndef TOOLS_CLI_LATENT_OPTIONS_H
#define TOOLS_CLI_LATENT_OPTIONS_H

#include "tools/cli/options.h"

enum latent_dtype { LATENT_FP16, LATENT_BF16, LATENT_FP32 };
enum moments { MOMENTS_MEAN, MOMENTS_MEAN_LOGVAR };

/* Their names on the command line and in files, in the enums' order, NULL-terminated. */
extern const char *const latent_dtype_names[];
extern const char *const moments_names[];

struct latent_options {
    double scale; /* NAN: the model's own */
    enum latent_dtype dtype;
    enum moments moments;
};

struct latent_options latent_options_default(void);

/* Fills the list with the options that write to *o. */
enum { N_LATENT_OPTIONS = 3 };
void latent_options_list(struct latent_options *o, struct option list[N_LATENT_OPTIONS]);

/* What the table cannot say. Returns OPTIONS_OK, or OPTIONS_WRONG after explaining. */
int latent_options_check(const struct latent_options *o);

#endif
