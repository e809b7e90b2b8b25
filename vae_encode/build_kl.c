/* SPDX-License-Identifier: Apache-2.0
 * AutoencoderKL's encoder: conv_in; blocks of resnets (with attention behind each, where
 * the block has it), each but the last followed by a halving; resnet, attention, resnet
 * at the lowest resolution; norm, SiLU, conv_out; quant_conv. And the way back: all of
 * this read off the tensors' shapes, but for the number of norm groups. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "vae_encode/families.h"
#include "vae_encode/status.h"

enum { ASSUMED_NORM_GROUPS = 32 };

struct kl {
    struct graph_builder *b;
    const struct vae_names *names;
    const struct vae_network *net;
};

static void join(char *out, const char *a, const char *b)
{
    int n = snprintf(out, GRAPH_NAME_CAP, "%s%s", a, b);

    assert(n >= 0 && n < GRAPH_NAME_CAP);
    (void)n;
}

static void block_name(char *out, const struct vae_names *names, int block,
                       const char *part)
{
    snprintf(out, GRAPH_NAME_CAP, "%s%s%d%s", names->root, names->kl->block, block, part);
}

static void layer_name(char *out, const struct vae_names *names, int block,
                       const char *kind, int layer)
{
    snprintf(out, GRAPH_NAME_CAP, "%s%s%d%s%d", names->root, names->kl->block, block,
             kind, layer);
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

static void add_block(const struct kl *kl, int i, int c_in)
{
    char name[GRAPH_NAME_CAP];
    int c = kl->net->block_channels[i];

    for (int layer = 0; layer < kl->net->layers_per_block; layer++) {
        layer_name(name, kl->names, i, kl->names->kl->resnet, layer);
        add_resnet(kl, name, layer == 0 ? c_in : c, c);
        if (kl->net->block_attention[i]) {
            layer_name(name, kl->names, i, kl->names->kl->attention, layer);
            add_attention(kl, name, c);
        }
    }
    if (i + 1 == kl->net->n_blocks)
        return;
    block_name(name, kl->names, i, kl->names->kl->downsample);
    graph_add_conv(kl->b, name,
                   &(struct graph_conv){.c_in = c,
                                        .c_out = c,
                                        .kernel = 3,
                                        .stride = 2,
                                        .pad_after_only = true,
                                        .in = kl->b->slot});
}

static void add_middle(const struct kl *kl, int c)
{
    char name[GRAPH_NAME_CAP];

    join(name, kl->names->root, kl->names->kl->mid_resnet[0]);
    add_resnet(kl, name, c, c);
    if (kl->net->mid_attention) {
        join(name, kl->names->root, kl->names->kl->mid_attention);
        add_attention(kl, name, c);
    }
    join(name, kl->names->root, kl->names->kl->mid_resnet[1]);
    add_resnet(kl, name, c, c);
}

static void add_head(const struct kl *kl, int c)
{
    char norm[GRAPH_NAME_CAP], name[GRAPH_NAME_CAP];
    const struct vae_network *net = kl->net;

    join(norm, kl->names->root, kl->names->kl->norm_out);
    join(name, kl->names->root, "encoder.conv_out");
    graph_add_conv(kl->b, name,
                   &(struct graph_conv){.c_in = c,
                                        .c_out = net->moment_channels,
                                        .kernel = 3,
                                        .norm = norm,
                                        .norm_groups = net->norm_groups,
                                        .in = kl->b->slot});
    if (!net->quant_conv)
        return;
    join(name, kl->names->root, "quant_conv");
    graph_add_conv(kl->b, name,
                   &(struct graph_conv){.c_in = net->moment_channels,
                                        .c_out = 2 * net->latent_channels,
                                        .in = kl->b->slot});
}

void kl_build(struct graph_builder *b, const struct vae_names *names,
              const struct vae_network *net)
{
    struct kl kl = {.b = b, .names = names, .net = net};
    char name[GRAPH_NAME_CAP];
    int c = net->block_channels[0];

    b->graph.input_scale = 2.0f / 255.0f;
    b->graph.input_shift = -1.0f;
    b->graph.has_posterior = true;
    join(name, names->root, "encoder.conv_in");
    graph_add_conv(b, name, &(struct graph_conv){.c_in = 3, .c_out = c, .kernel = 3});
    for (int i = 0; i < net->n_blocks; i++) {
        add_block(&kl, i, c);
        c = net->block_channels[i];
    }
    add_middle(&kl, c);
    add_head(&kl, c);
    join(name, names->root, "encoder.");
    graph_refuse_unused(b, name);
    join(name, names->root, "quant_conv.");
    graph_refuse_unused(b, name);
}

/* The first dimension of a tensor, or 0 where it is missing or absurd. */
static int outputs_of(const struct safetensors *file, const char *prefix)
{
    char name[GRAPH_NAME_CAP];
    const struct safetensors_tensor *t;
    ptrdiff_t i;

    join(name, prefix, ".weight");
    i = safetensors_find(file, name);
    if (i < 0)
        return 0;
    t = safetensors_at(file, (size_t)i);
    return t->n_dims > 0 && t->dims[0] <= VAE_MAX_CHANNELS ? (int)t->dims[0] : 0;
}

static int need_outputs(const struct safetensors *file, const char *prefix,
                        const char *what, int *n, struct vae_why *why)
{
    *n = outputs_of(file, prefix);
    if (*n > 0)
        return VAE_OK;
    return vae_fail(why, VAE_EMODEL, "%s: tensor %s.weight is missing or misshapen", what,
                    prefix);
}

static int infer_blocks(const struct safetensors *file, const struct vae_names *names,
                        const char *what, struct vae_network *net, struct vae_why *why)
{
    char name[GRAPH_NAME_CAP], conv[GRAPH_NAME_CAP];
    int rc = VAE_OK;

    for (int i = 0; i < VAE_MAX_BLOCKS && rc == VAE_OK; i++) {
        layer_name(name, names, i, names->kl->resnet, 0);
        join(conv, name, ".conv1");
        if (i > 0 && outputs_of(file, conv) == 0)
            break;
        rc = need_outputs(file, conv, what, &net->block_channels[i], why);
        layer_name(name, names, i, names->kl->attention, 0);
        join(conv, name, names->kl->q);
        net->block_attention[i] = outputs_of(file, conv) > 0;
        net->n_blocks = i + 1;
    }
    for (int layer = 0; layer < VAE_MAX_LAYERS; layer++) {
        layer_name(name, names, 0, names->kl->resnet, layer);
        join(conv, name, ".conv1");
        if (outputs_of(file, conv) == 0)
            break;
        net->layers_per_block = layer + 1;
    }
    return rc;
}

int kl_infer(const struct safetensors *file, const struct vae_names *names,
             const char *what, struct vae_network *net, struct vae_why *why)
{
    char name[GRAPH_NAME_CAP];
    int rc, moments;

    memset(net, 0, sizeof(*net));
    net->family = VAE_FAMILY_KL;
    net->norm_groups = ASSUMED_NORM_GROUPS;
    rc = infer_blocks(file, names, what, net, why);
    if (rc < 0)
        return rc;
    join(name, names->root, "encoder.conv_out");
    rc = need_outputs(file, name, what, &net->moment_channels, why);
    if (rc < 0)
        return rc;
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
    snprintf(name, sizeof(name), "%s%s%s", names->root, names->kl->mid_attention,
             names->kl->q);
    net->mid_attention = outputs_of(file, name) > 0;
    return vae_network_check(net, what, why);
}
