/* SPDX-License-Identifier: Apache-2.0
 * Which family and which naming a file has is decided by prefixes that only one of them
 * uses, not by single tensors: so a file that lacks one is still recognised, and the
 * builder can name what is missing. */
#include "vae_encode/model/names.h"

#include <string.h>

#include "vae_encode/status.h"

#define DIFFUSERS_LAYERS                                                                 \
    .down = "down_blocks.", .up = "up_blocks.", .resnet = ".resnets.",                   \
    .attention = ".attentions.", .downsample = ".downsamplers.0.conv",                   \
    .upsample = ".upsamplers.0.conv",                                                    \
    .mid_resnet = {"mid_block.resnets.0", "mid_block.resnets.1"},                        \
    .mid_attention = "mid_block.attentions.0", .shortcut = ".conv_shortcut",             \
    .norm_out = "conv_norm_out", .norm = ".group_norm"

static const struct kl_names diffusers_names = {
    DIFFUSERS_LAYERS, .q = ".to_q", .k = ".to_k", .v = ".to_v", .proj = ".to_out.0"};

/* diffusers before 0.18 */
static const struct kl_names old_diffusers_names = {
    DIFFUSERS_LAYERS, .q = ".query", .k = ".key", .v = ".value", .proj = ".proj_attn"};

static const struct kl_names ldm_names = {
    .down = "down.",
    .up = "up.",
    .finest_up_first = true,
    .resnet = ".block.",
    .attention = ".attn.",
    .downsample = ".downsample.conv",
    .upsample = ".upsample.conv",
    .mid_resnet = {"mid.block_1", "mid.block_2"},
    .mid_attention = "mid.attn_1",
    .shortcut = ".nin_shortcut",
    .norm_out = "norm_out",
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

static const struct kl_names *detect_kl(const struct safetensors *file, const char *root,
                                        enum vae_part part)
{
    const bool decodes = part == VAE_DECODER;
    const char *half = decodes ? "decoder." : "encoder.";

    if (any_name(file, root, decodes ? "decoder.up." : "encoder.down.", ""))
        return &ldm_names;
    if (!any_name(file, root, decodes ? "decoder.up_blocks." : "encoder.down_blocks.",
                  ""))
        return NULL;
    if (any_name(file, root, half, ".query.weight"))
        return &old_diffusers_names;
    return &diffusers_names;
}

/* Layer 0 of an encoder is a convolution; of a decoder in TAESD's own files it is a
 * function, so that nothing there is called 0. */
static bool detect_taesd(const struct safetensors *file, const char *root,
                         enum vae_part part)
{
    if (*root == '\0' && any_name(file, root, "0.", "") != (part == VAE_ENCODER))
        return false;
    return any_name(file, root, part == VAE_DECODER ? "2.conv.0." : "1.conv.0.", "") ||
           any_name(file, root, "3.conv.0.", "");
}

/* Fills *names where the file has that part. */
static bool detect(const struct safetensors *file, enum vae_part part,
                   struct vae_names *names)
{
    static const char *const kl_roots[] = {"", "first_stage_model.", "vae."};
    static const char *const taesd_roots[][3] = {
        [VAE_ENCODER] = {"", "encoder.layers.", "encoder."},
        [VAE_DECODER] = {"", "decoder.layers.", "decoder."}};

    *names = (struct vae_names){.family = VAE_FAMILY_KL, .part = part};
    names->half = part == VAE_DECODER ? "decoder." : "encoder.";
    for (size_t i = 0; i < sizeof(kl_roots) / sizeof(kl_roots[0]); i++) {
        names->root = kl_roots[i];
        names->kl = detect_kl(file, names->root, part);
        if (names->kl)
            return true;
    }
    names->family = VAE_FAMILY_TAESD;
    for (size_t i = 0; i < 3; i++) {
        names->root = taesd_roots[part][i];
        if (detect_taesd(file, names->root, part))
            return true;
    }
    return false;
}

static int refuse(const struct safetensors *file, enum vae_part part, const char *what,
                  struct vae_why *why)
{
    struct vae_names other;

    if (detect(file, part == VAE_DECODER ? VAE_ENCODER : VAE_DECODER, &other))
        return vae_fail(why, VAE_EMODEL, "%s: holds %s%s", what,
                        part == VAE_DECODER ? "an encoder, but no decoder"
                                            : "a decoder, but no encoder",
                        other.kl ? "" : ": a TAESD's halves are two files");
    return vae_fail(
        why, VAE_EMODEL,
        part == VAE_DECODER
            ? "%s: no decoder found: tensors are named neither like AutoencoderKL's "
              "(decoder.up_blocks.*, decoder.up.*) nor like TAESD's (1.weight, "
              "3.conv.0.weight, ...)"
            : "%s: no encoder found: tensors are named neither like AutoencoderKL's "
              "(encoder.down_blocks.*, encoder.down.*) nor like TAESD's (0.weight, "
              "1.conv.0.weight, ...)",
        what);
}

int vae_names_detect(const struct safetensors *file, enum vae_part part, const char *what,
                     struct vae_names *names, struct vae_why *why)
{
    if (!detect(file, part, names))
        return refuse(file, part, what, why);
    if (names->kl && any_name(file, names->root, "quantize.", ""))
        return vae_fail(why, VAE_EMODEL,
                        "%s: a VQ model (it has %squantize.* tensors): it has no "
                        "continuous latent",
                        what, names->root);
    return VAE_OK;
}
