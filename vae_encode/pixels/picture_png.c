/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG of 8 bits through libspng, without any chunk but what the pixels need. */
#include <spng.h>

#include "vae_encode/pixels/picture_file.h"
#include "vae_encode/status.h"

static int write_png(spng_ctx *ctx, const uint8_t *rgb, int width, int height)
{
    struct spng_ihdr ihdr = {.width = (uint32_t)width,
                             .height = (uint32_t)height,
                             .bit_depth = 8,
                             .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    int err = spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1);

    if (err == 0)
        err = spng_set_ihdr(ctx, &ihdr);
    if (err == 0)
        err = spng_encode_image(ctx, rgb, (size_t)width * (size_t)height * 3,
                                SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    return err;
}

int picture_write_png(const uint8_t *rgb, int width, int height, int quality,
                      struct encoder_file *out, struct vae_why *why)
{
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    int err = ctx ? write_png(ctx, rgb, width, height) : SPNG_EMEM;

    (void)quality;
    if (err == 0)
        out->bytes = spng_get_png_buffer(ctx, &out->len, &err);
    spng_ctx_free(ctx);
    if (err == 0 && out->bytes)
        return VAE_OK;
    return err == SPNG_EMEM || err == SPNG_EZLIB_INIT || err == 0
               ? VAE_ENOMEM
               : vae_fail(why, VAE_EINVAL, "PNG of %d x %d pixels: %s", width, height,
                          spng_strerror(err));
}
