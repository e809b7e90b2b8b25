/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/image_options.h"

#include <string.h>

const char *const resize_names[] = {"bicubic", "lanczos", "bilinear", "area", NULL};
const char *const icc_mode_names[] = {"srgb", "ignore", NULL};
const char *const truncated_names[] = {"reject", "keep", NULL};

struct image_options image_options_default(void)
{
    return (struct image_options){.size = 256, .decode_mem = (int64_t)384 << 20};
}

void image_options_list_pixels(struct image_options *o,
                               struct option list[N_PIXEL_OPTIONS])
{
    const struct option options[] = {
        {"size", OPTION_INT, &o->size, "N", "side of the training image, pixels (256)",
         NULL, 8, 4096},
        {"resize", OPTION_CHOICE, OPTION_ENUM(o->resize), NULL,
         "resampling filter (bicubic)", resize_names, 0, 0},
        {"icc", OPTION_CHOICE, OPTION_ENUM(o->icc), NULL,
         "convert to sRGB by profile, or not (srgb)", icc_mode_names, 0, 0},
        {"jpeg-scale", OPTION_INT, &o->jpeg_scale, "F",
         "decode large JPEGs smaller, down to F x --size (0: never)", NULL, 0, 64},
    };

    _Static_assert(sizeof(options) == N_PIXEL_OPTIONS * sizeof(*options), "its number");
    memcpy(list, options, sizeof(options));
}

void image_options_list(struct image_options *o, struct option list[N_IMAGE_OPTIONS])
{
    static const int64_t gib = (int64_t)1 << 30;
    const struct option options[] = {
        {"min-size", OPTION_INT, &o->min_size, "N",
         "reject images whose shorter side has fewer pixels (0)", NULL, 0, 1 << 20},
        {"truncated", OPTION_CHOICE, OPTION_ENUM(o->truncated), NULL,
         "what to do with an image that ends early (reject)", truncated_names, 0, 0},
        {"decode-mem", OPTION_BYTES, &o->decode_mem, "BYTES",
         "for decoding and tokenizing; images that need more are too_many_pixels (384M)",
         NULL, 1 << 20, 1024 * gib},
    };

    _Static_assert(sizeof(options) ==
                       (N_IMAGE_OPTIONS - 1 - N_PIXEL_OPTIONS) * sizeof(*options),
                   "its number");
    *list++ = (struct option){.type = OPTION_HEADING, .help = "Images"};
    image_options_list_pixels(o, list);
    memcpy(list + N_PIXEL_OPTIONS, options, sizeof(options));
}

struct decode_options image_options_decode(const struct image_options *o, const char *isa)
{
    return (struct decode_options){.icc = o->icc,
                                   .keep_truncated = o->truncated == TRUNCATED_KEEP,
                                   .min_size = (uint32_t)o->min_size,
                                   .jpeg_scale = (int)o->jpeg_scale,
                                   .isa = isa};
}

struct image_target image_options_target(const struct image_options *o, uint8_t *rgb)
{
    return (struct image_target){
        .width = (int)o->size, .height = (int)o->size, .filter = o->resize, .rgb = rgb};
}
