/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/write_shapes.c - a shard of pairs, each of another size.
 *
 *     write_shapes PREFIX N [codes|mapped|windows|encoders]
 *
 * writes N pairs to PREFIX-00000.lms: a latent (1, H, W) of zeros, or with codes as many
 * zeros as codes, and a caption of two ids. mapped: codes 0, 7, 4, 1, ... of 10, whose
 * tokens are 100, 97, ... 73; windows: with a scale and a shift for each cell of 2 x 2;
 * encoders: with N_MORE others that make nothing. No two have the same H and W; the
 * smallest come first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/writer.h"

enum { MAX_CELLS = 1 << 14, N_MORE = 10 };

static int path_of(void *ctx, uint32_t part, char *path, size_t cap)
{
    int n = snprintf(path, cap, "%s-%05u.lms", (const char *)ctx, (unsigned)part);
    return n > 0 && (size_t)n < cap ? 0 : -1;
}

static int append(struct shard_writer *w, uint64_t i, uint32_t rows, uint32_t cols,
                  const uint16_t *codes)
{
    static const uint16_t zeros[MAX_CELLS];
    static const uint32_t ids[] = {5, 6};
    char key[32];

    snprintf(key, sizeof(key), "%08llu", (unsigned long long)i);
    const struct shard_alternative caption = {
        .name = "txt", .text = "a b", .text_len = 3, .ids = ids, .n_ids = 2};
    const struct shard_part parts[] = {{.kind = SHARD_PART_TEXT,
                                        .flags = SHARD_FLAG_LOSS,
                                        .role = "",
                                        .n_alternatives = 1,
                                        .alternatives = &caption},
                                       {.kind = SHARD_PART_IMAGE,
                                        .flags = SHARD_FLAG_LOSS,
                                        .role = "",
                                        .width = 8 * cols,
                                        .height = 8 * rows}};
    const struct shard_box box = {0, 0, 8 * cols, 8 * rows};
    const struct shard_rendition rendition = {.part = 1,
                                              .target_width = 8 * cols,
                                              .target_height = 8 * rows,
                                              .crop = box,
                                              .content = box};
    struct shard_tensor tensor = {.kind = codes ? SHARD_CODES : SHARD_LATENT,
                                  .part = 1,
                                  .dtype = codes ? SHARD_U16 : SHARD_FP16,
                                  .n_dims = codes ? 2 : 3,
                                  .dims = {1, rows, cols},
                                  .data = codes != NULL ? codes : zeros,
                                  .n_bytes = 2 * (uint64_t)rows * cols};
    if (codes)
        memcpy(tensor.dims, (uint32_t[]){rows, cols, 0}, 3 * sizeof(tensor.dims[0]));
    const struct shard_record rec = {.key = key,
                                     .name = "shapes",
                                     .index = i,
                                     .n_parts = 2,
                                     .parts = parts,
                                     .n_renditions = 1,
                                     .renditions = &rendition,
                                     .n_tensors = 1,
                                     .tensors = &tensor};
    return shard_writer_append(w, &rec);
}

/* Rectangles in order of their area, each in both directions. */
static int append_all(struct shard_writer *w, uint64_t n, const uint16_t *codes)
{
    int rc = SHARD_OK;
    uint64_t i = 0;

    for (uint32_t area = 1; area <= MAX_CELLS; area++)
        for (uint32_t rows = 1; rows <= area && i < n && rc == SHARD_OK; rows++)
            if (area % rows == 0)
                rc = append(w, i++, rows, area / rows, codes);
    return rc;
}

int main(int argc, char **argv)
{
    static const double scale[4] = {1, 2, 4, 8}, shift[4] = {0, 1, 2, 3};
    static uint16_t values[MAX_CELLS];
    static uint32_t id_map[10];
    const bool mapped = argc > 3 && strcmp(argv[3], "mapped") == 0;
    const bool codes = mapped || (argc > 3 && strcmp(argv[3], "codes") == 0);
    const bool windows = argc > 3 && strcmp(argv[3], "windows") == 0;
    const bool more = argc > 3 && strcmp(argv[3], "encoders") == 0;
    static char names[1 + N_MORE][8];
    struct shard_encoder encoders[1 + N_MORE];
    struct shard_encoder encoder = {.name = codes ? "vq" : "vae",
                                    .kind = codes ? "codes" : "latent",
                                    .of = "image",
                                    .family = "Net",
                                    .numerics = "direct-1",
                                    .quality = -1};
    const struct shard_header header = {.name = "shapes",
                                        .software = "latentmill test",
                                        .caption_first = 1,
                                        .patch = 1,
                                        .tokenizer = {true, "abcd", "none", 10, 1, 2, 10,
                                                      11, "sentencepiece", "user_defined",
                                                      NULL, NULL},
                                        .n_encoders = more ? 1 + N_MORE : 1,
                                        .encoders = encoders};
    struct shard_writer *w = NULL;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: write_shapes PREFIX N [codes|mapped|windows|encoders]\n");
        return 2;
    }
    if (codes) {
        encoder.codebook = 10;
        for (uint32_t i = 0; mapped && i < MAX_CELLS; i++)
            values[i] = (uint16_t)(7 * i % 10);
        for (uint32_t i = 0; i < 10; i++)
            id_map[i] = 100 - 3 * i;
        encoder.id_map = mapped ? id_map : NULL;
        encoder.n_id_map = mapped ? 10 : 0;
    } else {
        encoder.channels = 1;
        encoder.downscale = 8;
        encoder.moments = "mean";
        encoder.n_scale = windows ? 4 : 1;
        encoder.scale_window = windows ? 2 : 1;
        encoder.scale = scale;
        encoder.shift = shift;
    }
    for (size_t i = 0; i <= N_MORE; i++) {
        encoders[i] = encoder;
        snprintf(names[i], sizeof(names[i]), "vae%zu", i);
        if (more)
            encoders[i].name = names[i];
    }
    const struct shard_writer_options options = {
        .header = &header, .path = path_of, .ctx = argv[1], .max_bytes = 1 << 30};
    int rc = shard_writer_open(&w, &options);
    if (rc == SHARD_OK)
        rc = append_all(w, strtoull(argv[2], NULL, 10), codes ? values : NULL);
    if (rc == SHARD_OK)
        rc = shard_writer_finish(w);
    if (rc < 0)
        fprintf(stderr, "write_shapes: %s\n", shard_writer_why(w));
    shard_writer_close(w);
    return rc == SHARD_OK ? 0 : 1;
}
