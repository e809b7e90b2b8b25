/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/encoding.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/canonical_json.h"
#include "shard/float16.h"
#include "shard/parts.h"
#include "shard/record.h"
#include "tools/run/encode_hash.h"
#include "tools/cli/exit_code.h"
#include "tools/store/manifest.h"
#include "tools/run/model_advice.h"
#include "tools/cli/print.h"
#include "vae_encode/status.h"

static int out_of_memory(void)
{
    print_to_stderr("error: out of memory");
    return EXIT_FAILED;
}

static int load(struct encoding *e, const struct latent_options *o, const char *isa)
{
    bool builtin = !o->vae || strcmp(o->vae, "builtin") == 0;
    const struct encoder_options options = {.scale = o->scale, .isa = isa};
    int rc = builtin ? 0 : model_check_vae(o->vae);

    if (rc != 0)
        return rc;
    e->encoder = encoder_find("vae");
    rc = e->encoder->load(&e->model, builtin ? NULL : o->vae, &options);
    if (rc == VAE_OK)
        return 0;
    if (rc != VAE_ENOMEM && rc != VAE_EIO)
        return usage_error("%s", e->encoder->load_why(e->model));
    print_to_stderr("error: %s", e->encoder->load_why(e->model));
    return EXIT_FAILED;
}

static bool has_logvar(const struct encoder_description *about)
{
    for (size_t i = 0; i < about->n_tensors; i++)
        if (about->tensors[i].logvar)
            return true;
    return false;
}

static int check(const struct encoding *e, const struct latent_options *o)
{
    const struct encoder_description *about = &e->about;
    const struct shard_rendition *r = &e->rendition;

    if (r->target_width % (uint32_t)about->multiple != 0 ||
        r->target_height % (uint32_t)about->multiple != 0)
        return usage_error("--size %u: must be a multiple of %d, the VAE's downscale",
                           r->target_width, about->multiple);
    if (o->moments == MOMENTS_MEAN_LOGVAR && !has_logvar(about))
        return usage_error("--moments mean+logvar: %s has no posterior, only a latent",
                           about->family);
    if (about->replaced_scale != 0)
        print_to_stderr(
            "warning: --scale %g is recorded, though config.json says %g: the "
            "trainer's latents will be scaled by it",
            o->scale, about->replaced_scale);
    return 0;
}

static uint32_t stored_dtype(enum encoder_element element, enum latent_dtype dtype)
{
    static const uint32_t floats[] = {SHARD_FP16, SHARD_BF16, SHARD_FP32};

    return element == ENCODER_U32 ? SHARD_U32 : floats[dtype];
}

static const uint32_t stored_kind[] = {[ENCODER_LATENT] = SHARD_LATENT,
                                       [ENCODER_CODES] = SHARD_CODES,
                                       [ENCODER_FEATURES] = SHARD_FEATURES};

static void choose_tensors(struct encoding *e, const struct latent_options *o)
{
    e->dtype = encoder_has_floats(&e->about) ? latent_dtype_names[o->dtype] : NULL;
    e->moments = encoder_has_latents(&e->about) ? moments_names[o->moments] : NULL;
    for (size_t i = 0; i < e->about.n_tensors; i++) {
        const struct encoder_tensor *t = &e->about.tensors[i];
        const uint32_t dtype = stored_dtype(t->element, o->dtype);
        const size_t n = encoder_tensor_values(t);
        const size_t width = shard_dtype_width(dtype);

        if (t->logvar && o->moments == MOMENTS_MEAN)
            continue;
        e->tensors[e->n_tensors++] =
            (struct stored_tensor){.from = i,
                                   .kind = stored_kind[t->kind],
                                   .slot = t->output << SHARD_SLOT_OUTPUT_SHIFT |
                                           (t->logvar ? SHARD_SLOT_LOGVAR : 0),
                                   .dtype = dtype,
                                   .n_values = n,
                                   .n_bytes = n * width};
        e->n_bytes += n * width;
    }
}

/* What becomes of pixels, and which sizes fit: the bits depend on the first alone. */
static int input_of(struct encoding *e, const struct encoder_description *about)
{
    json_t *input =
        about->pixels != NULL ? json_loads(about->pixels, 0, NULL) : json_object();

    if (json_object_set_new(input, "multiple", json_integer(about->multiple)) == 0)
        e->input = shard_json_canonical(input);
    json_decref(input);
    return e->input != NULL ? 0 : -1;
}

/* Makes what headers and the configuration say of it besides. Returns 0, or -1: no
 * memory. */
static int derive_texts(struct encoding *e, const struct image_options *image,
                        const struct latent_options *o)
{
    const struct shard_rendition *r = &e->rendition;
    json_t *libraries = manifest_pixel_libraries();
    int rc = libraries ? encode_hash(&e->about, r, image, o, libraries, e->encode) : -1;

    json_decref(libraries);
    if (asprintf(&e->geometry, "{\"fit\":\"%s\",\"resize\":\"%s\",\"size\":[%u,%u]}",
                 shard_fit_name(r->fit), resize_names[image->resize], r->target_width,
                 r->target_height) < 0) {
        e->geometry = NULL;
        rc = -1;
    }
    return input_of(e, &e->about) == 0 ? rc : -1;
}

/* The whole target is filled with what is cropped of the image's middle. */
static struct shard_rendition crop_to(uint32_t size)
{
    return (struct shard_rendition){.fit = SHARD_CROP,
                                    .target_width = size,
                                    .target_height = size,
                                    .content = {0, 0, size, size}};
}

int encoding_open(struct encoding *e, const struct image_options *image,
                  const struct latent_options *latent, const char *isa)
{
    int rc;

    *e = (struct encoding){.label = "vae", .rendition = crop_to((uint32_t)image->size)};
    rc = load(e, latent, isa);
    if (rc != 0)
        return rc;
    e->encoder->describe(e->model, (int)e->rendition.target_width,
                         (int)e->rendition.target_height, &e->about);
    rc = check(e, latent);
    if (rc != 0)
        return rc;
    choose_tensors(e, latent);
    return derive_texts(e, image, latent) == 0 ? 0 : out_of_memory();
}

struct shard_encoder encoding_header(const struct encoding *e)
{
    const struct encoder_description *about = &e->about;

    return (struct shard_encoder){.name = e->label,
                                  .kind = shard_kind_name(e->tensors[0].kind),
                                  .of =
                                      about->input == ENCODER_OF_TEXT ? "text" : "image",
                                  .family = about->family,
                                  .weights_sha256 = about->weights_sha256,
                                  .encode = e->encode,
                                  .config = about->config,
                                  .geometry = e->geometry,
                                  .input = e->input,
                                  .numerics = about->numerics,
                                  .reproducible = about->reproducible,
                                  .channels = about->channels,
                                  .downscale = about->downscale,
                                  .moments = e->moments,
                                  .n_scale = about->n_scale,
                                  .scale_window = 1,
                                  .scale = about->scale,
                                  .shift = about->shift};
}

void encoding_close(struct encoding *e)
{
    if (e->encoder)
        e->encoder->unload(e->model);
    free(e->geometry);
    free(e->input);
}

static size_t count_not_finite(const float *values, size_t n)
{
    size_t bad = 0;

    for (size_t i = 0; i < n; i++)
        bad += !isfinite(values[i]);
    return bad;
}

size_t encoding_store(const struct stored_tensor *t, const void *values, void *out)
{
    switch (t->dtype) {
    case SHARD_FP16:
        return shard_fp32_to_fp16(values, out, t->n_values);
    case SHARD_BF16:
        return shard_fp32_to_bf16(values, out, t->n_values);
    default:
        memcpy(out, values, t->n_bytes);
        return t->dtype == SHARD_FP32 ? count_not_finite(values, t->n_values) : 0;
    }
}
