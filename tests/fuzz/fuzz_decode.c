/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_decode.c - any bytes as an image: all three formats' fronts.
 *
 * The magic bytes decide which decoder is met. Images of more than a megapixel are only
 * probed, so that a run is fast. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/image/decode.h"
#include "ingest/status.h"
#include "tests/unit/decode_image.h"

enum { SIDE = 24, MOST_PIXELS = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *data, size_t size, struct decode_options options,
                   uint8_t *rgb, struct decoded *out)
{
    struct image_target target = {
        .width = SIDE, .height = SIDE, .filter = RESIZE_BICUBIC, .rgb = rgb};
    struct image_decoder *d;

    if (image_decoder_open(&d, &options) != INGEST_OK)
        abort();
    int rc = decode_image(d, data, size, &target, out);
    assert(rc == INGEST_OK);
    assert(out->reject.reason == REJECT_NONE || out->reject.detail[0] != '\0');
    assert(out->reject.reason != REJECT_NONE || target.crop_width > 0);
    image_decoder_close(d);
}

/* What the crop does not need changes neither pixels nor verdict. */
static void check(const uint8_t *data, size_t size, bool keep_truncated, int jpeg_scale)
{
    static uint8_t part[SIDE * SIDE * 3], whole[SIDE * SIDE * 3];
    struct decode_options options = {
        .icc = ICC_SRGB,
        .keep_truncated = keep_truncated,
        .jpeg_scale = jpeg_scale,
    };
    struct decoded out, referee;

    decode(data, size, options, part, &out);
    options.whole = true;
    decode(data, size, options, whole, &referee);
    assert(out.reject.reason == referee.reject.reason);
    assert(out.reject.reason != REJECT_NONE || memcmp(part, whole, sizeof(part)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_header info;
    struct reject reject;

    if (image_header_read(data, size, &info, &reject) != REJECT_NONE ||
        (uint64_t)info.width * info.height > MOST_PIXELS)
        return 0;
    check(data, size, true, 0);
    check(data, size, false, 1);
    return 0;
}
