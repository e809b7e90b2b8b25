/* SPDX-License-Identifier: Apache-2.0 */
#include "vae_encode/model/families.h"

void family_build(struct graph_builder *b, const struct vae_names *names,
                  const struct vae_network *net)
{
    struct vae_graph *g = &b->graph;

    g->part = net->part;
    g->latent_channels = net->latent_channels;
    g->downscale = 1 << (net->n_blocks - 1);
    b->downscale = vae_graph_input_downscale(g);
    if (net->family == VAE_FAMILY_KL)
        kl_build(b, names, net);
    else
        taesd_build(b, names, net);
}
