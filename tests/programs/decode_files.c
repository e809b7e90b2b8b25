/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/decode_files.c - decode many image files and write what came out.
 *
 *     decode_files FILTER WIDTH HEIGHT srgb|ignore reject|keep MIN_SIZE [JPEG_SCALE
 * [whole]] < paths
 *
 * For each path, a line of text:
 *     reason original_w original_h crop_left crop_top crop_w crop_h upscaled broken need
 * peak (the peak is the process's largest resident size so far, in bytes) and, where the
 * reason is `none`, WIDTH * HEIGHT * 3 bytes of RGB. An image whose need is above 384 MiB
 * is too_many_pixels, as it is in the program. LATENTMILL_ISA forces an instruction set.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/image/decode.h"
#include "ingest/status.h"

static const uint64_t budget = (uint64_t)384 << 20;

/* Gives *len bytes; NULL on failure. */
static uint8_t *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size;

    if (f && fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 &&
        fseek(f, 0, SEEK_SET) == 0 && (bytes = malloc((size_t)size + 1)) != NULL) {
        *len = (size_t)size;
        if (fread(bytes, 1, *len, f) != *len) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (f)
        fclose(f);
    return bytes;
}

static uint64_t peak_bytes(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    uint64_t kib = 0;

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "VmHWM: %" SCNu64, &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib * 1024;
}

static int to_int(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

static int decode_file(struct image_decoder *d, const char *path,
                       struct image_target *target)
{
    struct image_header info = {0};
    struct decoded out = {0};
    const size_t rgb_len = (size_t)3 * (size_t)target->width * (size_t)target->height;
    size_t len = 0;
    uint8_t *bytes = read_file(path, &len);

    if (!bytes) {
        perror(path);
        return 1;
    }
    int rc = INGEST_OK;
    if (image_header_read(bytes, len, &info, &out.reject) == REJECT_NONE) {
        if (info.need > budget)
            reject_set(&out.reject, REJECT_TOO_MANY_PIXELS, "needs too much");
        else
            rc = image_decoder_run(d, bytes, len, &info, target, 1, &out);
    }
    free(bytes);
    if (rc != INGEST_OK) {
        fprintf(stderr, "%s: %s\n", path, ingest_strerror(rc));
        return 1;
    }
    printf("%s %u %u %u %u %u %u %d %d %" PRIu64 " %" PRIu64 "\n",
           reject_name(out.reject.reason), out.original_width, out.original_height,
           target->crop_left, target->crop_top, target->crop_width, target->crop_height,
           target->upscaled, out.broken_profile, info.need, peak_bytes());
    if (out.reject.reason != REJECT_NONE)
        fprintf(stderr, "%s: %s: %s\n", path, reject_name(out.reject.reason),
                out.reject.detail);
    else if (fwrite(target->rgb, 1, rgb_len, stdout) != rgb_len)
        return 1;
    return 0;
}

int main(int argc, char **argv)
{
    struct image_decoder *d = NULL;
    char path[4096];

    if (argc < 7 || argc > 9)
        return 2;
    int filter = RESIZE_AREA;
    while (filter >= 0 && strcmp(argv[1], resize_filter_name(filter)) != 0)
        filter--;
    struct image_target target = {
        .width = to_int(argv[2]),
        .height = to_int(argv[3]),
        .filter = (enum resize_filter)filter,
    };
    struct decode_options options = {
        .icc = strcmp(argv[4], "ignore") == 0 ? ICC_IGNORE : ICC_SRGB,
        .keep_truncated = strcmp(argv[5], "keep") == 0,
        .min_size = (uint32_t)to_int(argv[6]),
        .jpeg_scale = argc > 7 ? to_int(argv[7]) : 0,
        .whole = argc == 9 && strcmp(argv[8], "whole") == 0,
        .isa = getenv("LATENTMILL_ISA"),
    };
    if (filter < 0 || image_decoder_open(&d, &options) != INGEST_OK)
        return 2;
    target.rgb = malloc((size_t)3 * (size_t)target.width * (size_t)target.height);
    int failed = target.rgb == NULL;
    while (!failed && fgets(path, sizeof(path), stdin)) {
        path[strcspn(path, "\n")] = '\0';
        failed = decode_file(d, path, &target);
    }
    free(target.rgb);
    image_decoder_close(d);
    return failed;
}
