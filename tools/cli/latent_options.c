/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/latent_options.h"

#include <math.h>
#include <string.h>

const char *const latent_dtype_names[] = {"fp16", "bf16", "fp32", NULL};
const char *const moments_names[] = {"mean", "mean+logvar", NULL};

struct latent_options latent_options_default(void)
{
    return (struct latent_options){.scale = NAN};
}

void latent_options_list(struct latent_options *o, struct option list[N_LATENT_OPTIONS])
{
    const struct option options[] = {
        {"scale", OPTION_REAL, &o->scale, "X",
         "the latents' scale, where no config.json says it", NULL, 0, 1000000},
        {"latent", OPTION_CHOICE, OPTION_ENUM(o->dtype), NULL,
         "stored type of floats (fp16)", latent_dtype_names, 0, 0},
        {"moments", OPTION_CHOICE, OPTION_ENUM(o->moments), NULL,
         "of a latent's posterior (mean)", moments_names, 0, 0},
    };

    _Static_assert(sizeof(options) == N_LATENT_OPTIONS * sizeof(*options), "its number");
    memcpy(list, options, sizeof(options));
}

int latent_options_check(const struct latent_options *o)
{
    if (o->scale != 0)
        return OPTIONS_OK;
    usage_error("--scale 0: must be above 0");
    return OPTIONS_WRONG;
}
