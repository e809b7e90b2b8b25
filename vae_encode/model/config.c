/* SPDX-License-Identifier: Apache-2.0
 * Every read_*() takes a default for an absent or null key and fails on a wrong type; the
 * first failure sticks in struct config, so that the callers read as a list of keys. */
#include "vae_encode/model/config.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "vae_encode/status.h"

struct config {
    const json_t *root;
    const char *what;
    double given_scale; /* above 0: instead of scaling_factor */
    struct vae_why *why;
    int status;
};

static void refuse(struct config *c, const char *key, const char *expected)
{
    if (c->status == VAE_OK)
        c->status =
            vae_fail(c->why, VAE_EMODEL, "%s: %s must be %s", c->what, key, expected);
}

/* NULL: absent, or null as diffusers writes None. */
static const json_t *value_of(const struct config *c, const char *key)
{
    const json_t *value = json_object_get(c->root, key);

    return json_is_null(value) ? NULL : value;
}

static int to_int(struct config *c, const char *key, const json_t *value)
{
    json_int_t i = json_integer_value(value);

    if (json_is_integer(value) && i >= 0 && i <= INT_MAX)
        return (int)i;
    refuse(c, key, "a whole number");
    return 0;
}

static int read_int(struct config *c, const char *key, int otherwise)
{
    const json_t *value = value_of(c, key);

    return value ? to_int(c, key, value) : otherwise;
}

static bool read_bool(struct config *c, const char *key, bool otherwise)
{
    const json_t *value = value_of(c, key);

    if (!value)
        return otherwise;
    if (!json_is_boolean(value))
        refuse(c, key, "true or false");
    return json_is_true(value);
}

static double to_number(struct config *c, const char *key, const json_t *value)
{
    if (!json_is_number(value) || !isfinite(json_number_value(value)))
        refuse(c, key, "a number");
    return json_number_value(value);
}

static double read_number(struct config *c, const char *key, double otherwise)
{
    const json_t *value = value_of(c, key);

    return value ? to_number(c, key, value) : otherwise;
}

static void expect_word(struct config *c, const char *key, const char *wanted,
                        const char *otherwise)
{
    const json_t *value = value_of(c, key);
    const char *word = value ? json_string_value(value) : otherwise;

    if (!word || strcmp(word, wanted) != 0)
        refuse(c, key, wanted);
}

/* What a half of an AutoencoderKL calls its blocks, from the finest on or, a decoder,
 * from the coarsest on. */
static const struct {
    const char *key, *plain, *with_attention, *expected;
} block_types[] = {
    [VAE_ENCODER] = {"down_block_types", "DownEncoderBlock2D", "AttnDownEncoderBlock2D",
                     "a list of DownEncoderBlock2D or AttnDownEncoderBlock2D"},
    [VAE_DECODER] = {"up_block_types", "UpDecoderBlock2D", "AttnUpDecoderBlock2D",
                     "a list of UpDecoderBlock2D or AttnUpDecoderBlock2D"},
};

static void read_blocks(struct config *c, struct vae_network *net)
{
    const char *key = block_types[net->part].key;
    const char *plain = block_types[net->part].plain;
    const json_t *channels = value_of(c, "block_out_channels");
    const json_t *types = value_of(c, key);
    size_t n = json_array_size(channels);

    if (n < 1 || n > VAE_MAX_BLOCKS) {
        refuse(c, "block_out_channels", "a list of 1 to 8 numbers");
        return;
    }
    if (types && json_array_size(types) != n)
        refuse(c, key, "as long as block_out_channels");
    net->n_blocks = (int)n;
    for (size_t i = 0; i < n; i++) {
        size_t at = net->part == VAE_DECODER ? n - 1 - i : i;
        const char *type = types ? json_string_value(json_array_get(types, at)) : plain;
        net->block_channels[i] =
            to_int(c, "block_out_channels", json_array_get(channels, i));
        net->block_attention[i] =
            type && strcmp(type, block_types[net->part].with_attention) == 0;
        if (!net->block_attention[i] && (!type || strcmp(type, plain) != 0))
            refuse(c, key, block_types[net->part].expected);
    }
}

/* diffusers' training scripts: (z - mean) * scaling_factor / std where both lists are
 * there, else (z - shift_factor) * scaling_factor. */
static void read_scaling(struct config *c, const struct vae_network *net,
                         double otherwise, struct vae_scaling *scaling)
{
    const json_t *mean = value_of(c, "latents_mean");
    const json_t *std = value_of(c, "latents_std");
    double scale = read_number(c, "scaling_factor", otherwise);
    double shift = read_number(c, "shift_factor", 0);
    size_t n = (size_t)net->latent_channels;

    if (c->given_scale > 0) {
        if (value_of(c, "scaling_factor") && scale != c->given_scale)
            scaling->replaced = scale;
        scale = c->given_scale;
    }
    if (!(scale > 0))
        refuse(c, "scaling_factor", "above 0");
    scaling->n = 1;
    scaling->scale[0] = scale;
    scaling->shift[0] = shift;
    if (!mean && !std)
        return;
    if (json_array_size(mean) != n || json_array_size(std) != n ||
        n > VAE_MAX_LATENT_CHANNELS) {
        refuse(c, "latents_mean and latents_std", "two lists of latent_channels numbers");
        return;
    }
    if (shift != 0)
        refuse(c, "shift_factor", "null beside latents_mean");
    scaling->n = net->latent_channels;
    for (size_t i = 0; i < n; i++) {
        double deviation = to_number(c, "latents_std", json_array_get(std, i));
        scaling->scale[i] = scale / deviation;
        scaling->shift[i] = to_number(c, "latents_mean", json_array_get(mean, i));
        if (!(deviation > 0) || !isfinite(scaling->scale[i]))
            refuse(c, "latents_std", "above 0");
    }
}

static void read_kl(struct config *c, struct vae_network *net)
{
    net->family = VAE_FAMILY_KL;
    expect_word(c, "act_fn", "silu", "silu");
    read_blocks(c, net);
    net->latent_channels = read_int(c, "latent_channels", 4);
    net->layers_per_block = read_int(c, "layers_per_block", 1);
    net->norm_groups = read_int(c, "norm_num_groups", 32);
    net->mid_attention = read_bool(c, "mid_block_add_attention", true);
    net->quant_conv = read_bool(
        c, net->part == VAE_DECODER ? "use_post_quant_conv" : "use_quant_conv", true);
    if (net->latent_channels > VAE_MAX_LATENT_CHANNELS)
        refuse(c, "latent_channels", "at most 128");
    else if (net->part == VAE_DECODER)
        net->z_channels = net->latent_channels;
    else
        net->moment_channels = 2 * net->latent_channels;
}

static void read_taesd(struct config *c, struct vae_network *net)
{
    net->family = VAE_FAMILY_TAESD;
    expect_word(c, "act_fn", "relu", "relu");
    net->latent_channels = read_int(c, "latent_channels", 4);
    if (net->latent_channels < 1)
        refuse(c, "latent_channels", "above 0");
    if (net->part == VAE_ENCODER)
        return;
    expect_word(c, "upsample_fn", "nearest", "nearest");
    if (read_int(c, "upsampling_scaling_factor", 2) != 2)
        refuse(c, "upsampling_scaling_factor", "2");
}

int vae_config_parse(const char *text, size_t len, const char *what, double scale,
                     struct vae_network *net, struct vae_scaling *scaling,
                     struct vae_why *why)
{
    json_error_t error;
    errno = 0;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    const bool no_memory = !root && errno == ENOMEM; /* jansson may say otherwise */
    const char *kind = json_string_value(json_object_get(root, "_class_name"));
    const char *image_channels =
        net->part == VAE_DECODER ? "out_channels" : "in_channels";
    struct config c = {
        .root = root, .what = what, .given_scale = scale, .why = why, .status = VAE_OK};

    *net = (struct vae_network){.part = net->part};
    memset(scaling, 0, sizeof(*scaling));
    if (no_memory) {
        c.status = vae_fail(why, VAE_ENOMEM, "%s: out of memory", what);
    } else if (!root) {
        c.status =
            vae_fail(why, VAE_EFORMAT, "%s: line %d: %s", what, error.line, error.text);
    } else if (kind && strcmp(kind, "AutoencoderKL") == 0) {
        read_kl(&c, net);
        read_scaling(&c, net, 0.18215, scaling);
    } else if (kind && strcmp(kind, "AutoencoderTiny") == 0) {
        read_taesd(&c, net);
        read_scaling(&c, net, 1, scaling);
    } else {
        c.status = vae_fail(why, VAE_EMODEL,
                            "%s: _class_name is %s; AutoencoderKL and AutoencoderTiny "
                            "can be read",
                            what, kind ? kind : "missing");
    }
    if (c.status == VAE_OK && read_int(&c, image_channels, 3) != 3)
        refuse(&c, image_channels, "3");
    if (c.status == VAE_OK && net->family == VAE_FAMILY_KL)
        c.status = vae_network_check(net, what, why);
    json_decref(root);
    return c.status;
}
