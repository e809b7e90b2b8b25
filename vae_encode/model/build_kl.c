/* SPDX-License-Identifier: Apache-2.0
 * AutoencoderKL's halves. The encoder: conv_in; blocks of resnets (with attention behind
 * each, where the block has it), each but the last followed by a halving; resnet,
 * attention, resnet at the lowest resolution; norm, SiLU, conv_out; quant_conv. The
 * decoder goes back: post_quant_conv; conv_in; the middle; blocks, of one resnet more and
 * each but the last followed by a doubling; norm, SiLU, conv_out. And how all of this is
 * read off the tensors' shapes, but for the number of norm groups. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vae_encode/model/families.h"
#include "vae_encode/status.h"

enum { ASSUMED_NORM_GROUPS = 32 };

struct kl {
    struct graph_builder *b;
    const struct vae_names *names;
    const struct vae_network *net;
};

static void put_name(char *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void put_name(char *out, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(out, GRAPH_NAME_CAP, fmt, ap);
    va_end(ap);
    assert(n >= 0 && n < GRAPH_NAME_CAP);
    (void)n;
}

static void join(char *out, const char *a, const char *b)
{
    put_name(out, "%s%s", a, b);
}

static void name_in_half(char *out, const struct vae_names *names, const char *part)
{
    put_name(out, "%s%s%s", names->root, names->half, part);
}

/* The number in the name of block `i`, counted from the finest. */
static int number_of(const struct vae_names *names, int n_blocks, int i)
{
    return names->part == VAE_ENCODER || names->kl->finest_up_first ? i
                                                                    : n_blocks - 1 - i;
}

static void block_name(char *out, const struct vae_names *names, int number,
                       const char *part)
{
    const struct kl_names *kl = names->kl;

    put_name(out, "%s%s%s%d%s", names->root, names->half,
             names->part == VAE_DECODER ? kl->up : kl->down, number, part);
}

static void layer_name(char *out, const struct vae_names *names, int number,
                       const char *kind, int layer)
{
    char block[GRAPH_NAME_CAP];

    block_name(block, names, number, kind);
    put_name(out, "%s%d", block, layer);
}

static void add_resnet(const struct kl *kl, const char *prefix, int c_in, int c_out)
{
    char norm[GRAPH_NAME_CAP], conv[GRAPH_NAME_CAP];
    int in = kl->b->slot, residual = in, hidden;
    struct graph_conv step = {.c_in = c_in,
                              .c_out = c_out,
                              .kernel = 3,
                              .norm = norm,
                              .norm_groups = kl->net->norm_groups,
                              .in = in};

    join(norm, prefix, ".norm1");
    join(conv, prefix, ".conv1");
    hidden = graph_add_conv(kl->b, conv, &step);
    if (c_in != c_out) {
        join(conv, prefix, kl->names->kl->shortcut);
        residual = graph_add_conv(
            kl->b, conv,
            &(struct graph_conv){.c_in = c_in, .c_out = c_out, .in = in, .keep = hidden});
    }
    join(norm, prefix, ".norm2");
    join(conv, prefix, ".conv2");
    step.c_in = c_out;
    step.in = hidden;
    step.residual = residual;
    graph_add_conv(kl->b, conv, &step);
}

static void add_attention(const struct kl *kl, const char *prefix, int channels)
{
    const struct kl_names *parts = kl->names->kl;
    struct graph_attention_names names;

    join(names.norm, prefix, parts->norm);
    join(names.q, prefix, parts->q);
    join(names.k, prefix, parts->k);
    join(names.v, prefix, parts->v);
    join(names.proj, prefix, parts->proj);
    graph_add_attention(kl->b, prefix, &names, channels, kl->net->norm_groups);
}

static void add_layers(const struct kl *kl, int i, int n_layers, int c_in)
{
    char name[GRAPH_NAME_CAP];
    int number = number_of(kl->names, kl->net->n_blocks, i);
    int c = kl->net->block_channels[i];

    for (int layer = 0; layer < n_layers; layer++) {
        layer_name(name, kl->names, number, kl->names->kl->resnet, layer);
        add_resnet(kl, name, layer == 0 ? c_in : c, c);
        if (kl->net->block_attention[i]) {
            layer_name(name, kl->names, number, kl->names->kl->attention, layer);
            add_attention(kl, name, c);
        }
    }
}

static void add_down_block(const struct kl *kl, int i, int c_in)
{
    char name[GRAPH_NAME_CAP];
    int c = kl->net->block_channels[i];

    add_layers(kl, i, kl->net->layers_per_block, c_in);
    if (i + 1 == kl->net->n_blocks)
        return;
    block_name(name, kl->names, number_of(kl->names, kl->net->n_blocks, i),
               kl->names->kl->downsample);
    graph_add_conv(kl->b, name,
                   &(struct graph_conv){.c_in = c,
                                        .c_out = c,
                                        .kernel = 3,
                                        .stride = 2,
                                        .pad_after_only = true,
                                        .in = kl->b->slot});
}

static void add_up_block(const struct kl *kl, int i, int c_in)
{
    char name[GRAPH_NAME_CAP];
    int c = kl->net->block_channels[i];

    add_layers(kl, i, kl->net->layers_per_block + 1, c_in);
    if (i == 0)
        return;
    block_name(name, kl->names, number_of(kl->names, kl->net->n_blocks, i),
               kl->names->kl->upsample);
    graph_add_conv(
        kl->b, name,
        &(struct graph_conv){
            .c_in = c, .c_out = c, .kernel = 3, .upscale = 2, .in = kl->b->slot});
}

static void add_middle(const struct kl *kl, int c)
{
    const struct kl_names *parts = kl->names->kl;
    char name[GRAPH_NAME_CAP];

    name_in_half(name, kl->names, parts->mid_resnet[0]);
    add_resnet(kl, name, c, c);
    if (kl->net->mid_attention) {
        name_in_half(name, kl->names, parts->mid_attention);
        add_attention(kl, name, c);
    }
    name_in_half(name, kl->names, parts->mid_resnet[1]);
    add_resnet(kl, name, c, c);
}

static void add_conv_in(const struct kl *kl, int c_in, int c_out)
{
    char name[GRAPH_NAME_CAP];

    name_in_half(name, kl->names, "conv_in");
    graph_add_conv(kl->b, name,
                   &(struct graph_conv){
                       .c_in = c_in, .c_out = c_out, .kernel = 3, .in = kl->b->slot});
}

static void add_conv_out(const struct kl *kl, int c_in, int c_out)
{
    char norm[GRAPH_NAME_CAP], name[GRAPH_NAME_CAP];

    name_in_half(norm, kl->names, kl->names->kl->norm_out);
    name_in_half(name, kl->names, "conv_out");
    graph_add_conv(kl->b, name,
                   &(struct graph_conv){.c_in = c_in,
                                        .c_out = c_out,
                                        .kernel = 3,
                                        .norm = norm,
                                        .norm_groups = kl->net->norm_groups,
                                        .in = kl->b->slot});
}

/* quant_conv or post_quant_conv, where the network has it. */
static void add_quant_conv(const struct kl *kl, const char *part, int c_in, int c_out)
{
    char name[GRAPH_NAME_CAP];

    if (!kl->net->quant_conv)
        return;
    join(name, kl->names->root, part);
    graph_add_conv(kl->b, name,
                   &(struct graph_conv){.c_in = c_in, .c_out = c_out, .in = kl->b->slot});
}

static void build_encoder(const struct kl *kl)
{
    const struct vae_network *net = kl->net;
    int c = net->block_channels[0];

    kl->b->graph.input_scale = 2.0f / 255.0f;
    kl->b->graph.input_shift = -1.0f;
    kl->b->graph.has_posterior = true;
    add_conv_in(kl, 3, c);
    for (int i = 0; i < net->n_blocks; i++) {
        add_down_block(kl, i, c);
        c = net->block_channels[i];
    }
    add_middle(kl, c);
    add_conv_out(kl, c, net->moment_channels);
    add_quant_conv(kl, "quant_conv", net->moment_channels, 2 * net->latent_channels);
}

static void build_decoder(const struct kl *kl)
{
    const struct vae_network *net = kl->net;
    int c = net->block_channels[net->n_blocks - 1];

    kl->b->graph.output_scale = 1.0f;
    add_quant_conv(kl, "post_quant_conv", net->latent_channels, net->z_channels);
    add_conv_in(kl, net->z_channels, c);
    add_middle(kl, c);
    for (int i = net->n_blocks - 1; i >= 0; i--) {
        add_up_block(kl, i, c);
        c = net->block_channels[i];
    }
    add_conv_out(kl, c, 3);
}

void kl_build(struct graph_builder *b, const struct vae_names *names,
              const struct vae_network *net)
{
    const bool decodes = net->part == VAE_DECODER;
    struct kl kl = {.b = b, .names = names, .net = net};
    char name[GRAPH_NAME_CAP];

    if (decodes)
        build_decoder(&kl);
    else
        build_encoder(&kl);
    join(name, names->root, names->half);
    graph_refuse_unused(b, name);
    join(name, names->root, decodes ? "post_quant_conv." : "quant_conv.");
    graph_refuse_unused(b, name);
}

/* Dimension `at` of a tensor, or 0 where it is missing or absurd. */
static int dimension_of(const struct safetensors *file, const char *prefix, int at)
{
    char name[GRAPH_NAME_CAP];
    const struct safetensors_tensor *t;
    ptrdiff_t i;

    join(name, prefix, ".weight");
    i = safetensors_find(file, name);
    if (i < 0)
        return 0;
    t = safetensors_at(file, (size_t)i);
    return t->n_dims > at && t->dims[at] <= VAE_MAX_CHANNELS ? (int)t->dims[at] : 0;
}

static int outputs_of(const struct safetensors *file, const char *prefix)
{
    return dimension_of(file, prefix, 0);
}

static int refuse_shape(const char *what, const char *prefix, struct vae_why *why)
{
    return vae_fail(why, VAE_EMODEL, "%s: tensor %s.weight is missing or misshapen", what,
                    prefix);
}

/* The first convolution of layer `layer` of a block, or 0: there is none. */
static int layer_outputs(const struct safetensors *file, const struct vae_names *names,
                         int number, int layer)
{
    char name[GRAPH_NAME_CAP], conv[GRAPH_NAME_CAP];

    layer_name(name, names, number, names->kl->resnet, layer);
    join(conv, name, ".conv1");
    return outputs_of(file, conv);
}

static int infer_blocks(const struct safetensors *file, const struct vae_names *names,
                        const char *what, struct vae_network *net, struct vae_why *why)
{
    char name[GRAPH_NAME_CAP], q[GRAPH_NAME_CAP];
    int n = 0, n_layers = 0;

    while (n < VAE_MAX_BLOCKS && layer_outputs(file, names, n, 0) > 0)
        n++;
    if (n == 0) {
        layer_name(name, names, 0, names->kl->resnet, 0);
        join(q, name, ".conv1");
        return refuse_shape(what, q, why);
    }
    net->n_blocks = n;
    for (int i = 0; i < n; i++) {
        int number = number_of(names, n, i);
        net->block_channels[i] = layer_outputs(file, names, number, 0);
        layer_name(name, names, number, names->kl->attention, 0);
        join(q, name, names->kl->q);
        net->block_attention[i] = outputs_of(file, q) > 0;
    }
    while (n_layers <= VAE_MAX_LAYERS && layer_outputs(file, names, 0, n_layers) > 0)
        n_layers++;
    net->layers_per_block = n_layers - (net->part == VAE_DECODER);
    return VAE_OK;
}

/* What lies between the blocks and the latents. */
static int infer_encoder_end(const struct safetensors *file,
                             const struct vae_names *names, const char *what,
                             struct vae_network *net, struct vae_why *why)
{
    char name[GRAPH_NAME_CAP];
    int moments;

    name_in_half(name, names, "conv_out");
    net->moment_channels = outputs_of(file, name);
    if (net->moment_channels == 0)
        return refuse_shape(what, name, why);
    join(name, names->root, "quant_conv");
    moments = outputs_of(file, name);
    net->quant_conv = moments > 0;
    if (!net->quant_conv)
        moments = net->moment_channels;
    if (moments % 2 != 0)
        return vae_fail(why, VAE_EMODEL,
                        "%s: %d moments are not a mean and a log-variance", what,
                        moments);
    net->latent_channels = moments / 2;
    return VAE_OK;
}

static int infer_decoder_end(const struct safetensors *file,
                             const struct vae_names *names, const char *what,
                             struct vae_network *net, struct vae_why *why)
{
    char name[GRAPH_NAME_CAP];

    name_in_half(name, names, "conv_in");
    net->z_channels = dimension_of(file, name, 1);
    if (net->z_channels == 0)
        return refuse_shape(what, name, why);
    join(name, names->root, "post_quant_conv");
    net->latent_channels = dimension_of(file, name, 1);
    net->quant_conv = net->latent_channels > 0;
    if (!net->quant_conv)
        net->latent_channels = net->z_channels;
    return VAE_OK;
}

int kl_infer(const struct safetensors *file, const struct vae_names *names,
             const char *what, struct vae_network *net, struct vae_why *why)
{
    char name[GRAPH_NAME_CAP], q[GRAPH_NAME_CAP];
    int rc;

    *net = (struct vae_network){
        .family = VAE_FAMILY_KL, .part = names->part, .norm_groups = ASSUMED_NORM_GROUPS};
    rc = infer_blocks(file, names, what, net, why);
    if (rc == VAE_OK)
        rc = names->part == VAE_DECODER ? infer_decoder_end(file, names, what, net, why)
                                        : infer_encoder_end(file, names, what, net, why);
    if (rc < 0)
        return rc;
    name_in_half(name, names, names->kl->mid_attention);
    join(q, name, names->kl->q);
    net->mid_attention = outputs_of(file, q) > 0;
    return vae_network_check(net, what, why);
}
