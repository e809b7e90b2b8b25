/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_random_vae.c - a VAE of Stable Diffusion's size that everybody has:
 * the tensors of a diffusers AutoencoderKL's encoder (34.2 million parameters) or decoder
 * (49.5 million), 8 latent channels, as a safetensors file of pseudo-random bf16 weights,
 * in memory.
 *
 * Weights are such that activations stay near 1. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/bench/bench_section.h"
#include "tools/store/json_text.h"

enum {
    LATENT_CHANNELS = 8,
    N_LEVELS = 4,
    LAYERS_PER_LEVEL = 2, /* the decoder has one more */
    MAX_TENSORS = 256,
    NAME_CAP = 80
};
static const int level_channels[N_LEVELS] = {128, 256, 512, 512};

struct tensor {
    char name[NAME_CAP];
    int dims[4], n_dims;
    double middle, spread; /* of its values */
};

struct tensors {
    struct tensor all[MAX_TENSORS];
    int n;
};

static size_t n_values(const struct tensor *t)
{
    size_t n = 1;

    for (int i = 0; i < t->n_dims; i++)
        n *= (size_t)t->dims[i];
    return n;
}

static void add_vector(struct tensors *l, const char *prefix, const char *suffix, int c,
                       double middle, double spread)
{
    struct tensor *t = &l->all[l->n++];

    *t = (struct tensor){.dims = {c}, .n_dims = 1, .middle = middle, .spread = spread};
    snprintf(t->name, sizeof(t->name), "%s.%s", prefix, suffix);
}

/* kernel 0: a linear layer. */
static void add_layer(struct tensors *l, const char *prefix, int c_in, int c_out,
                      int kernel)
{
    struct tensor *t = &l->all[l->n++];
    int fan_in = c_in * (kernel ? kernel * kernel : 1);

    *t = (struct tensor){.dims = {c_out, c_in, kernel, kernel},
                         .n_dims = kernel ? 4 : 2,
                         .spread = sqrt(3.0 / fan_in)};
    snprintf(t->name, sizeof(t->name), "%s.weight", prefix);
    add_vector(l, prefix, "bias", c_out, 0, 0.2);
}

static void add_norm(struct tensors *l, const char *prefix, int c)
{
    add_vector(l, prefix, "weight", c, 1, 0.3);
    add_vector(l, prefix, "bias", c, 0, 0.3);
}

static void add_resnet(struct tensors *l, const char *prefix, int c_in, int c_out)
{
    char name[NAME_CAP - 8];

    snprintf(name, sizeof(name), "%s.norm1", prefix);
    add_norm(l, name, c_in);
    snprintf(name, sizeof(name), "%s.conv1", prefix);
    add_layer(l, name, c_in, c_out, 3);
    snprintf(name, sizeof(name), "%s.norm2", prefix);
    add_norm(l, name, c_out);
    snprintf(name, sizeof(name), "%s.conv2", prefix);
    add_layer(l, name, c_out, c_out, 3);
    snprintf(name, sizeof(name), "%s.conv_shortcut", prefix);
    if (c_in != c_out)
        add_layer(l, name, c_in, c_out, 1);
}

static void add_down_blocks(struct tensors *l)
{
    int c = level_channels[0];
    char name[NAME_CAP - 16];

    for (int level = 0; level < N_LEVELS; level++) {
        for (int i = 0; i < LAYERS_PER_LEVEL; i++, c = level_channels[level]) {
            snprintf(name, sizeof(name), "encoder.down_blocks.%d.resnets.%d", level, i);
            add_resnet(l, name, c, level_channels[level]);
        }
        snprintf(name, sizeof(name), "encoder.down_blocks.%d.downsamplers.0.conv", level);
        if (level < N_LEVELS - 1)
            add_layer(l, name, c, c, 3);
    }
}

static void add_up_blocks(struct tensors *l)
{
    int c = level_channels[N_LEVELS - 1];
    char name[NAME_CAP - 16];

    for (int level = 0; level < N_LEVELS; level++) {
        int c_out = level_channels[N_LEVELS - 1 - level];

        for (int i = 0; i < LAYERS_PER_LEVEL + 1; i++, c = c_out) {
            snprintf(name, sizeof(name), "decoder.up_blocks.%d.resnets.%d", level, i);
            add_resnet(l, name, c, c_out);
        }
        snprintf(name, sizeof(name), "decoder.up_blocks.%d.upsamplers.0.conv", level);
        if (level < N_LEVELS - 1)
            add_layer(l, name, c, c, 3);
    }
}

static void add_mid_block(struct tensors *l, const char *part)
{
    static const char *const projections[] = {"to_q", "to_k", "to_v", "to_out.0"};
    const int c = level_channels[N_LEVELS - 1];
    char name[NAME_CAP - 16];

    snprintf(name, sizeof(name), "%s.mid_block.resnets.0", part);
    add_resnet(l, name, c, c);
    snprintf(name, sizeof(name), "%s.mid_block.attentions.0.group_norm", part);
    add_norm(l, name, c);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "%s.mid_block.attentions.0.%s", part,
                 projections[i]);
        add_layer(l, name, c, c, 0);
    }
    snprintf(name, sizeof(name), "%s.mid_block.resnets.1", part);
    add_resnet(l, name, c, c);
}

static void list_encoder(struct tensors *l)
{
    const int c = level_channels[N_LEVELS - 1];

    add_layer(l, "encoder.conv_in", 3, level_channels[0], 3);
    add_down_blocks(l);
    add_mid_block(l, "encoder");
    add_norm(l, "encoder.conv_norm_out", c);
    add_layer(l, "encoder.conv_out", c, 2 * LATENT_CHANNELS, 3);
    add_layer(l, "quant_conv", 2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1);
}

static void list_decoder(struct tensors *l)
{
    add_layer(l, "post_quant_conv", LATENT_CHANNELS, LATENT_CHANNELS, 1);
    add_layer(l, "decoder.conv_in", LATENT_CHANNELS, level_channels[N_LEVELS - 1], 3);
    add_mid_block(l, "decoder");
    add_up_blocks(l);
    add_norm(l, "decoder.conv_norm_out", level_channels[0]);
    add_layer(l, "decoder.conv_out", level_channels[0], 3, 3);
}

/* The file's JSON: each tensor's dtype, shape and place. */
static json_t *describe(const struct tensors *l)
{
    json_t *header = json_object();
    size_t at = 0;

    for (int i = 0; i < l->n; i++) {
        const struct tensor *t = &l->all[i];
        json_t *shape = json_array();
        size_t end = at + 2 * n_values(t);

        for (int k = 0; k < t->n_dims; k++)
            json_put_element(&shape, json_integer(t->dims[k]));
        json_put_member(&header, t->name,
                        json_pack("{s:s, s:o, s:[I, I]}", "dtype", "BF16", "shape", shape,
                                  "data_offsets", (json_int_t)at, (json_int_t)end));
        at = end;
    }
    return header;
}

/* The upper half of a float, little-endian. */
static void write_values(FILE *f, const struct tensor *t, uint64_t *seed)
{
    size_t n = n_values(t);

    for (size_t i = 0; i < n; i++) {
        double unit = (double)(bench_random(seed) >> 11) * 0x1p-52 - 1;
        float value = (float)(t->middle + t->spread * unit);
        uint32_t bits;

        memcpy(&bits, &value, sizeof(bits));
        putc_unlocked((int)(bits >> 16 & 255), f);
        putc_unlocked((int)(bits >> 24), f);
    }
}

static void write_file(FILE *f, const struct tensors *l, const char *header)
{
    size_t len = strlen(header);
    uint64_t seed = 1;

    for (int i = 0; i < 8; i++)
        putc_unlocked((int)((uint64_t)len >> 8 * i & 255), f);
    fwrite(header, 1, len, f);
    for (int i = 0; i < l->n; i++)
        write_values(f, &l->all[i], &seed);
}

static int write_vae(FILE *f, enum vae_part part)
{
    struct tensors *l = calloc(1, sizeof(*l));
    json_t *header = NULL;
    char *text = NULL;

    if (l) {
        if (part == VAE_DECODER)
            list_decoder(l);
        else
            list_encoder(l);
        header = describe(l);
        text = json_dumps(header, JSON_COMPACT);
        errno = ENOMEM; /* unless writing fails */
        if (text)
            write_file(f, l, text);
    }
    json_decref(header);
    free(l);
    if (!text)
        return -1;
    free(text);
    return ferror(f) || fflush(f) != 0 ? -1 : 0;
}

int bench_random_vae(enum vae_part part)
{
    int fd = memfd_create("latentmill-random-sd", 0); /* a child opens it too */
    int own = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    FILE *f = own >= 0 ? fdopen(own, "wb") : NULL;
    int why = f && write_vae(f, part) == 0 ? 0 : errno;

    if (f)
        fclose(f);
    else if (own >= 0)
        close(own);
    if (why == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    errno = why;
    return -1;
}
