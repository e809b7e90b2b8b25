/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/image_options.h - how images are decoded and fitted. */
#ifndef TOOLS_CLI_IMAGE_OPTIONS_H
#define TOOLS_CLI_IMAGE_OPTIONS_H

#include <stdint.h>

#include "ingest/image/decode.h"
#include "tools/cli/options.h"

enum truncated_image { TRUNCATED_REJECT, TRUNCATED_KEEP };

/* Their names on the command line and in files, in the enums' order, NULL-terminated. */
extern const char *const resize_names[];
extern const char *const icc_mode_names[];
extern const char *const truncated_names[];

struct image_options {
    int64_t size; /* both sides, pixels */
    enum resize_filter resize;
    enum icc_mode icc;
    int64_t jpeg_scale; /* 0: in full */
    int64_t min_size;
    enum truncated_image truncated;
    int64_t decode_mem; /* bytes, for tokenizing too */
};

struct image_options image_options_default(void);

/* Fill the list with the options that write to *o: with those alone that say which pixels
 * are made, or with all, under their heading. */
enum { N_PIXEL_OPTIONS = 4, N_IMAGE_OPTIONS = 8 };
void image_options_list_pixels(struct image_options *o,
                               struct option list[N_PIXEL_OPTIONS]);
void image_options_list(struct image_options *o, struct option list[N_IMAGE_OPTIONS]);

/* What decoding takes of them; `isa` as in struct decode_options, kept. */
struct decode_options image_options_decode(const struct image_options *o,
                                           const char *isa);

/* The result that they ask for; its pixels are to be put to `rgb`. */
struct image_target image_options_target(const struct image_options *o, uint8_t *rgb);

#endif
