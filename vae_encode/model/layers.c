/* SPDX-License-Identifier: Apache-2.0 */
#include "vae_encode/model/layers.h"

#include <stdlib.h>
#include <string.h>

#include "vae_encode/status.h"

struct layer_kept {
    char *name;
    int c_in, c_out;
    int kernel; /* 0: attention */
    int stride, upscale;
    int downscale_in;
};

int vae_layers_init(struct vae_layers *layers, const struct vae_graph *g)
{
    *layers = (struct vae_layers){0};
    layers->kept = calloc((size_t)g->n_steps, sizeof(*layers->kept));
    if (!layers->kept)
        return VAE_ENOMEM;
    for (; layers->n < g->n_steps; layers->n++) {
        const struct vae_step *step = &g->steps[layers->n];
        struct layer_kept *kept = &layers->kept[layers->n];

        *kept = (struct layer_kept){.name = strdup(step->name),
                                    .stride = 1,
                                    .upscale = 1,
                                    .downscale_in = step->downscale_in};
        if (!kept->name)
            return VAE_ENOMEM;
        if (step->kind == VAE_STEP_ATTENTION) {
            kept->c_in = kept->c_out = step->u.attention.channels;
        } else {
            kept->c_in = step->u.conv.c_in;
            kept->c_out = step->u.conv.c_out;
            kept->kernel = step->u.conv.kernel;
            kept->stride = step->u.conv.stride;
            kept->upscale = step->u.conv.upscale;
        }
    }
    return VAE_OK;
}

/* Of the step's output, where that of the image is `extent`. */
static int extent_of(const struct layer_kept *kept, int extent)
{
    return extent / kept->downscale_in * kept->upscale / kept->stride;
}

struct vae_layer vae_layers_at(const struct vae_layers *layers, int i, int width,
                               int height)
{
    const struct layer_kept *kept = &layers->kept[i];
    struct vae_layer layer = {.name = kept->name,
                              .c_in = kept->c_in,
                              .c_out = kept->c_out,
                              .kernel = kept->kernel,
                              .stride = kept->stride,
                              .upscale = kept->upscale,
                              .width = extent_of(kept, width),
                              .height = extent_of(kept, height)};
    double c = layer.c_in, pixels = (double)layer.width * layer.height;

    if (layer.kernel == 0)
        layer.flops = (8 * c + 4 * pixels) * c * pixels;
    else
        layer.flops = 2 * c * layer.c_out * layer.kernel * layer.kernel * pixels;
    return layer;
}

void vae_layers_free(struct vae_layers *layers)
{
    for (int i = 0; i < layers->n; i++)
        free(layers->kept[i].name);
    free(layers->kept);
}
