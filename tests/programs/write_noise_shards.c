/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/write_noise_shards.c - shards to time readers with.
 *
 *     write_noise_shards PREFIX N
 *
 * writes N pairs to PREFIX-00000.lms and so on: an 8 x 32 x 32 fp16 latent of gaussian
 * noise (which compresses as real latents do), a caption and 16 token ids. */
#include <stdio.h>
#include <stdlib.h>

#include "shard/float16.h"
#include "shard/record.h"
#include "shard/status.h"
#include "shard/writer.h"

enum { C = 8, SIDE = 32, N_VALUES = C * SIDE * SIDE, N_IDS = 16, SHARD_BYTES = 64 << 20 };

static uint64_t state = 1;

static uint32_t random32(void)
{
    state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

/* The sum of twelve uniform numbers has the variance 1. */
static float normal(void)
{
    float sum = -6;

    for (int i = 0; i < 12; i++)
        sum += (float)(random32() >> 8) * 0x1p-24f;
    return sum;
}

static int append(struct shard_writer *w, unsigned long i)
{
    static float values[N_VALUES];
    static uint16_t latent[N_VALUES];
    uint32_t ids[N_IDS];
    char key[32], text[64];

    for (int j = 0; j < N_VALUES; j++)
        values[j] = normal();
    shard_fp32_to_fp16(values, latent, N_VALUES);
    for (int j = 0; j < N_IDS; j++)
        ids[j] = 3 + random32() % 31997;
    snprintf(key, sizeof(key), "%09lu", i);
    int len = snprintf(text, sizeof(text), "a photo of thing number %lu", i);
    const struct shard_alternative caption = {
        .name = "txt", .text = text, .text_len = (size_t)len, .ids = ids, .n_ids = N_IDS};
    const struct shard_part parts[] = {{.kind = SHARD_PART_TEXT,
                                        .flags = SHARD_FLAG_LOSS,
                                        .role = "",
                                        .n_alternatives = 1,
                                        .alternatives = &caption},
                                       {.kind = SHARD_PART_IMAGE,
                                        .flags = SHARD_FLAG_LOSS,
                                        .role = "",
                                        .width = 256,
                                        .height = 256}};
    const struct shard_rendition rendition = {.part = 1,
                                              .target_width = 256,
                                              .target_height = 256,
                                              .crop = {0, 0, 256, 256},
                                              .content = {0, 0, 256, 256}};
    const struct shard_tensor tensor = {.kind = SHARD_LATENT,
                                        .part = 1,
                                        .dtype = SHARD_FP16,
                                        .n_dims = 3,
                                        .dims = {C, SIDE, SIDE},
                                        .data = latent,
                                        .n_bytes = sizeof(latent)};
    const struct shard_record rec = {.key = key,
                                     .name = "noise",
                                     .index = i,
                                     .n_parts = 2,
                                     .parts = parts,
                                     .n_renditions = 1,
                                     .renditions = &rendition,
                                     .n_tensors = 1,
                                     .tensors = &tensor,
                                     .order = i % 5 == 0 ? SHARD_IMAGE_FIRST
                                                         : SHARD_CAPTION_FIRST};
    return shard_writer_append(w, &rec);
}

static int path_of(void *ctx, uint32_t part, char *path, size_t cap)
{
    int n = snprintf(path, cap, "%s-%05u.lms", (const char *)ctx, (unsigned)part);
    return n > 0 && (size_t)n < cap ? 0 : -1;
}

int main(int argc, char **argv)
{
    static const double one = 1, zero = 0;
    static const char sha256[] = "00000000000000000000000000000000"
                                 "00000000000000000000000000000000";
    const struct shard_encoder encoder = {.name = "noise",
                                          .kind = "latent",
                                          .of = "image",
                                          .family = "noise",
                                          .weights_sha256 = sha256,
                                          .channels = C,
                                          .downscale = 8,
                                          .n_scale = 1,
                                          .scale_window = 1,
                                          .scale = &one,
                                          .shift = &zero,
                                          .moments = "mean",
                                          .numerics = "direct-1"};
    const struct shard_header header = {.name = "noise",
                                        .software = "latentmill test",
                                        .caption_first = 0.8,
                                        .patch = 2,
                                        .tokenizer = {.present = true,
                                                      .kind = "sentencepiece",
                                                      .special = "user_defined",
                                                      .sha256 = sha256,
                                                      .file = "none",
                                                      .n_pieces = 32000,
                                                      .bos = 1,
                                                      .eos = 2,
                                                      .boi = 32000,
                                                      .eoi = 32001},
                                        .n_encoders = 1,
                                        .encoders = &encoder};
    struct shard_writer *w = NULL;

    if (argc != 3) {
        fprintf(stderr, "usage: write_noise_shards PREFIX N\n");
        return 2;
    }
    const struct shard_writer_options options = {
        .header = &header, .path = path_of, .ctx = argv[1], .max_bytes = SHARD_BYTES};
    int rc = shard_writer_open(&w, &options);
    for (unsigned long i = 0; i < strtoul(argv[2], NULL, 10) && rc == SHARD_OK; i++)
        rc = append(w, i);
    if (rc == SHARD_OK)
        rc = shard_writer_finish(w);
    if (rc < 0)
        fprintf(stderr, "write_noise_shards: %s\n", shard_writer_why(w));
    shard_writer_close(w);
    return rc == SHARD_OK ? 0 : 1;
}
