/* SPDX-License-Identifier: Apache-2.0
 * The assembler takes the files in, so that nothing is generated and the model costs no
 * compile time. Paths are relative to the project's root, where the build runs. */
#include "vae_encode/default/vae_builtin.h"

__asm__(".section .rodata\n"
        ".balign 64\n"
        "vae_builtin_weights_begin:\n"
        ".incbin \"vae_encode/default/diffusion_pytorch_model.safetensors\"\n"
        "vae_builtin_weights_end:\n"
        ".balign 64\n"
        "vae_builtin_config_begin:\n"
        ".incbin \"vae_encode/default/config.json\"\n"
        "vae_builtin_config_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char vae_builtin_weights_begin[], vae_builtin_weights_end[];
extern const char vae_builtin_config_begin[], vae_builtin_config_end[];

const void *vae_builtin_weights(size_t *len)
{
    *len = (size_t)(vae_builtin_weights_end - vae_builtin_weights_begin);
    return vae_builtin_weights_begin;
}

const char *vae_builtin_config(size_t *len)
{
    *len = (size_t)(vae_builtin_config_end - vae_builtin_config_begin);
    return vae_builtin_config_begin;
}
