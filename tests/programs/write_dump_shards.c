/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/write_dump_shards.c - small shards with a bit of everything, for tests.
 *
 *     write_dump_shards DIR
 *
 * DIR/pairs.lms    pairs: both orders, several captions, odd characters, metadata
 * DIR/others.lms   a document, an edit (image, text, image), latents with their
 *                  log-variance, a patch window that does not divide, kinds of a later
 *                  version, and a record with everything else: roles, data, codes,
 * pixels, features, ids of another tokenizer, padded and mirrored renditions DIR/raw.lms
 * pairs that are not tokenized
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
#include "shard/tokenizer/tokenizer.h"
#include "shard/writer.h"

enum { CHANNELS = 4, SIDE = 8, N_VALUES = CHANNELS * SIDE * SIDE };
/* Positions in the encoders of others.lms; in both other shards TAESD is the only one. */
enum { VAE, CODES, PIXELS, STATES, WORDS, VECTOR, LATER, N_ENCODERS };

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
static struct tokenizer_worker *worker;

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
    check(tokenizer_open(&tokenizer, own.bytes, own.len, "own", NULL) == SHARD_OK,
          "tokenizer");
    worker = tokenizer_worker_new(tokenizer);
    check(worker != NULL, "worker");
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

#define ENCODER(the_name, the_kind, the_of, the_family)                                  \
    .name = the_name, .kind = the_kind, .of = the_of, .family = the_family,              \
    .numerics = "direct-1", .quality = -1

static const double one[] = {1}, zero[] = {0};
static const struct shard_encoder taesd = {ENCODER("taesd", "latent", "image", "TAESD"),
                                           .weights_sha256 =
                                               "00112233445566778899aabbccddeeff"
                                               "00112233445566778899aabbccddeeff",
                                           .config = "{\"latent_channels\":4}",
                                           .channels = CHANNELS,
                                           .downscale = 8,
                                           .n_scale = 1,
                                           .scale_window = 1,
                                           .scale = one,
                                           .shift = zero,
                                           .moments = "mean",
                                           .reproducible = true};
static const struct shard_encoder encoders[N_ENCODERS] = {
    {ENCODER("vae", "latent", "image", "AutoencoderKL"),
     .weights_sha256 = "ffeeddccbbaa99887766554433221100"
                       "ffeeddccbbaa99887766554433221100",
     .config = "{}", .channels = CHANNELS, .downscale = 8, .n_scale = 4,
     .scale_window = 1, .scale = (const double[]){0.18215, 1, 0.5, 2},
     .shift = (const double[]){0, 0.25, -1, 0.1159}, .moments = "mean+logvar",
     .reproducible = true},
    {ENCODER("codes", "codes", "image", "VQModel"), .codebook = 65536,
     .id_offset = 40000},
    {ENCODER("pixels", "pixels", "image", "none"), .codec = "png"},
    {ENCODER("states", "features", "text", "T5"), .n_outputs = 2,
     .outputs = (const char *const[]){"states", "pooled"}, .n_features = 2,
     .features =
         (const struct shard_features[]){{.what = "tokens", .n_dims = 2, .dims = {0, 3}},
                                         {.what = "pooled", .n_dims = 1, .dims = {3}}}},
    {ENCODER("words", "ids", "text", "Unigram")},
    {ENCODER("vector", "features", "data", "clip.npy")},
    {ENCODER("later", "waves", "sound", "Later")},
};

static struct shard_header header_of(const char *name, const struct model *model)
{
    struct shard_header h = {.name = name,
                             .software = "latentmill test",
                             .demo = model == &embedded,
                             .seed = 42,
                             .caption_first = 0.8,
                             .patch = 2,
                             .n_encoders = 1,
                             .encoders = &taesd};

    if (model != NULL)
        h.tokenizer = (struct shard_tokenizer){.present = true,
                                               .kind = "sentencepiece",
                                               .special = "user_defined",
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
    check(tokenizer_encode(worker, text, len, &ids, &a.n_ids) == SHARD_OK, "encode");
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

static struct shard_tensor latent_of(uint32_t which, uint16_t data[static N_VALUES],
                                     uint32_t part, uint32_t rendition)
{
    for (size_t i = 0; i < N_VALUES; i++) {
        const float v = (float)value(which, i);
        shard_fp32_to_fp16(&v, &data[i], 1);
    }
    return (struct shard_tensor){.kind = SHARD_LATENT,
                                 .part = part,
                                 .owner = rendition,
                                 .encoder = VAE,
                                 .dtype = SHARD_FP16,
                                 .n_dims = 3,
                                 .dims = {CHANNELS, SIDE, SIDE},
                                 .data = data,
                                 .n_bytes = N_VALUES * sizeof(data[0])};
}

static struct shard_part text_part(uint32_t flags, const struct shard_alternative *a,
                                   size_t n)
{
    return (struct shard_part){.kind = SHARD_PART_TEXT,
                               .flags = flags,
                               .role = "",
                               .n_alternatives = n,
                               .alternatives = a};
}

static struct shard_part wide(uint32_t flags)
{
    return (struct shard_part){.kind = SHARD_PART_IMAGE,
                               .flags = flags,
                               .role = "",
                               .width = 500,
                               .height = 375,
                               .sha256 = {0xca, 0xfe, 0x01}};
}

static struct shard_part small(uint32_t flags)
{
    return (struct shard_part){.kind = SHARD_PART_IMAGE,
                               .flags = flags,
                               .role = "",
                               .width = 20,
                               .height = 30,
                               .sha256 = {0xbe, 0xef, 0x02}};
}

/* The middle square of either image. */
static struct shard_rendition square_of(uint32_t part, const struct shard_part *image)
{
    const bool is_wide = image->width > image->height;

    return (struct shard_rendition){.part = part,
                                    .target_width = 64,
                                    .target_height = 64,
                                    .crop = is_wide ? (struct shard_box){62, 0, 375, 375}
                                                    : (struct shard_box){0, 5, 20, 20},
                                    .content = {0, 0, 64, 64}};
}

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
    const struct shard_part parts[] = {
        text_part(SHARD_FLAG_LOSS, p->captions, p->n_captions),
        p->index % 2 == 0 ? wide(SHARD_FLAG_LOSS) : small(SHARD_FLAG_LOSS)};
    const struct shard_rendition rendition = square_of(1, &parts[1]);
    const struct shard_tensor tensor = latent_of((uint32_t)p->index, data, 1, 0);
    const struct shard_record r = {.key = p->key,
                                   .name = name,
                                   .index = p->index,
                                   .n_parts = 2,
                                   .parts = parts,
                                   .n_renditions = 1,
                                   .renditions = &rendition,
                                   .n_tensors = 1,
                                   .tensors = &tensor,
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

static struct shard_record other(const char *key, uint64_t index,
                                 const struct shard_part *parts, size_t n)
{
    return (struct shard_record){
        .key = key, .name = "deep/others", .index = index, .n_parts = n, .parts = parts};
}

static void make_of(struct shard_record *r, const struct shard_rendition *renditions,
                    size_t n_renditions, const struct shard_tensor *tensors,
                    size_t n_tensors)
{
    r->renditions = renditions;
    r->n_renditions = n_renditions;
    r->tensors = tensors;
    r->n_tensors = n_tensors;
}

static void append_document(struct shard_writer *w)
{
    const struct shard_alternative a = TEXT("text", "Once upon a time.", true);
    const struct shard_part part = text_part(SHARD_FLAG_LOSS, &a, 1);
    const struct shard_record r = other("document", 0, &part, 1);

    append(w, &r);
}

static void append_edit(struct shard_writer *w)
{
    uint16_t before[N_VALUES], after[N_VALUES];
    const struct shard_alternative a = TEXT("edit", "Make the ball green.", true);
    const struct shard_part parts[] = {wide(SHARD_FLAG_CONTEXT),
                                       text_part(SHARD_FLAG_CONTEXT, &a, 1),
                                       small(SHARD_FLAG_LOSS)};
    const struct shard_rendition renditions[] = {square_of(0, &parts[0]),
                                                 square_of(2, &parts[2])};
    const struct shard_tensor tensors[] = {latent_of(7, before, 0, 0),
                                           latent_of(8, after, 2, 1)};
    struct shard_record r = other("edit", 1, parts, 3);

    make_of(&r, renditions, 2, tensors, 2);
    append(w, &r);
}

/* A latent of fp32 and its log-variance, of a size that no patch window but 1 divides. */
static void append_logvar(struct shard_writer *w)
{
    enum { N = 4 * 3 * 5 };
    float mean[N], logvar[N];
    const struct shard_alternative a = TEXT("txt", "mean and log-variance", true);
    const struct shard_part parts[] = {text_part(SHARD_FLAG_LOSS, &a, 1),
                                       wide(SHARD_FLAG_LOSS)};
    const struct shard_rendition rendition = square_of(1, &parts[1]);
    struct shard_tensor tensors[2] = {{.kind = SHARD_LATENT,
                                       .part = 1,
                                       .encoder = VAE,
                                       .dtype = SHARD_FP32,
                                       .n_dims = 3,
                                       .dims = {4, 3, 5},
                                       .data = mean,
                                       .n_bytes = sizeof(mean)}};
    struct shard_record r = other("logvar", 2, parts, 2);

    for (size_t i = 0; i < N; i++) {
        mean[i] = (float)(value(1, i) / 3);
        logvar[i] = (float)(value(2, i) - 20);
    }
    tensors[1] = tensors[0];
    tensors[1].slot = SHARD_SLOT_LOGVAR;
    tensors[1].data = logvar;
    make_of(&r, &rendition, 1, tensors, 2);
    append(w, &r);
}

/* What a later version may add: kinds and a dtype without a name here. */
static void append_unknown(struct shard_writer *w)
{
    static const unsigned char bytes[5] = {9, 8, 7, 6, 5};
    const struct shard_alternative a[] = {
        {.kind = 3, .name = "spoken", .n_ids = SHARD_NO_IDS, .unknown = {"\x1b[2J", 4}}};
    const struct shard_part parts[] = {{.kind = 77,
                                        .flags = SHARD_FLAG_CONTEXT,
                                        .role = "sound",
                                        .unknown = {bytes, sizeof(bytes)}},
                                       text_part(SHARD_FLAG_LOSS, a, 1),
                                       small(SHARD_FLAG_LOSS)};
    const struct shard_rendition rendition = {
        .kind = 2, .part = 2, .unknown = {bytes, sizeof(bytes)}};
    const struct shard_tensor tensors[] = {{.kind = SHARD_CODES,
                                            .part = 2,
                                            .encoder = CODES,
                                            .dtype = SHARD_U16,
                                            .n_dims = 2,
                                            .dims = {0, 3},
                                            .n_bytes = 0},
                                           {.kind = 78,
                                            .part = 0,
                                            .owner = 12,
                                            .encoder = LATER,
                                            .dtype = 99,
                                            .n_dims = 1,
                                            .dims = {5},
                                            .data = bytes,
                                            .n_bytes = sizeof(bytes)}};
    struct shard_record r = other("unknown", 3, parts, 3);

    make_of(&r, &rendition, 1, tensors, 2);
    append(w, &r);
}

/* A conversation about an image, with every kind of tensor that is not a latent. */
static void append_rest(struct shard_writer *w)
{
    static const uint16_t codes[6] = {1, 2, 3, 4, 5, 65535}, mirrored[6] = {3, 2, 1};
    static const unsigned char png[5] = {0x89, 'P', 'N', 'G', 0};
    static const int32_t words[3] = {0, 7, 2147483647};
    float numbers[8];
    const struct shard_alternative a[] = {TEXT("q", "What is it?", true),
                                          TEXT("a", "A ball.", true),
                                          TEXT("b", "A green ball.", true)};
    struct shard_part parts[] = {
        text_part(SHARD_FLAG_CONTEXT, &a[0], 1),
        small(SHARD_FLAG_CONTEXT),
        text_part(SHARD_FLAG_LOSS, &a[1], 2),
        {.kind = SHARD_PART_DATA, .flags = SHARD_FLAG_CONTEXT, .role = "clip"}};
    const struct shard_rendition renditions[] = {square_of(1, &parts[1]),
                                                 {.part = 1,
                                                  .fit = SHARD_PAD,
                                                  .target_width = 48,
                                                  .target_height = 48,
                                                  .crop = {0, 0, 20, 30},
                                                  .content = {8, 0, 32, 48}},
                                                 {.part = 1,
                                                  .mirrored = true,
                                                  .fit = SHARD_STRETCH,
                                                  .target_width = 64,
                                                  .target_height = 64,
                                                  .crop = {0, 0, 20, 30},
                                                  .content = {0, 0, 64, 64}}};
#define TENSOR(the_encoder, the_kind, the_part, the_owner, the_dtype, values)            \
    .encoder = the_encoder, .kind = the_kind, .part = the_part, .owner = the_owner,      \
    .dtype = the_dtype, .data = values
    const struct shard_tensor tensors[] = {
        {TENSOR(CODES, SHARD_CODES, 1, 0, SHARD_U16, codes), .n_dims = 2, .dims = {2, 3},
         .n_bytes = sizeof(codes)},
        {TENSOR(CODES, SHARD_CODES, 1, 2, SHARD_U16, mirrored), .n_dims = 2,
         .dims = {2, 3}, .n_bytes = sizeof(mirrored), .slot = SHARD_SLOT_MIRRORED},
        {TENSOR(PIXELS, SHARD_PIXELS, 1, 1, SHARD_FILE, png), .n_dims = 3,
         .dims = {48, 48, 3}, .n_bytes = sizeof(png)},
        {TENSOR(STATES, SHARD_FEATURES, 0, 0, SHARD_FP32, numbers), .n_dims = 2,
         .dims = {2, 3}, .n_bytes = 24},
        {TENSOR(STATES, SHARD_FEATURES, 0, 0, SHARD_FP32, numbers), .n_dims = 1,
         .dims = {3}, .n_bytes = 12, .slot = 1 << SHARD_SLOT_OUTPUT_SHIFT},
        {TENSOR(WORDS, SHARD_IDS, 2, 1, SHARD_I32, words), .n_dims = 1, .dims = {3},
         .n_bytes = sizeof(words)},
        {TENSOR(VECTOR, SHARD_FEATURES, 3, SHARD_NONE, SHARD_FP32, numbers), .n_dims = 1,
         .dims = {8}, .n_bytes = 32}};
    struct shard_record r = other("rest", 4, parts, 4);

    parts[0].role = "user";
    parts[1].role = "user";
    parts[2].role = "assistant";
    for (size_t i = 0; i < 8; i++)
        numbers[i] = (float)value(3, i);
    make_of(&r, renditions, 3, tensors, sizeof(tensors) / sizeof(tensors[0]));
    append(w, &r);
}

static void write_others(char *path)
{
    struct shard_header h = header_of("deep/others", &own);

    h.n_encoders = N_ENCODERS;
    h.encoders = encoders;
    struct shard_writer *w = begin(&h, path);

    append_document(w);
    append_edit(w);
    append_logvar(w);
    append_unknown(w);
    append_rest(w);
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
    tokenizer_worker_free(worker);
    tokenizer_close(tokenizer);
    free(embedded.bytes);
    free(own.bytes);
    return 0;
}
