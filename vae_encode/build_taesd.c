/* SPDX-License-Identifier: Apache-2.0
 * TAESD's encoder, an nn.Sequential: layer 0 is a convolution; then come residual blocks
 * (N.conv.0, .2, .4, a ReLU behind each) and halvings (N.weight alone, no bias); the last
 * layer is a convolution to the latent. What layer N is can be seen in its tensors'
 * names. */
#include <stdio.h>

#include "vae_encode/families.h"
#include "vae_encode/status.h"

enum layer_kind { LAYER_NONE, LAYER_BLOCK, LAYER_HALVING, LAYER_CONV };
enum { MAX_LAYERS = VAE_MAX_BLOCKS * (VAE_MAX_LAYERS + 1) + 2 };

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
    return find(file, names, layer, ".bias") ? LAYER_CONV : LAYER_HALVING;
}

static int outputs_of(const struct safetensors *file, const struct vae_names *names,
                      int layer, const char *part)
{
    const struct safetensors_tensor *t = find(file, names, layer, part);

    return t && t->n_dims > 0 && t->dims[0] <= VAE_MAX_CHANNELS ? (int)t->dims[0] : 0;
}

static int refuse_layer(const struct vae_names *names, int layer, const char *what,
                        struct vae_why *why)
{
    return vae_fail(why, VAE_EMODEL,
                    "%s: tensor %s%d.weight is missing: not the encoder of a TAESD", what,
                    names->root, layer);
}

int taesd_infer(const struct safetensors *file, const struct vae_names *names,
                const char *what, struct vae_network *net, struct vae_why *why)
{
    int layer;

    net->family = VAE_FAMILY_TAESD;
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
        } else if (kind == LAYER_HALVING && net->n_blocks < VAE_MAX_BLOCKS) {
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
    return vae_network_check(net, what, why);
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
static int add_blocks(struct graph_builder *b, const struct vae_names *names,
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

void taesd_build(struct graph_builder *b, const struct vae_names *names,
                 const struct vae_network *net)
{
    char name[GRAPH_NAME_CAP];
    int layer;

    b->graph.input_scale = 1.0f / 255.0f;
    layer_name(name, names, 0, "");
    graph_add_conv(
        b, name,
        &(struct graph_conv){.c_in = 3, .c_out = net->block_channels[0], .kernel = 3});
    layer = add_blocks(b, names, net);
    layer_name(name, names, layer, "");
    graph_add_conv(b, name,
                   &(struct graph_conv){.c_in = net->block_channels[net->n_blocks - 1],
                                        .c_out = net->latent_channels,
                                        .kernel = 3,
                                        .in = b->slot});
    graph_refuse_unused(b, names->root);
}
