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

static int load_failed(const struct encoding *e, int rc)
{
    if (rc != VAE_ENOMEM && rc != VAE_EIO)
        return usage_error("%s", e->encoder->load_why(e->model));
    print_to_stderr("error: %s", e->encoder->load_why(e->model));
    return EXIT_FAILED;
}

/* Starts the processes that it works in. */
static int start_children(struct encoding *e, struct shared_memory *memory)
{
    const struct encoder_request *r = e->request;

    e->of_children = (struct child_group_options){
        .label = r->label,
        .scheme = r->scheme,
        .rest = r->rest ? r->rest : "builtin",
        .args = r->process.args,
        .processes = r->process.processes,
        .devices = r->process.devices,
        .hearer = r->process.hearer,
        .timeout_s = r->process.timeout,
        .restarts = r->process.restarts,
        .width = e->rendition.target_width,
        .height = e->rendition.target_height,
        .dtype = latent_dtype_names[r->latent.dtype],
        .moments = moments_names[r->latent.moments],
        .memory = shared_memory_open(memory) ? memory->fd : 0};
    e->children = calloc(1, sizeof(*e->children));
    if (!e->children)
        return print_out_of_memory();
    return child_group_open(e->children, &e->of_children);
}

static int load(struct encoding *e, const struct encoding *same, const char *isa)
{
    const struct encoder_request *r = e->request;
    const struct encoder_options options = {.scale = r->latent.scale, .isa = isa};
    int rc = 0;

    if (same) {
        e->model = same->model;
        e->borrowed = true;
        return 0;
    }
    if (strcmp(r->scheme, "vae") == 0 && r->rest)
        rc = model_check_vae(r->rest);
    if (rc != 0)
        return rc;
    rc = e->encoder->load(&e->model, r->rest, &options);
    return rc == VAE_OK ? 0 : load_failed(e, rc);
}

/* Fills `about`: by the scheme, an encoder of this process, whose model it loads. What
 * works in another stage leaves `encoder` NULL, and says the same of itself. */
static int choose(struct encoding *e, const struct encoding *same, const char *isa,
                  struct shared_memory *memory)
{
    const struct encoder_request *r = e->request;
    const bool labelled = strcmp(r->label, r->scheme) != 0;
    char schemes[100];
    int rc;

    if (child_group_has(r->scheme))
        return start_children(e, memory);
    child_group_schemes(schemes, sizeof(schemes));
    e->encoder = encoder_find(r->scheme);
    if (!e->encoder)
        return usage_error("--encoder %s%s%s:%s: there is no such scheme; there are vae, "
                           "pixels, %s",
                           labelled ? r->label : "", labelled ? "=" : "", r->scheme,
                           r->rest ? r->rest : "builtin", schemes);
    rc = load(e, same, isa);
    if (rc == 0)
        e->encoder->describe(e->model, (int)e->rendition.target_width,
                             (int)e->rendition.target_height, &e->about);
    return rc;
}

static bool has_logvar(const struct encoder_description *about)
{
    for (size_t i = 0; i < about->n_tensors; i++)
        if (about->tensors[i].logvar)
            return true;
    return false;
}

/* Options that were given for this encoder by its label must have something to say of it;
 * those for all concern encoders that have what they are about. */
static int check_latent(const struct encoding *e)
{
    const struct encoder_request *r = e->request;
    static const char *const of_latents[] = {"scale", "moments"};
    const bool latents = encoder_has_latents(&e->about);

    if (e->children && encoder_request_is_named(r, "scale"))
        return usage_error("--scale %s=...: it works in processes of its own, which say "
                           "their scale themselves",
                           r->label);
    for (size_t i = 0; i < 2 && !latents; i++)
        if (encoder_request_is_named(r, of_latents[i]))
            return usage_error("--%s %s=...: %s makes no latents", of_latents[i],
                               r->label, e->about.family);
    if (!encoder_has_floats(&e->about) && encoder_request_is_named(r, "latent"))
        return usage_error("--latent %s=...: %s makes no floats", r->label,
                           e->about.family);
    if (latents && r->latent.moments == MOMENTS_MEAN_LOGVAR && !has_logvar(&e->about))
        return usage_error(
            "--moments mean+logvar: %s has no posterior, only a latent%s%s",
            e->about.family, strcmp(r->label, "vae") == 0 ? "" : "; the encoder is ",
            strcmp(r->label, "vae") == 0 ? "" : r->label);
    return 0;
}

static int check(const struct encoding *e)
{
    const struct encoder_description *about = &e->about;
    const struct shard_rendition *r = &e->rendition;

    if (r->target_width % (uint32_t)about->multiple != 0 ||
        r->target_height % (uint32_t)about->multiple != 0)
        return usage_error("--size %u: must be a multiple of %d for the encoder %s",
                           r->target_width, about->multiple, e->label);
    if (about->replaced_scale != 0)
        print_to_stderr(
            "warning: --scale %g is recorded, though config.json says %g: the "
            "trainer's latents will be scaled by it",
            e->request->latent.scale, about->replaced_scale);
    return check_latent(e);
}

static uint32_t stored_dtype(const struct encoder_tensor *t, enum latent_dtype dtype,
                             uint32_t codebook)
{
    static const uint32_t floats[] = {SHARD_FP16, SHARD_BF16, SHARD_FP32};

    if (t->element == ENCODER_FP32)
        return floats[dtype];
    if (t->element == ENCODER_FILE)
        return SHARD_FILE;
    return codebook > 0 && codebook <= UINT16_MAX + 1 ? SHARD_U16 : SHARD_U32;
}

static const uint32_t stored_kind[] = {[ENCODER_LATENT] = SHARD_LATENT,
                                       [ENCODER_CODES] = SHARD_CODES,
                                       [ENCODER_FEATURES] = SHARD_FEATURES,
                                       [ENCODER_PIXELS] = SHARD_PIXELS};

static struct stored_tensor store_as(const struct encoding *e, size_t from)
{
    const struct encoder_tensor *t = &e->about.tensors[from];
    const uint32_t dtype = stored_dtype(t, e->request->latent.dtype, e->about.codebook);
    const size_t n = t->element == ENCODER_FILE ? 0 : encoder_tensor_values(t);

    return (struct stored_tensor){.from = from,
                                  .kind = stored_kind[t->kind],
                                  .slot = t->output << SHARD_SLOT_OUTPUT_SHIFT |
                                          (t->logvar ? SHARD_SLOT_LOGVAR : 0),
                                  .dtype = dtype,
                                  .n_values = n,
                                  .n_bytes = n * shard_dtype_width(dtype),
                                  .codebook =
                                      t->kind == ENCODER_CODES ? e->about.codebook : 0};
}

static void choose_tensors(struct encoding *e)
{
    const struct latent_options *o = &e->request->latent;

    e->dtype = encoder_has_floats(&e->about) ? latent_dtype_names[o->dtype] : NULL;
    e->moments = encoder_has_latents(&e->about) ? moments_names[o->moments] : NULL;
    for (size_t i = 0; i < e->about.n_tensors; i++) {
        const struct encoder_tensor *t = &e->about.tensors[i];

        if (t->logvar && o->moments == MOMENTS_MEAN)
            continue;
        e->tensors[e->n_tensors] = store_as(e, i);
        e->n_bytes += e->tensors[e->n_tensors++].n_bytes;
        if (t->element == ENCODER_FILE)
            e->n_file_bytes += (size_t)t->dims[0] * t->dims[1] * t->dims[2];
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

/* Its features as the header has them. Returns 0, or -1: no memory. */
static int derive_features(struct encoding *e)
{
    const size_t n = e->about.n_features;

    e->features = calloc(n + 1, sizeof(*e->features));
    if (!e->features)
        return -1;
    e->n_features = n;
    for (size_t i = 0; i < n; i++) {
        const struct encoder_features *f = &e->about.features[i];

        e->features[i] = (struct shard_features){
            .what = f->what, .n_dims = f->n_dims, .mean = f->mean, .std = f->std};
        memcpy(e->features[i].dims, f->dims, sizeof(f->dims));
    }
    return 0;
}

_Static_assert((int)ENCODER_MAX_DIMS == (int)SHARD_MAX_DIMS, "dims are copied");

/* Makes what headers and the configuration say of it besides. Returns 0, or -1: no
 * memory. */
static int derive_texts(struct encoding *e)
{
    const struct shard_rendition *r = &e->rendition;
    const struct image_options *image = &e->request->image;
    const struct latent_options *o = &e->request->latent;
    json_t *libraries = manifest_pixel_libraries();
    int rc = libraries ? encode_hash(&e->about, r, image, o, libraries, e->encode) : -1;

    json_decref(libraries);
    if (asprintf(&e->geometry, "{\"fit\":\"%s\",\"resize\":\"%s\",\"size\":[%u,%u]}",
                 shard_fit_name(r->fit), resize_names[image->resize], r->target_width,
                 r->target_height) < 0) {
        e->geometry = NULL;
        rc = -1;
    }
    return input_of(e, &e->about) == 0 && derive_features(e) == 0 ? rc : -1;
}

/* The whole target is filled with what is cropped of the image's middle. */
static struct shard_rendition crop_to(uint32_t size)
{
    return (struct shard_rendition){.fit = SHARD_CROP,
                                    .target_width = size,
                                    .target_height = size,
                                    .content = {0, 0, size, size}};
}

/* By what it says of itself in `about`. */
static int complete(struct encoding *e)
{
    const int rc = check(e);

    if (rc != 0)
        return rc;
    choose_tensors(e);
    e->id_offset = e->about.id_offset;
    return derive_texts(e) == 0 ? 0 : print_out_of_memory();
}

int encoding_open(struct encoding *e, const struct encoder_request *request,
                  const struct encoding *same, const char *isa,
                  struct shared_memory *memory)
{
    int rc;

    *e = (struct encoding){.label = request->label,
                           .request = request,
                           .rendition = crop_to((uint32_t)request->image.size),
                           .filter = request->image.resize};
    rc = choose(e, same, isa, memory);
    return rc != 0 || e->children ? rc : complete(e);
}

int encoding_greet(struct encoding *e)
{
    int rc;

    if (!e->children)
        return 0;
    rc = child_group_greet(e->children);
    if (rc != 0)
        return rc;
    child_group_describe(e->children, &e->about);
    return complete(e);
}

struct shard_encoder encoding_header(const struct encoding *e)
{
    const struct encoder_description *about = &e->about;

    return (struct shard_encoder){
        .name = e->label,
        .kind = shard_kind_name(e->tensors[0].kind),
        .of = about->input == ENCODER_OF_TEXT ? "text" : "image",
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
        .n_outputs = about->n_outputs,
        .outputs = about->outputs,
        .n_scale = about->n_scale,
        .scale_window = about->scale_window > 0 ? about->scale_window : 1,
        .scale = about->scale,
        .shift = about->shift,
        .codebook = about->codebook,
        .id_offset = e->id_offset,
        .n_id_map = about->n_id_map,
        .id_map = about->id_map,
        .n_features = e->n_features,
        .features = e->features,
        .codec = about->codec,
        .quality = about->quality};
}

void encoding_close(struct encoding *e)
{
    if (e->encoder && !e->borrowed)
        e->encoder->unload(e->model);
    if (e->children)
        child_group_close(e->children);
    free(e->children);
    free(e->features);
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

static size_t count_beyond(const uint32_t *codes, size_t n, uint32_t codebook)
{
    size_t bad = 0;

    for (size_t i = 0; codebook > 0 && i < n; i++)
        bad += codes[i] >= codebook;
    return bad;
}

/* What is below the codebook fits. */
static void store_u16(const uint32_t *codes, uint16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint16_t)codes[i];
}

size_t encoding_store(const struct stored_tensor *t, const void *values, void *out)
{
    switch (t->dtype) {
    case SHARD_FP16:
        return shard_fp32_to_fp16(values, out, t->n_values);
    case SHARD_BF16:
        return shard_fp32_to_bf16(values, out, t->n_values);
    case SHARD_FP32:
        memcpy(out, values, t->n_bytes);
        return count_not_finite(values, t->n_values);
    case SHARD_U16:
        store_u16(values, out, t->n_values);
        return count_beyond(values, t->n_values, t->codebook);
    default:
        memcpy(out, values, t->n_bytes);
        return count_beyond(values, t->n_values, t->codebook);
    }
}
