/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_safetensors.c - no model file breaks its reader.
 *
 * An input that starts with "{" is a config.json, any other a safetensors file: it is
 * read, its family guessed, its network inferred, and a graph built of it; also of a
 * network so small that an input can hold all of its tensors. Weights are read to their
 * last byte, as packing would. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vae_encode/backend.h"
#include "vae_encode/model/config.h"
#include "vae_encode/model/families.h"
#include "vae_encode/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void build(const struct safetensors *file, const struct vae_names *names,
                  const struct vae_network *net)
{
    struct graph_builder b;
    void *packed = NULL;

    if (graph_builder_init(&b, file, "f") == VAE_OK) {
        family_build(&b, names, net);
        if (b.status == VAE_OK && vae_backend_ref.pack(&packed, &b.graph, NULL) == VAE_OK)
            vae_backend_ref.free_packed(packed);
    }
    graph_builder_clear(&b);
}

static void read_weights(const uint8_t *data, size_t size, enum vae_part part)
{
    const struct vae_network smallest = {
        .family = VAE_FAMILY_KL,
        .part = part,
        .latent_channels = 1,
        .n_blocks = 1,
        .block_channels = {1},
        .layers_per_block = 1,
        .quant_conv = true,
        .norm_groups = 1,
        .moment_channels = 2,
        .z_channels = 1,
    };
    struct safetensors *file;
    struct vae_names names;
    struct vae_network net = {.latent_channels = 0};
    struct vae_why why;

    if (safetensors_open_memory(&file, data, size, "f") == VAE_OK &&
        vae_names_detect(file, part, "f", &names, &why) == VAE_OK) {
        if (names.family == VAE_FAMILY_TAESD) {
            if (taesd_infer(file, &names, "f", &net, &why) == VAE_OK)
                build(file, &names, &net);
        } else {
            build(file, &names, &smallest);
            if (kl_infer(file, &names, "f", &net, &why) == VAE_OK)
                build(file, &names, &net);
        }
    }
    safetensors_close(file);
}

static void read_config(const uint8_t *data, size_t size, enum vae_part part)
{
    struct vae_network net = {.part = part};
    struct vae_scaling scaling;
    struct vae_why why;

    if (vae_config_parse((const char *)data, size, "f", 0, &net, &scaling, &why) ==
        VAE_OK)
        free(vae_network_to_json(&net));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (enum vae_part part = VAE_ENCODER; part <= VAE_DECODER; part++) {
        if (size > 0 && data[0] == '{')
            read_config(data, size, part);
        else
            read_weights(data, size, part);
    }
    return 0;
}
