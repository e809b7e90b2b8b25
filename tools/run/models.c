/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/models.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/options.h"
#include "vae_encode/vae.h"

/* Readers make patches of whole windows of a latent. */
static int check_patch(const struct encoding *e, int64_t patch)
{
    const int64_t w = (int64_t)e->rendition.target_width / e->about.multiple;
    const int64_t h = (int64_t)e->rendition.target_height / e->about.multiple;

    if (!encoder_has_latents(&e->about) || (w % patch == 0 && h % patch == 0))
        return 0;
    return usage_error("--patch %lld: does not divide the latent grid of %lld x %lld",
                       (long long)patch, (long long)w, (long long)h);
}

int models_open_encoders(struct models *m, const struct image_options *image,
                         const struct latent_options *latent,
                         const struct text_options *text)
{
    struct encoding *e = &m->encodings[m->n_encodings];
    int rc;

    assert(m->n_encodings < MODELS_MAX_ENCODINGS);
    rc = encoding_open(e, image, latent, m->isa);
    if (rc == 0)
        m->headers[m->n_encodings] = encoding_header(e);
    m->n_encodings++;
    return rc == 0 ? check_patch(e, text->patch) : rc;
}

bool models_have_demo_encoder(const struct models *m)
{
    for (size_t i = 0; i < m->n_encodings; i++)
        if (m->encodings[i].about.demo)
            return true;
    return false;
}

/* LATENTMILL_ISA, the user's word on which instruction set is used. Gives *isa, NULL for
 * the best (the variable is unset or empty). Returns 0, or EXIT_USAGE after explaining on
 * stderr that the name is unknown, or that this machine lacks it. */
static int isa_from_environment(const char **isa)
{
    static const char *const names[] = {"portable", "avx2", "avx512"};
    const char *name = getenv("LATENTMILL_ISA");

    *isa = name && *name ? name : NULL;
    if (!*isa || vae_has_isa(name))
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return usage_error("LATENTMILL_ISA=%s: this machine has no %s", name, name);
    return usage_error("LATENTMILL_ISA=%s: is none of portable, avx2, avx512", name);
}

int models_open(struct models *m, const struct text_options *text)
{
    int rc;

    *m = (struct models){0};
    rc = isa_from_environment(&m->isa);
    return rc == 0 ? tokenization_open(&m->text, text) : rc;
}

void models_close(struct models *m)
{
    tokenization_close(&m->text);
    for (size_t i = 0; i < m->n_encodings; i++)
        encoding_close(&m->encodings[i]);
}
