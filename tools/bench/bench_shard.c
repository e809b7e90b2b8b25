/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_shard.c - write one shard (compressed, synced), and read it again, on
 * one thread.
 *
 * The records are made up: 8 x 32 x 32 fp16 latents of about Gaussian values, which
 * compress like real ones, a caption of 60 bytes, 16 ids. */
#include <stdlib.h>
#include <string.h>

#include "shard/float16.h"
#include "shard/reader.h"
#include "shard/version.h"
#include "shard/writer.h"
#include "tools/bench/bench_section.h"

enum { N_RECORDS = 2000, CHANNELS = 8, GRID = 32, N_IDS = 16, CAPTION_LEN = 60 };
enum { N_VALUES = CHANNELS * GRID * GRID };
static const double record_bytes = 2 * N_VALUES + CAPTION_LEN + 4 * N_IDS;

struct shard_bench {
    char *path;
    uint16_t *latents; /* (N_RECORDS, CHANNELS, GRID, GRID) fp16 */
    uint64_t stored;   /* bytes of the file */
    char why[512];
};

static int give_path(void *ctx, uint32_t part, char *path, size_t cap)
{
    const struct shard_bench *e = ctx;
    int n = snprintf(path, cap, "%s%u", e->path, part);

    return n >= 0 && (size_t)n < cap ? 0 : -1;
}

static int append(struct shard_writer *w, const struct shard_bench *e, int i)
{
    char key[16], text[CAPTION_LEN + 1];
    uint32_t ids[N_IDS];
    struct shard_alternative alternative = {
        .name = "txt", .text = text, .text_len = CAPTION_LEN, .ids = ids, .n_ids = N_IDS};
    struct shard_part parts[2] = {{.kind = SHARD_PART_TEXT,
                                   .flags = SHARD_FLAG_LOSS,
                                   .role = "",
                                   .n_alternatives = 1,
                                   .alternatives = &alternative},
                                  {.kind = SHARD_PART_IMAGE,
                                   .flags = SHARD_FLAG_LOSS,
                                   .role = "",
                                   .width = 640,
                                   .height = 480}};
    struct shard_rendition rendition = {.part = 1,
                                        .target_width = 8 * GRID,
                                        .target_height = 8 * GRID,
                                        .crop = {80, 0, 480, 480},
                                        .content = {0, 0, 8 * GRID, 8 * GRID}};
    struct shard_tensor latent = {.kind = SHARD_LATENT,
                                  .part = 1,
                                  .dtype = SHARD_FP16,
                                  .n_dims = 3,
                                  .dims = {CHANNELS, GRID, GRID},
                                  .data = e->latents + (size_t)i * N_VALUES,
                                  .n_bytes = 2 * N_VALUES};
    struct shard_record record = {.key = key,
                                  .name = "bench",
                                  .index = (uint64_t)i,
                                  .n_parts = 2,
                                  .parts = parts,
                                  .n_renditions = 1,
                                  .renditions = &rendition,
                                  .n_tensors = 1,
                                  .tensors = &latent};
    uint64_t seed = (uint64_t)i;

    snprintf(key, sizeof(key), "%09d", i);
    for (int k = 0; k < CAPTION_LEN; k++)
        text[k] = k % 6 == 5 ? ' ' : (char)('a' + bench_random(&seed) % 26);
    text[CAPTION_LEN] = '\0';
    for (int k = 0; k < N_IDS; k++)
        ids[k] = (uint32_t)(bench_random(&seed) % 32000);
    return shard_writer_append(w, &record);
}

static int write_shard(void *ctx)
{
    static const double one = 1, zero = 0;
    static const char no_hash[] =
        "0000000000000000000000000000000000000000000000000000000000000000";
    const struct shard_encoder encoder = {.name = "bench",
                                          .kind = "latent",
                                          .of = "image",
                                          .family = "bench",
                                          .numerics = "none",
                                          .channels = CHANNELS,
                                          .downscale = 8,
                                          .moments = "mean",
                                          .n_scale = 1,
                                          .scale_window = 1,
                                          .scale = &one,
                                          .shift = &zero};
    const struct shard_header header = {.name = "bench",
                                        .software = LATENTMILL_SOFTWARE,
                                        .patch = 2,
                                        .tokenizer = {.present = true,
                                                      .kind = "sentencepiece",
                                                      .special = "user_defined",
                                                      .sha256 = no_hash,
                                                      .file = "none",
                                                      .n_pieces = 32000,
                                                      .bos = -1,
                                                      .eos = -1,
                                                      .boi = 32000,
                                                      .eoi = 32001},
                                        .n_encoders = 1,
                                        .encoders = &encoder};
    struct shard_bench *e = ctx;
    struct shard_writer_options options = {
        .header = &header, .path = give_path, .ctx = e};
    struct shard_writer *w = NULL;
    const struct shard_file *files;
    size_t n_files;
    int rc = shard_writer_open(&w, &options);

    for (int i = 0; i < N_RECORDS && rc == SHARD_OK; i++)
        rc = append(w, e, i);
    if (rc == SHARD_OK)
        rc = shard_writer_finish(w);
    if (rc == SHARD_OK) {
        files = shard_writer_files(w, &n_files);
        e->stored = files[0].bytes;
    } else {
        snprintf(e->why, sizeof(e->why), "%s", shard_writer_why(w));
    }
    shard_writer_close(w);
    return rc;
}

static int read_shard(void *ctx)
{
    struct shard_bench *e = ctx;
    struct shard_reader *r = NULL;
    struct shard_record record;
    char path[600];
    int rc, n = 0;

    give_path(e, 0, path, sizeof(path));
    rc = shard_reader_open(&r, path);
    while (rc == SHARD_OK && (rc = shard_reader_next(r, &record)) == SHARD_OK)
        n++;
    if (rc < 0)
        snprintf(e->why, sizeof(e->why), "%s", shard_reader_why(r));
    shard_reader_close(r);
    return rc == SHARD_EOF && n == N_RECORDS ? 0 : -1;
}

static uint16_t *make_latents(void)
{
    const size_t n = (size_t)N_RECORDS * N_VALUES;
    uint16_t *latents = malloc(n * sizeof(*latents));
    uint64_t seed = 1;

    for (size_t i = 0; latents && i < n; i++) {
        float value = bench_gaussian(&seed);

        shard_fp32_to_fp16(&value, &latents[i], 1);
    }
    return latents;
}

json_t *bench_shard(struct bench *b)
{
    struct shard_bench e = {0};
    struct bench_times writes, reads;
    char *folder = bench_make_folder();
    json_t *o = NULL;

    if (!folder)
        return NULL;
    e.latents = make_latents();
    if (!e.latents || asprintf(&e.path, "%s/shard-", folder) < 0) {
        bench_fail("out of memory");
    } else if (bench_repeat(b, write_shard, &e, &writes) != 0 ||
               bench_repeat(b, read_shard, &e, &reads) != 0) {
        bench_fail("%s", e.why);
    } else {
        double bytes = N_RECORDS * record_bytes;

        o = json_pack("{s:i, s:i, s:s, s:f, s:f}", "threads", 1, "samples",
                      (int)N_RECORDS, "latent", "8 x 32 x 32 fp16", "megabytes",
                      bytes / 1e6, "stored_share", (double)e.stored / bytes);
        bench_set_rate(&o, "write_samples_per_second", N_RECORDS, &writes);
        bench_set_rate(&o, "write_megabytes_per_second", bytes / 1e6, &writes);
        bench_set_rate(&o, "read_samples_per_second", N_RECORDS, &reads);
        bench_set_rate(&o, "read_megabytes_per_second", bytes / 1e6, &reads);
    }
    free(e.latents);
    free(e.path);
    bench_remove_folder(folder);
    return o;
}
