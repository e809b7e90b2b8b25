/* SPDX-License-Identifier: Apache-2.0
 * tools/run/encode_hash.c - the SHA-256 of a canonical JSON object, whose members are
 * these.
 */
#include "tools/run/encode_hash.h"

#include <stdlib.h>
#include <string.h>

#include "shard/canonical_json.h"
#include "shard/parts.h"

/* Raised when our own code makes other pixels of the same bytes. */
enum { PIXELS_VERSION = 1 };

static json_t *parse(const char *text)
{
    return text ? json_loads(text, 0, NULL) : json_null();
}

static json_t *describe(const struct encoder_description *about,
                        const struct shard_rendition *rendition,
                        const struct image_options *image,
                        const struct latent_options *latent, const json_t *libraries)
{
    return json_pack(
        "{s:{s:i, s:s, s:s, s:I, s:s}, s:{s:s, s:[II]}, s:b, s:o, s:s?, s:o, s:s*, s:s*, "
        "s:s, s:O}",
        "decode", "version", (int)PIXELS_VERSION, "resize", resize_names[image->resize],
        "icc", icc_mode_names[image->icc], "jpeg_scale", (json_int_t)image->jpeg_scale,
        "truncated", truncated_names[image->truncated], "geometry", "fit",
        shard_fit_name(rendition->fit), "size", (json_int_t)rendition->target_width,
        (json_int_t)rendition->target_height, "mirror", (int)rendition->mirrored, "input",
        parse(about->pixels), "weights", about->weights_sha256, "config",
        parse(about->config), "dtype",
        encoder_has_floats(about) ? latent_dtype_names[latent->dtype] : NULL, "moments",
        encoder_has_latents(about) ? moments_names[latent->moments] : NULL, "numerics",
        about->numerics, "libraries", libraries);
}

int encode_hash(const struct encoder_description *about,
                const struct shard_rendition *rendition,
                const struct image_options *image, const struct latent_options *latent,
                const json_t *libraries, char hex[SHA256_HEX_CAP])
{
    json_t *covered = describe(about, rendition, image, latent, libraries);
    char *text = covered ? shard_json_canonical(covered) : NULL;
    int rc = text ? sha256_hex(text, strlen(text), hex) : -1;

    json_decref(covered);
    free(text);
    return rc;
}
