/* SPDX-License-Identifier: Apache-2.0
 * Which family and which naming a file has is decided by prefixes that only one of them
 * uses, not by single tensors: so a file that lacks one is still recognised, and the
 * builder can name what is missing. */
#include "vae_encode/names.h"

#include <string.h>

#include "vae_encode/status.h"

#define DIFFUSERS_LAYERS                                                                 \
    .block = "encoder.down_blocks.", .resnet = ".resnets.", .attention = ".attentions.", \
    .downsample = ".downsamplers.0.conv",                                                \
    .mid_resnet = {"encoder.mid_block.resnets.0", "encoder.mid_block.resnets.1"},        \
    .mid_attention = "encoder.mid_block.attentions.0", .shortcut = ".conv_shortcut",     \
    .norm_out = "encoder.conv_norm_out", .norm = ".group_norm"

static const struct kl_names diffusers_names = {
    DIFFUSERS_LAYERS, .q = ".to_q", .k = ".to_k", .v = ".to_v", .proj = ".to_out.0"};

/* diffusers before 0.18 */
static const struct kl_names old_diffusers_names = {
    DIFFUSERS_LAYERS, .q = ".query", .k = ".key", .v = ".value", .proj = ".proj_attn"};

static const struct kl_names ldm_names = {
    .block = "encoder.down.",
    .resnet = ".block.",
    .attention = ".attn.",
    .downsample = ".downsample.conv",
    .mid_resnet = {"encoder.mid.block_1", "encoder.mid.block_2"},
    .mid_attention = "encoder.mid.attn_1",
    .shortcut = ".nin_shortcut",
    .norm_out = "encoder.norm_out",
    .norm = ".norm",
    .q = ".q",
    .k = ".k",
    .v = ".v",
    .proj = ".proj_out",
};

/* Is there a tensor whose name is root + start + anything that contains `part`? */
static bool any_name(const struct safetensors *file, const char *root, const char *start,
                     const char *part)
{
    size_t root_len = strlen(root), start_len = strlen(start);

    for (size_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        if (strncmp(name, root, root_len) == 0 &&
            strncmp(name + root_len, start, start_len) == 0 &&
            strstr(name + root_len + start_len, part))
            return true;
    }
    return false;
}

static const struct kl_names *detect_kl(const struct safetensors *file, const char *root)
{
    if (any_name(file, root, "encoder.down.", ""))
        return &ldm_names;
    if (!any_name(file, root, "encoder.down_blocks.", ""))
        return NULL;
    if (any_name(file, root, "encoder.", ".query.weight"))
        return &old_diffusers_names;
    return &diffusers_names;
}

int vae_names_detect(const struct safetensors *file, const char *what,
                     struct vae_names *names, struct vae_why *why)
{
    static const char *const kl_roots[] = {"", "first_stage_model.", "vae."};
    static const char *const taesd_roots[] = {"", "encoder.layers.", "encoder."};

    memset(names, 0, sizeof(*names));
    for (size_t i = 0; i < sizeof(kl_roots) / sizeof(kl_roots[0]); i++) {
        names->family = VAE_FAMILY_KL;
        names->root = kl_roots[i];
        names->kl = detect_kl(file, names->root);
        if (names->kl && any_name(file, names->root, "quantize.", ""))
            return vae_fail(why, VAE_EMODEL,
                            "%s: a VQ model (it has %squantize.* tensors): it has no "
                            "continuous latent",
                            what, names->root);
        if (names->kl)
            return VAE_OK;
    }
    for (size_t i = 0; i < sizeof(taesd_roots) / sizeof(taesd_roots[0]); i++) {
        names->family = VAE_FAMILY_TAESD;
        names->root = taesd_roots[i];
        if (any_name(file, names->root, "1.conv.0.", "") ||
            any_name(file, names->root, "3.conv.0.", ""))
            return VAE_OK;
    }
    return vae_fail(
        why, VAE_EMODEL,
        "%s: no encoder found: tensors are named neither like AutoencoderKL's "
        "(encoder.down_blocks.*, encoder.down.*) nor like TAESD's (0.weight, "
        "1.conv.0.weight, ...)",
        what);
}
