/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/write_parts.c - a shard of records that are spelled out.
 *
 *     write_parts FILE NAME [+ENCODER] RECORD...
 *
 * A RECORD is words, one a part: a letter for its kind, letters for its encoders, and
 * behind a colon its role. "Iv:source T Iv:target" is an edit of latents.
 *
 *     T   text of two alternatives with ids; Tn: without ids
 *     I   image: v latent fp16 (4,8,8)        w latent bf16 (2,16,16), scaled by windows
 *                m latent fp32, log-variance  c codes u16 (3,5)
 *                f features of two outputs    p pixels, a file
 *                h latent fp32 under v's name
 *         a capital letter: the mirror image too
 *     D   data: d features fp32 (7), e codes i32 (2)
 *     L   a part of a later version
 *
 * +ENCODER renames v, so that names can meet. The same bytes every time. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/float16.h"
#include "shard/parts.h"
#include "shard/status.h"
#include "shard/writer.h"

enum { MOST = 8192, VALUES = 512 };

static const double one[] = {0.5}, shift[] = {-1.25};
static const double windows[] = {0.5, 1, 2, 4, 0.25, 3, 1.5, 0.125};
static const char *const outputs[] = {"patches", "Odd Name"};

static struct shard_encoder encoders[] = {
    {.name = "vae",
     .kind = "latent",
     .of = "image",
     .family = "Net",
     .channels = 4,
     .downscale = 8,
     .n_scale = 1,
     .scale = one,
     .shift = shift,
     .scale_window = 1,
     .moments = "mean"},
    {.name = "wide",
     .kind = "latent",
     .of = "image",
     .family = "Net",
     .channels = 2,
     .downscale = 8,
     .n_scale = 8,
     .scale = windows,
     .shift = windows,
     .scale_window = 2,
     .moments = "mean"},
    {.name = "moments",
     .kind = "latent",
     .of = "image",
     .family = "Net",
     .channels = 4,
     .downscale = 8,
     .n_scale = 1,
     .scale = one,
     .shift = shift,
     .scale_window = 1,
     .moments = "mean+logvar"},
    {.name = "vq.512",
     .kind = "codes",
     .of = "image",
     .family = "Net",
     .codebook = 512,
     .id_offset = 5000},
    {.name = "dino",
     .kind = "features",
     .of = "image",
     .family = "Net",
     .n_outputs = 2,
     .outputs = outputs},
    {.name = "jpeg", .kind = "pixels", .of = "image", .family = "jpeg", .codec = "jpeg"},
    {.name = "depth", .kind = "features", .of = "data", .family = "npy"},
    {.name = "boxes", .kind = "codes", .of = "data", .family = "npy", .codebook = 9}};
enum { VAE, WIDE, MOMENTS, CODES, DINO, JPEG, DEPTH, BOXES, N_ENCODERS };

/* The record in hand. */
static struct shard_part parts[MOST];
static struct shard_rendition renditions[MOST];
static struct shard_tensor tensors[MOST];
static unsigned char data[MOST][VALUES * 4];
static struct shard_alternative alternatives[MOST];
static char texts[MOST][40], roles[MOST][40];
static struct shard_record rec;
static size_t n_alternatives;
static uint32_t state;

static uint32_t next(void)
{
    state = state * 1664525 + 1013904223;
    return state >> 16;
}

static void add_text(struct shard_part *p, bool ids)
{
    static const uint32_t some[] = {7, 8, 9, 10};

    p->n_alternatives = 2;
    p->alternatives = &alternatives[n_alternatives];
    for (int i = 0; i < 2; i++) {
        struct shard_alternative *a = &alternatives[n_alternatives];
        char *text = texts[n_alternatives++];
        *a = (struct shard_alternative){.name = i == 0 ? "txt" : "json.captions[0]",
                                        .text = text,
                                        .ids = some,
                                        .n_ids = ids ? 1 + next() % 4 : SHARD_NO_IDS};
        a->text_len = (size_t)snprintf(text, sizeof(texts[0]), "gr\xC3\xBCn %u of %zu",
                                       next() % 1000, rec.n_parts);
    }
}

static void fill(struct shard_tensor *t)
{
    float floats[VALUES];
    size_t n = 1;

    for (uint32_t i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    for (size_t i = 0; i < n; i++)
        floats[i] = (float)((int)(next() % 2001) - 1000) / 250.0f;
    unsigned char *out = data[rec.n_tensors];
    if (t->dtype == SHARD_FP16)
        shard_fp32_to_fp16(floats, (uint16_t *)(void *)out, n);
    else if (t->dtype == SHARD_BF16)
        shard_fp32_to_bf16(floats, (uint16_t *)(void *)out, n);
    else if (t->dtype == SHARD_FP32)
        memcpy(out, floats, n * 4);
    else
        for (size_t i = 0; i < n; i++) /* little-endian, below 9 */
            out[i * shard_dtype_width(t->dtype)] = (unsigned char)(next() % 9);
    t->n_bytes = n * shard_dtype_width(t->dtype);
    t->data = out;
}

static struct shard_tensor *add_tensor(uint32_t encoder, uint32_t owner,
                                       struct shard_tensor t)
{
    t.kind = shard_kind_number(encoders[encoder].kind);
    t.encoder = encoder;
    t.part = (uint32_t)rec.n_parts - 1;
    t.owner = owner;
    memset(data[rec.n_tensors], 0, sizeof(data[0]));
    if (t.dtype != SHARD_FILE)
        fill(&t);
    tensors[rec.n_tensors] = t;
    return &tensors[rec.n_tensors++];
}

static void add_of_image(char letter, uint32_t owner, uint32_t slot)
{
    struct shard_tensor latent = {
        .slot = slot, .dtype = SHARD_FP16, .n_dims = 3, .dims = {4, 8, 8}};
    struct shard_tensor other = {
        .slot = slot, .dtype = SHARD_U16, .n_dims = 2, .dims = {3, 5}};

    switch (letter) {
    case 'w':
        latent.dtype = SHARD_BF16;
        latent.dims[0] = 2, latent.dims[1] = latent.dims[2] = 16;
        add_tensor(WIDE, owner, latent);
        break;
    case 'm':
        latent.dtype = SHARD_FP32;
        add_tensor(MOMENTS, owner, latent);
        latent.slot |= SHARD_SLOT_LOGVAR;
        add_tensor(MOMENTS, owner, latent);
        break;
    case 'c':
        add_tensor(CODES, owner, other);
        break;
    case 'f':
        other.dtype = SHARD_FP16;
        add_tensor(DINO, owner, other);
        other.dtype = SHARD_FP32;
        other.n_dims = 1;
        other.slot |= 1 << SHARD_SLOT_OUTPUT_SHIFT;
        add_tensor(DINO, owner, other);
        break;
    case 'p':
        other.dtype = SHARD_FILE;
        other.n_dims = 3;
        other.dims[2] = 3;
        struct shard_tensor *t = add_tensor(JPEG, owner, other);
        t->data = data[rec.n_tensors - 1];
        t->n_bytes = 3 + (size_t)snprintf((char *)data[rec.n_tensors - 1], 40,
                                          "\xFF\xD8\xFF no picture %u", next());
        break;
    default:
        latent.dtype = letter == 'h' ? SHARD_FP32 : SHARD_FP16;
        add_tensor(VAE, owner, latent);
    }
}

/* Of one side length, mirrored or not: those of the letters that want it. */
static void add_rendition(const char *wanted, size_t n, bool mirrored, bool wide)
{
    struct shard_rendition r = {.part = (uint32_t)rec.n_parts - 1, .mirrored = mirrored};
    const size_t before = rec.n_tensors;

    r.target_width = r.target_height = wide ? 128 : 64;
    r.crop = wide ? (struct shard_box){0, 0, 640, 480}
                  : (struct shard_box){80 + mirrored, 0, 470, 480};
    r.content = (struct shard_box){0, 0, r.target_width, r.target_height};
    for (size_t i = 0; i < n; i++)
        if ((tolower(wanted[i]) == 'w') == wide && (!mirrored || isupper(wanted[i])))
            add_of_image((char)tolower(wanted[i]), (uint32_t)rec.n_renditions,
                         mirrored ? SHARD_SLOT_MIRRORED : 0);
    if (rec.n_tensors > before)
        renditions[rec.n_renditions++] = r;
}

static void add_image(struct shard_part *p, const char *wanted, size_t n)
{
    p->width = 640;
    p->height = 480 + next() % 9;
    for (size_t i = 0; i < sizeof(p->sha256); i++)
        p->sha256[i] = (unsigned char)next();
    for (int i = 0; i < 4; i++)
        add_rendition(wanted, n, i / 2 == 1, i % 2 == 1);
}

static void add_data(const char *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_tensor(
            wanted[i] == 'd' ? DEPTH : BOXES, SHARD_NONE,
            wanted[i] == 'd'
                ? (struct shard_tensor){.dtype = SHARD_FP32, .n_dims = 1, .dims = {7}}
                : (struct shard_tensor){.dtype = SHARD_I32, .n_dims = 1, .dims = {2}});
}

static void add_part(const char *word, size_t len)
{
    const char *colon = memchr(word, ':', len);
    const size_t n = colon != NULL ? (size_t)(colon - word) : len;
    struct shard_part *p = &parts[rec.n_parts++];

    *p = (struct shard_part){.flags = rec.n_parts % 3 == 0 ? SHARD_FLAG_LOSS
                                                           : SHARD_FLAG_CONTEXT,
                             .role = roles[rec.n_parts]};
    snprintf(roles[rec.n_parts], sizeof(roles[0]), "%.*s",
             colon != NULL ? (int)(len - n - 1) : 0, colon != NULL ? colon + 1 : "");
    p->kind = word[0] == 'T'   ? SHARD_PART_TEXT
              : word[0] == 'I' ? SHARD_PART_IMAGE
              : word[0] == 'D' ? SHARD_PART_DATA
                               : 77;
    if (word[0] == 'T')
        add_text(p, n < 2);
    else if (word[0] == 'I')
        add_image(p, word + 1, n - 1);
    else if (word[0] == 'D')
        add_data(word + 1, n - 1);
}

static void make(const char *name, const char *words, uint32_t number)
{
    static char key[40];

    snprintf(key, sizeof(key), "dir/%u.x", number);
    state = number + 1;
    n_alternatives = 0;
    rec = (struct shard_record){.key = key,
                                .name = name,
                                .index = number,
                                .parts = parts,
                                .renditions = renditions,
                                .tensors = tensors,
                                .metadata = "{\"a\": 1}",
                                .metadata_len = 8};
    for (const char *at = words; *at != '\0';) {
        const size_t len = strcspn(at, " ");
        add_part(at, len);
        at += len + (at[len] == ' ');
    }
    qsort(tensors, rec.n_tensors, sizeof(*tensors), shard_tensor_compare);
    rec.caption_drawn = n_alternatives > 0 ? number % 2 : 0;
}

static int path_of(void *ctx, uint32_t part, char *path, size_t cap)
{
    const int n = snprintf(path, cap, "%s", (const char *)ctx);

    return part == 0 && n > 0 && (size_t)n < cap ? 0 : -1;
}

int main(int argc, char **argv)
{
    const int first = argc > 3 && argv[3][0] == '+' ? 4 : 3;
    struct shard_writer *w = NULL;

    if (argc <= first) {
        fprintf(stderr, "usage: write_parts FILE NAME [+ENCODER] RECORD...\n");
        return 2;
    }
    for (size_t i = 0; i < N_ENCODERS; i++) {
        encoders[i].numerics = "direct-1";
        encoders[i].quality = -1;
    }
    if (first == 4)
        encoders[VAE].name = argv[3] + 1;
    const struct shard_header header = {.name = argv[2],
                                        .software = "latentmill test",
                                        .seed = 7,
                                        .caption_first = 0.8,
                                        .patch = 2,
                                        .n_encoders = N_ENCODERS,
                                        .encoders = encoders};
    const struct shard_writer_options options = {
        .header = &header, .path = path_of, .ctx = argv[1]};
    int rc = shard_writer_open(&w, &options);
    for (int i = first; i < argc && rc == SHARD_OK; i++) {
        make(argv[2], argv[i], (uint32_t)(i - first));
        rc = shard_writer_append(w, &rec);
    }
    if (rc == SHARD_OK)
        rc = shard_writer_finish(w);
    if (rc < 0)
        fprintf(stderr, "write_parts: %s\n", shard_writer_why(w));
    shard_writer_close(w);
    return rc == SHARD_OK ? 0 : 1;
}
