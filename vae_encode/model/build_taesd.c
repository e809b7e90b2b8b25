/* SPDX-License-Identifier: Apache-2.0
 * TAESD's halves, each an nn.Sequential. The encoder: layer 0 is a convolution; then come
 * residual blocks (N.conv.0, .2, .4, a ReLU behind each) and halvings (N.weight alone, no
 * bias); the last layer is a convolution to the latent. The decoder squashes the latent;
 * then come a convolution and a ReLU, residual blocks and doublings (a layer without
 * tensors, then N.weight alone), and a convolution to the picture. What layer N is can be
 * seen in its tensors' names. */
#include <stdio.h>
#include <string.h>

#include "vae_encode/model/families.h"
#include "vae_encode/status.h"

/* LAYER_PLAIN: a convolution without bias */
enum layer_kind { LAYER_NONE, LAYER_BLOCK, LAYER_PLAIN, LAYER_CONV };
enum { MAX_LAYERS = VAE_MAX_BLOCKS * (VAE_MAX_LAYERS + 2) + 3 };

static void layer_name(char *out, const struct vae_names *names, int layer,
                       const char *part)
{
    snprintf(out, GRAPH_NAME_CAP, "%s%d%s", names->root, layer, part);
}

static const struct safetensors_tensor *find(const struct safetensors *file,
                                             const struct vae_names *names, int layer,
                                             const char *part)
{
    char name[GRAPH_NAME_CAP];
    ptrdiff_t i;

    layer_name(name, names, layer, part);
    i = safetensors_find(file, name);
    return i < 0 ? NULL : safetensors_at(file, (size_t)i);
}

static enum layer_kind kind_of(const struct safetensors *file,
                               const struct vae_names *names, int layer)
{
    if (find(file, names, layer, ".conv.0.weight"))
        return LAYER_BLOCK;
    if (!find(file, names, layer, ".weight"))
        return LAYER_NONE;
    return find(file, names, layer, ".bias") ? LAYER_CONV : LAYER_PLAIN;
}

static int dimension_of(const struct safetensors *file, const struct vae_names *names,
                        int layer, const char *part, int at)
{
    const struct safetensors_tensor *t = find(file, names, layer, part);

    return t && t->n_dims > at && t->dims[at] <= VAE_MAX_CHANNELS ? (int)t->dims[at] : 0;
}

static int outputs_of(const struct safetensors *file, const struct vae_names *names,
                      int layer, const char *part)
{
    return dimension_of(file, names, layer, part, 0);
}

static int refuse_layer(const struct vae_names *names, int layer, const char *what,
                        struct vae_why *why)
{
    return vae_fail(why, VAE_EMODEL,
                    names->part == VAE_DECODER
                        ? "%s: tensor %s%d.weight is missing: not the decoder of a TAESD"
                        : "%s: tensor %s%d.weight is missing: not the encoder of a TAESD",
                    what, names->root, layer);
}

static int infer_encoder(const struct safetensors *file, const struct vae_names *names,
                         const char *what, struct vae_network *net, struct vae_why *why)
{
    int layer;

    if (kind_of(file, names, 0) != LAYER_CONV)
        return refuse_layer(names, 0, what, why);
    net->n_blocks = 1;
    net->block_channels[0] = outputs_of(file, names, 0, ".weight");
    for (layer = 1; layer < MAX_LAYERS; layer++) {
        enum layer_kind kind = kind_of(file, names, layer);
        int last = net->n_blocks - 1;
        if (kind == LAYER_BLOCK) {
            net->block_layers[last]++;
            net->block_channels[last] = outputs_of(file, names, layer, ".conv.4.weight");
        } else if (kind == LAYER_PLAIN && net->n_blocks < VAE_MAX_BLOCKS) {
            net->block_channels[last + 1] = outputs_of(file, names, layer, ".weight");
            net->n_blocks++;
        } else {
            break;
        }
    }
    if (kind_of(file, names, layer) != LAYER_CONV)
        return refuse_layer(names, layer, what, why);
    if (net->latent_channels == 0)
        net->latent_channels = outputs_of(file, names, layer, ".weight");
    return VAE_OK;
}

/* TAESD's own files count the squashing as layer 0, diffusers does not. */
static int first_decoder_layer(const struct vae_names *names)
{
    return strcmp(names->root, "decoder.layers.") == 0 ? 0 : 1;
}

static int infer_decoder(const struct safetensors *file, const struct vae_names *names,
                         const char *what, struct vae_network *net, struct vae_why *why)
{
    const int first = first_decoder_layer(names);
    int layer = first + 2;

    if (kind_of(file, names, first) != LAYER_CONV)
        return refuse_layer(names, first, what, why);
    net->n_blocks = 1;
    net->block_channels[0] = outputs_of(file, names, first, ".weight");
    while (layer < MAX_LAYERS) {
        int last = net->n_blocks - 1;
        if (kind_of(file, names, layer) == LAYER_BLOCK) {
            net->block_layers[last]++;
            layer++;
        } else if (kind_of(file, names, layer) == LAYER_NONE &&
                   kind_of(file, names, layer + 1) == LAYER_PLAIN &&
                   net->n_blocks < VAE_MAX_BLOCKS) {
            net->block_channels[last + 1] = outputs_of(file, names, layer + 1, ".weight");
            net->n_blocks++;
            layer += 2;
        } else {
            break;
        }
    }
    if (kind_of(file, names, layer) != LAYER_CONV)
        return refuse_layer(names, layer, what, why);
    if (net->latent_channels == 0)
        net->latent_channels = dimension_of(file, names, first, ".weight", 1);
    return VAE_OK;
}

int taesd_infer(const struct safetensors *file, const struct vae_names *names,
                const char *what, struct vae_network *net, struct vae_why *why)
{
    int rc;

    net->family = VAE_FAMILY_TAESD;
    net->part = names->part;
    rc = names->part == VAE_DECODER ? infer_decoder(file, names, what, net, why)
                                    : infer_encoder(file, names, what, net, why);
    return rc == VAE_OK ? vae_network_check(net, what, why) : rc;
}

static void add_block(struct graph_builder *b, const struct vae_names *names, int layer,
                      int channels)
{
    static const char *const parts[] = {".conv.0", ".conv.2", ".conv.4"};
    char name[GRAPH_NAME_CAP];
    int in = b->slot;

    for (int i = 0; i < 3; i++) {
        layer_name(name, names, layer, parts[i]);
        graph_add_conv(b, name,
                       &(struct graph_conv){.c_in = channels,
                                            .c_out = channels,
                                            .kernel = 3,
                                            .in = b->slot,
                                            .residual = i == 2 ? in : 0,
                                            .keep = in,
                                            .relu = true});
    }
}

/* Returns the number of the layer behind the last block. */
static int add_encoder_blocks(struct graph_builder *b, const struct vae_names *names,
                              const struct vae_network *net)
{
    char name[GRAPH_NAME_CAP];
    int c = net->block_channels[0];
    int layer = 1;

    for (int i = 0; i < net->n_blocks; i++) {
        if (i > 0) {
            layer_name(name, names, layer++, "");
            graph_add_conv(b, name,
                           &(struct graph_conv){.c_in = c,
                                                .c_out = net->block_channels[i],
                                                .kernel = 3,
                                                .stride = 2,
                                                .no_bias = true,
                                                .in = b->slot});
            c = net->block_channels[i];
        }
        for (int j = 0; j < net->block_layers[i]; j++)
            add_block(b, names, layer++, c);
    }
    return layer;
}

static void build_encoder(struct graph_builder *b, const struct vae_names *names,
                          const struct vae_network *net)
{
    char name[GRAPH_NAME_CAP];
    int layer;

    b->graph.input_scale = 1.0f / 255.0f;
    layer_name(name, names, 0, "");
    graph_add_conv(
        b, name,
        &(struct graph_conv){.c_in = 3, .c_out = net->block_channels[0], .kernel = 3});
    layer = add_encoder_blocks(b, names, net);
    layer_name(name, names, layer, "");
    graph_add_conv(b, name,
                   &(struct graph_conv){.c_in = net->block_channels[net->n_blocks - 1],
                                        .c_out = net->latent_channels,
                                        .kernel = 3,
                                        .in = b->slot});
}

/* Returns the number of the layer behind the last block. */
static int add_decoder_blocks(struct graph_builder *b, const struct vae_names *names,
                              const struct vae_network *net, int layer)
{
    char name[GRAPH_NAME_CAP];

    for (int i = 0; i < net->n_blocks; i++) {
        if (i > 0) {
            layer_name(name, names, layer + 1, "");
            graph_add_conv(b, name,
                           &(struct graph_conv){.c_in = net->block_channels[i - 1],
                                                .c_out = net->block_channels[i],
                                                .kernel = 3,
                                                .upscale = 2,
                                                .no_bias = true,
                                                .in = b->slot});
            layer += 2;
        }
        for (int j = 0; j < net->block_layers[i]; j++)
            add_block(b, names, layer++, net->block_channels[i]);
    }
    return layer;
}

static void build_decoder(struct graph_builder *b, const struct vae_names *names,
                          const struct vae_network *net)
{
    char name[GRAPH_NAME_CAP];
    int layer = first_decoder_layer(names);

    b->graph.input_bound = 3.0f;
    b->graph.output_scale = 2.0f;
    b->graph.output_shift = -1.0f;
    layer_name(name, names, layer, "");
    graph_add_conv(b, name,
                   &(struct graph_conv){.c_in = net->latent_channels,
                                        .c_out = net->block_channels[0],
                                        .kernel = 3,
                                        .relu = true});
    layer = add_decoder_blocks(b, names, net, layer + 2);
    layer_name(name, names, layer, "");
    graph_add_conv(b, name,
                   &(struct graph_conv){.c_in = net->block_channels[net->n_blocks - 1],
                                        .c_out = 3,
                                        .kernel = 3,
                                        .in = b->slot});
}

void taesd_build(struct graph_builder *b, const struct vae_names *names,
                 const struct vae_network *net)
{
    if (net->part == VAE_DECODER)
        build_decoder(b, names, net);
    else
        build_encoder(b, names, net);
    graph_refuse_unused(b, names->root);
}
