/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/write_dump_shards.c - small shards with a bit of everything, for tests.
 *
 *     write_dump_shards DIR
 *
 * DIR/pairs.lms    pairs: both orders, several captions, odd characters, metadata
 * DIR/others.lms   a document, an edit (image, text, image), kinds of a later version,
 *                  latents with their log-variance, a patch window that does not divide
 * DIR/raw.lms      pairs that are not tokenized
 *
 * DIR/tokenizer-*.model  the one of others.lms; that of pairs.lms is the embedded one
 *
 * The same bytes every time. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "shard/float16.h"
#include "shard/record.h"
#include "shard/status.h"
#include "shard/tokenizer.h"
#include "shard/writer.h"

enum { CHANNELS = 4, SIDE = 8, N_VALUES = CHANNELS * SIDE * SIDE };
enum { VAE_FP16 = 0, VAE_LOGVAR = 1 }; /* positions in the header's encoders */

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "write_dump_shards: %s\n", what);
    exit(1);
}

/* The embedded model, and the same with a field at its end that nobody reads: another
 * file, which must be found beside the shard. */
struct model {
    unsigned char *bytes;
    size_t len;
    char sha256[65], file[40];
};
static struct model embedded, own;
static struct tokenizer *tokenizer;

static struct model model_of(const void *bytes, size_t len, const char *tail)
{
    struct model m = {.len = len + strlen(tail)};
    unsigned char digest[32];

    m.bytes = malloc(m.len);
    check(m.bytes != NULL, "memory");
    memcpy(m.bytes, bytes, len);
    memcpy(m.bytes + len, tail, strlen(tail));
    SHA256(m.bytes, m.len, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(m.sha256 + 2 * i, 3, "%02x", digest[i]);
    snprintf(m.file, sizeof(m.file), "tokenizer-%.12s.model", m.sha256);
    return m;
}

static void open_models(void)
{
    size_t len;
    const void *bytes = tokenizer_builtin(&len);

    embedded = model_of(bytes, len, "");
    own = model_of(bytes, len, "\x78\x01"); /* field 15 = 1 */
    check(tokenizer_open(&tokenizer, own.bytes, own.len, "own") == SHARD_OK, "tokenizer");
}

static void write_model(const char *folder, const struct model *m)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", folder, m->file);
    FILE *file = fopen(path, "wb");
    check(file != NULL && fwrite(m->bytes, 1, m->len, file) == m->len &&
              fclose(file) == 0,
          path);
}

static const double one[] = {1}, zero[] = {0};
static const struct shard_encoder encoders[] = {
    {.kind = "vae",
     .name = "TAESD",
     .weights_sha256 = "00112233445566778899aabbccddeeff"
                       "00112233445566778899aabbccddeeff",
     .config = "{\"latent_channels\":4}",
     .downscale = 8,
     .n_scale = 1,
     .scale = one,
     .shift = zero,
     .moments = "mean",
     .numerics = "direct-1",
     .reproducible = true},
    {.kind = "vae",
     .name = "AutoencoderKL",
     .weights_sha256 = "ffeeddccbbaa99887766554433221100"
                       "ffeeddccbbaa99887766554433221100",
     .config = "{}",
     .downscale = 8,
     .n_scale = 4,
     .scale = (const double[]){0.18215, 1, 0.5, 2},
     .shift = (const double[]){0, 0.25, -1, 0.1159},
     .moments = "mean+logvar",
     .numerics = "direct-1",
     .reproducible = true},
};

static struct shard_header header_of(const char *name, const struct model *model)
{
    struct shard_header h = {.name = name,
                             .software = "latentmill test",
                             .demo = model == &embedded,
                             .seed = 42,
                             .caption_first = 0.8,
                             .patch = 2,
                             .n_encoders = 2,
                             .encoders = encoders};

    if (model != NULL)
        h.tokenizer = (struct shard_tokenizer){.present = true,
                                               .sha256 = model->sha256,
                                               .file = model->file,
                                               .n_pieces = tokenizer_n_pieces(tokenizer),
                                               .bos = tokenizer_bos(tokenizer),
                                               .eos = tokenizer_eos(tokenizer),
                                               .boi = tokenizer_n_pieces(tokenizer),
                                               .eoi = tokenizer_n_pieces(tokenizer) + 1};
    return h;
}

static int path_of(void *ctx, uint32_t part, char *path, size_t cap)
{
    check(part == 0, "more than one part");
    return snprintf(path, cap, "%s", (const char *)ctx) < (int)cap ? 0 : -1;
}

static struct shard_writer *begin(const struct shard_header *h, char *path)
{
    /* Blocks of two latents or so, so that a damaged one leaves others. */
    const struct shard_writer_options options = {
        .header = h, .path = path_of, .ctx = path, .max_block_bytes = 1024};
    struct shard_writer *w;

    check(shard_writer_open(&w, &options) == SHARD_OK, shard_writer_why(w));
    return w;
}

static void append(struct shard_writer *w, const struct shard_record *r)
{
    check(shard_writer_append(w, r) == SHARD_OK, shard_writer_why(w));
}

static void end(struct shard_writer *w)
{
    check(shard_writer_finish(w) == SHARD_OK, shard_writer_why(w));
    shard_writer_close(w);
}

static uint32_t all_ids[1024]; /* of all texts, one behind the other */
static size_t n_all_ids;

static struct shard_alternative text_of(const char *name, const char *text, size_t len,
                                        bool tokenized)
{
    struct shard_alternative a = {
        .name = name, .text = text, .text_len = len, .n_ids = SHARD_NO_IDS};
    uint32_t *ids;

    if (!tokenized)
        return a;
    check(tokenizer_encode(tokenizer, text, len, &ids, &a.n_ids) == SHARD_OK, "encode");
    check(n_all_ids + a.n_ids <= sizeof(all_ids) / sizeof(all_ids[0]), "all_ids is full");
    a.ids = memcpy(all_ids + n_all_ids, ids, a.n_ids * sizeof(*ids));
    n_all_ids += a.n_ids;
    free(ids);
    return a;
}

/* Multiples of 1/64 within +-3.2, other ones for each `which`; exact in fp16. */
static double value(uint32_t which, size_t i)
{
    return ((double)((i * 37 + which * 101) % 409) - 204) / 64;
}

static struct shard_segment latent_of(uint32_t which, uint16_t data[static N_VALUES])
{
    for (size_t i = 0; i < N_VALUES; i++) {
        const float v = (float)value(which, i);
        shard_fp32_to_fp16(&v, &data[i], 1);
    }
    return (struct shard_segment){.kind = SHARD_LATENT,
                                  .flags = SHARD_FLAG_LOSS,
                                  .dtype = SHARD_FP16,
                                  .n_dims = 3,
                                  .dims = {CHANNELS, SIDE, SIDE},
                                  .encoder = VAE_FP16,
                                  .data = data,
                                  .n_bytes = N_VALUES * sizeof(data[0])};
}

static struct shard_segment text_segment(const struct shard_alternative *a, size_t n)
{
    return (struct shard_segment){.kind = SHARD_TEXT,
                                  .flags = SHARD_FLAG_LOSS,
                                  .n_alternatives = n,
                                  .alternatives = a};
}

static const struct shard_image wide = {.original_width = 500,
                                        .original_height = 375,
                                        .crop_left = 62,
                                        .crop_width = 375,
                                        .crop_height = 375,
                                        .target_width = 64,
                                        .target_height = 64,
                                        .sha256 = {0xca, 0xfe, 0x01}};
static const struct shard_image small = {.original_width = 20,
                                         .original_height = 30,
                                         .crop_top = 5,
                                         .crop_width = 20,
                                         .crop_height = 20,
                                         .target_width = 64,
                                         .target_height = 64,
                                         .sha256 = {0xbe, 0xef, 0x02}};

struct pair {
    const char *key;
    uint64_t index;
    enum shard_order order;
    uint32_t drawn;
    size_t n_captions;
    struct shard_alternative captions[3];
    const char *metadata;
};

static void append_pair(struct shard_writer *w, const char *name, const struct pair *p)
{
    uint16_t data[N_VALUES];
    const struct shard_segment segments[] = {text_segment(p->captions, p->n_captions),
                                             latent_of((uint32_t)p->index, data)};
    const struct shard_record r = {.key = p->key,
                                   .name = name,
                                   .index = p->index,
                                   .n_images = 1,
                                   .images = p->index % 2 == 0 ? &wide : &small,
                                   .n_segments = 2,
                                   .segments = segments,
                                   .order = p->order,
                                   .caption_drawn = p->drawn,
                                   .metadata = p->metadata,
                                   .metadata_len = p->metadata ? strlen(p->metadata) : 0};

    append(w, &r);
}

#define TEXT(name, text, tokenized) text_of(name, text, sizeof(text) - 1, tokenized)

static void write_pairs(const char *name, char *path, const struct model *model)
{
    const bool tokenized = model != NULL;
    const struct shard_header h = header_of(name, model);
    struct shard_writer *w = begin(&h, path);
    const struct pair pairs[] = {
        {"000000000",
         0,
         SHARD_CAPTION_FIRST,
         0,
         1,
         {TEXT("txt", "A small red ball on a wooden floor.", tokenized)},
         NULL},
        {"000000001",
         1,
         SHARD_IMAGE_FIRST,
         1,
         3,
         {TEXT("txt", "a dog", tokenized),
          TEXT("json.captions[1]", "Two dogs run over 25 metres of grass.", tokenized),
          TEXT("json.captions[2]", "犬が走る。", tokenized)},
         "{\"url\": \"http://example.org/1.jpg\",\n \"width\": 20, \"big\": "
         "12345678901234567890, \"clip\": NaN, \"note\": \"NaN\"}"},
        {"odd",
         3,
         SHARD_CAPTION_FIRST,
         0,
         1,
         {TEXT("txt",
               "tab\there, line\nend, \x1b[31mred\x1b[0m, NUL \0, DEL \x7f, \"quoted\" "
               "back\\slash, C1 \xc2\x9b, turned \xe2\x80\xae, \xf0\x9f\xa6\x99",
               tokenized)},
         "{broken: \"\x1b]0;title\x07\", NaN}"},
        {"empty",
         4,
         SHARD_IMAGE_FIRST,
         0,
         1,
         {TEXT("txt", " ", tokenized)},
         "{\"caption\": \"A caption that is so long that nobody wants to read all of it "
         "twice, really, once where it belongs and once more in the metadata. So the "
         "text stops "
         "somewhere, but not within a character: "
         "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3"
         "\xa4"
         "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"}"},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        append_pair(w, name, &pairs[i]);
    end(w);
}

static void append_document(struct shard_writer *w)
{
    const struct shard_alternative a = TEXT("text", "Once upon a time.", true);
    const struct shard_segment segment = text_segment(&a, 1);
    const struct shard_record r = {
        .key = "document", .name = "deep/others", .n_segments = 1, .segments = &segment};

    append(w, &r);
}

static void append_edit(struct shard_writer *w)
{
    uint16_t before[N_VALUES], after[N_VALUES];
    const struct shard_alternative a = TEXT("edit", "Make the ball green.", true);
    struct shard_segment segments[] = {latent_of(7, before), text_segment(&a, 1),
                                       latent_of(8, after)};
    const struct shard_image images[] = {wide, small};
    const struct shard_record r = {.key = "edit",
                                   .name = "deep/others",
                                   .index = 1,
                                   .n_images = 2,
                                   .images = images,
                                   .n_segments = 3,
                                   .segments = segments};

    segments[0].flags = SHARD_FLAG_CONTEXT;
    segments[2].image = 1;
    append(w, &r);
}

/* A latent of fp32 and its log-variance, of a size that no patch window but 1 divides. */
static void append_logvar(struct shard_writer *w)
{
    enum { N = 4 * 3 * 5 };
    float mean[N], logvar[N];
    const struct shard_alternative a = TEXT("txt", "mean and log-variance", true);
    struct shard_segment segments[] = {text_segment(&a, 1),
                                       {.kind = SHARD_LATENT,
                                        .flags = SHARD_FLAG_LOSS,
                                        .dtype = SHARD_FP32,
                                        .n_dims = 3,
                                        .dims = {4, 3, 5},
                                        .encoder = VAE_LOGVAR,
                                        .data = mean,
                                        .n_bytes = sizeof(mean)},
                                       {0}};
    const struct shard_record r = {.key = "logvar",
                                   .name = "deep/others",
                                   .index = 2,
                                   .n_images = 1,
                                   .images = &wide,
                                   .n_segments = 3,
                                   .segments = segments};

    for (size_t i = 0; i < N; i++) {
        mean[i] = (float)(value(1, i) / 3);
        logvar[i] = (float)(value(2, i) - 20);
    }
    segments[2] = segments[1];
    segments[2].data = logvar;
    append(w, &r);
}

/* What a later version may add: a kind and a dtype without a name here. */
static void append_unknown(struct shard_writer *w)
{
    static const uint16_t codes[6] = {1, 2, 3, 4, 5, 65535};
    static const unsigned char bytes[5] = {9, 8, 7, 6, 5};
    const struct shard_segment segments[] = {{.kind = SHARD_CODES,
                                              .flags = SHARD_FLAG_LOSS,
                                              .dtype = SHARD_U16,
                                              .n_dims = 2,
                                              .dims = {2, 3},
                                              .encoder = VAE_FP16,
                                              .data = codes,
                                              .n_bytes = sizeof(codes)},
                                             {.kind = 77,
                                              .flags = SHARD_FLAG_CONTEXT,
                                              .dtype = SHARD_U8,
                                              .n_dims = 1,
                                              .dims = {5},
                                              .encoder = VAE_FP16,
                                              .data = bytes,
                                              .n_bytes = sizeof(bytes)}};
    const struct shard_record r = {.key = "unknown",
                                   .name = "deep/others",
                                   .index = 3,
                                   .n_images = 1,
                                   .images = &small,
                                   .n_segments = 2,
                                   .segments = segments};

    append(w, &r);
}

static void write_others(char *path)
{
    const struct shard_header h = header_of("deep/others", &own);
    struct shard_writer *w = begin(&h, path);

    append_document(w);
    append_edit(w);
    append_logvar(w);
    append_unknown(w);
    end(w);
}

int main(int argc, char **argv)
{
    char path[4096];

    check(argc == 2, "usage: write_dump_shards DIR");
    open_models();
    write_model(argv[1], &own);
    snprintf(path, sizeof(path), "%s/pairs.lms", argv[1]);
    write_pairs("pairs", path, &embedded);
    snprintf(path, sizeof(path), "%s/raw.lms", argv[1]);
    write_pairs("raw", path, NULL);
    snprintf(path, sizeof(path), "%s/others.lms", argv[1]);
    write_others(path);
    tokenizer_close(tokenizer);
    free(embedded.bytes);
    free(own.bytes);
    return 0;
}
