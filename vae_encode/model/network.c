/* SPDX-License-Identifier: Apache-2.0
 * Checks and JSON of a network's description. The JSON keeps diffusers' words where
 * diffusers has one, and holds all that is needed to build the network again. */
#include "vae_encode/model/network.h"

#include <jansson.h>

#include "vae_encode/status.h"

const char *vae_family_name(enum vae_family family)
{
    return family == VAE_FAMILY_KL ? "AutoencoderKL" : "TAESD";
}

static int check_range(const char *what, const char *field, int value, int max,
                       struct vae_why *why)
{
    if (value >= 1 && value <= max)
        return VAE_OK;
    return vae_fail(why, VAE_EMODEL, "%s: %s is %d, must be 1 to %d", what, field, value,
                    max);
}

static int check_kl(const struct vae_network *net, const char *what, struct vae_why *why)
{
    int rc =
        check_range(what, "layers_per_block", net->layers_per_block, VAE_MAX_LAYERS, why);
    if (rc == VAE_OK)
        rc =
            check_range(what, "norm_num_groups", net->norm_groups, VAE_MAX_CHANNELS, why);
    if (rc == VAE_OK && net->part == VAE_ENCODER)
        rc = check_range(what, "number of moments", net->moment_channels,
                         2 * VAE_MAX_LATENT_CHANNELS, why);
    if (rc == VAE_OK && net->part == VAE_DECODER)
        rc = check_range(what, "number of conv_in's inputs", net->z_channels,
                         VAE_MAX_CHANNELS, why);
    for (int i = 0; i < net->n_blocks && rc == VAE_OK; i++)
        if (net->block_channels[i] % net->norm_groups != 0)
            rc = vae_fail(why, VAE_EMODEL,
                          "%s: block_out_channels[%d] is %d, not a multiple of the %d "
                          "norm_num_groups",
                          what, i, net->block_channels[i], net->norm_groups);
    return rc;
}

int vae_network_check(const struct vae_network *net, const char *what,
                      struct vae_why *why)
{
    int rc = check_range(what, "latent_channels", net->latent_channels,
                         VAE_MAX_LATENT_CHANNELS, why);
    if (rc == VAE_OK)
        rc = check_range(what, "number of blocks", net->n_blocks, VAE_MAX_BLOCKS, why);
    for (int i = 0; i < net->n_blocks && rc == VAE_OK; i++)
        rc = check_range(what, "a block's number of channels", net->block_channels[i],
                         VAE_MAX_CHANNELS, why);
    if (rc == VAE_OK && net->family == VAE_FAMILY_KL)
        rc = check_kl(net, what, why);
    return rc;
}

/* Returns `list`, or NULL where memory ran out: json_pack() then gives NULL too. */
static json_t *append(json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) == 0)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *int_list(const int *values, int n)
{
    json_t *list = json_array();

    for (int i = 0; i < n; i++)
        list = append(list, json_integer(values[i]));
    return list;
}

static json_t *kl_json(const struct vae_network *net)
{
    json_t *types = json_array();

    for (int i = 0; i < net->n_blocks; i++)
        types =
            append(types, json_string(net->block_attention[i] ? "AttnDownEncoderBlock2D"
                                                              : "DownEncoderBlock2D"));
    return json_pack("{s:s, s:s, s:o, s:o, s:i, s:i, s:i, s:i, s:b, s:f, s:i, s:b}",
                     "_class_name", "AutoencoderKL", "act_fn", "silu",
                     "block_out_channels", int_list(net->block_channels, net->n_blocks),
                     "down_block_types", types, "in_channels", 3, "latent_channels",
                     net->latent_channels, "layers_per_block", net->layers_per_block,
                     "moment_channels", net->moment_channels, "mid_block_add_attention",
                     (int)net->mid_attention, "norm_eps", VAE_NORM_EPS, "norm_num_groups",
                     net->norm_groups, "use_quant_conv", (int)net->quant_conv);
}

static json_t *kl_decoder_json(const struct vae_network *net)
{
    json_t *types = json_array();

    for (int i = net->n_blocks - 1; i >= 0; i--)
        types = append(types, json_string(net->block_attention[i] ? "AttnUpDecoderBlock2D"
                                                                  : "UpDecoderBlock2D"));
    return json_pack(
        "{s:s, s:s, s:o, s:i, s:i, s:b, s:f, s:i, s:i, s:o, s:b, s:i}", "_class_name",
        "AutoencoderKL", "act_fn", "silu", "block_out_channels",
        int_list(net->block_channels, net->n_blocks), "latent_channels",
        net->latent_channels, "layers_per_block", net->layers_per_block,
        "mid_block_add_attention", (int)net->mid_attention, "norm_eps", VAE_NORM_EPS,
        "norm_num_groups", net->norm_groups, "out_channels", 3, "up_block_types", types,
        "use_post_quant_conv", (int)net->quant_conv, "z_channels", net->z_channels);
}

static json_t *taesd_json(const struct vae_network *net)
{
    if (net->part == VAE_DECODER)
        return json_pack("{s:s, s:s, s:o, s:i, s:o, s:i}", "_class_name",
                         "AutoencoderTiny", "act_fn", "relu",
                         "decoder_block_out_channels",
                         int_list(net->block_channels, net->n_blocks), "latent_channels",
                         net->latent_channels, "num_decoder_blocks",
                         int_list(net->block_layers, net->n_blocks), "out_channels", 3);
    return json_pack("{s:s, s:s, s:o, s:i, s:i, s:o}", "_class_name", "AutoencoderTiny",
                     "act_fn", "relu", "encoder_block_out_channels",
                     int_list(net->block_channels, net->n_blocks), "in_channels", 3,
                     "latent_channels", net->latent_channels, "num_encoder_blocks",
                     int_list(net->block_layers, net->n_blocks));
}

static json_t *network_json(const struct vae_network *net)
{
    if (net->family == VAE_FAMILY_TAESD)
        return taesd_json(net);
    return net->part == VAE_DECODER ? kl_decoder_json(net) : kl_json(net);
}

char *vae_network_to_json(const struct vae_network *net)
{
    json_t *root = network_json(net);
    char *text = NULL;

    if (root)
        text = json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(root);
    return text;
}
