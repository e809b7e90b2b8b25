/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_many_parts.c - a record of as many tensors as one may have, of
 * thousands of parts: each part is shown and seen with its own draws, renditions and
 * tensors, in a time that grows with their number and not with its square. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "shard/draw.h"
#include "shard/file/format.h"
#include "shard/parts.h"
#include "shard/record_check.h"
#include "shard/sequence.h"
#include "shard/status.h"
#include "tools/dump/dump_sample.h"
#include "tools/view/record_view.h"

/* With two tensors each, as many of those as a record may have. */
enum {
    N_TENSORS = SHARD_MAX_TENSORS - 1,
    N_IMAGES = 10000,
    N_TEXTS = N_TENSORS / 2 - N_IMAGES
};

static const double one[] = {1}, zero[] = {0};
static const struct shard_encoder encoders[] = {
    {.name = "vae",
     .kind = "latent",
     .of = "image",
     .family = "none",
     .numerics = "direct-1",
     .moments = "mean",
     .channels = 4,
     .downscale = 8,
     .n_scale = 1,
     .scale_window = 1,
     .scale = one,
     .shift = zero},
    {.name = "states", .kind = "features", .of = "text", .family = "none"}};
static const struct shard_header header = {
    .name = "many",
    .seed = 7,
    .caption_first = 1,
    .patch = 2,
    .n_encoders = 2,
    .encoders = encoders,
    .tokenizer = {.present = true, .bos = -1, .eos = -1, .boi = 100, .eoi = 101}};

/* Texts of two alternatives of one id each, with features of both; behind them images,
 * plain and mirrored. */
struct many {
    struct shard_record rec;
    struct shard_part parts[N_TEXTS + N_IMAGES];
    struct shard_alternative alternatives[2 * N_TEXTS];
    struct shard_rendition renditions[2 * N_IMAGES];
    struct shard_tensor tensors[N_TENSORS];
};

static struct shard_tensor tensor_of(uint32_t encoder, size_t part, size_t owner)
{
    static const uint16_t zeros[16];

    return (struct shard_tensor){.kind = encoder == 0 ? SHARD_LATENT : SHARD_FEATURES,
                                 .part = (uint32_t)part,
                                 .owner = (uint32_t)owner,
                                 .encoder = encoder,
                                 .dtype = SHARD_FP16,
                                 .n_dims = encoder == 0 ? 3 : 1,
                                 .dims = {4, 2, 2},
                                 .data = zeros,
                                 .n_bytes = encoder == 0 ? 32 : 8};
}

/* All of one encoder stand before those of the next. */
static void add_images(struct many *m)
{
    static const struct shard_box all = {0, 0, 16, 16};

    for (size_t i = 0; i < N_IMAGES; i++) {
        m->parts[N_TEXTS + i] = (struct shard_part){.kind = SHARD_PART_IMAGE,
                                                    .flags = SHARD_FLAG_LOSS,
                                                    .role = "",
                                                    .width = 16,
                                                    .height = 16};
        for (size_t j = 0; j < 2; j++) {
            m->renditions[2 * i + j] =
                (struct shard_rendition){.part = (uint32_t)(N_TEXTS + i),
                                         .mirrored = j == 1,
                                         .target_width = 16,
                                         .target_height = 16,
                                         .crop = all,
                                         .content = all};
            m->tensors[2 * i + j] = tensor_of(0, N_TEXTS + i, 2 * i + j);
            m->tensors[2 * i + j].slot = j == 1 ? SHARD_SLOT_MIRRORED : 0;
        }
    }
}

static void add_texts(struct many *m)
{
    static const uint32_t ids[] = {10, 11};

    for (size_t i = 0; i < N_TEXTS; i++) {
        m->parts[i] = (struct shard_part){.kind = SHARD_PART_TEXT,
                                          .flags = SHARD_FLAG_LOSS,
                                          .role = "",
                                          .n_alternatives = 2,
                                          .alternatives = &m->alternatives[2 * i]};
        for (size_t j = 0; j < 2; j++) {
            m->alternatives[2 * i + j] = (struct shard_alternative){
                .name = "txt", .text = "a", .text_len = 1, .ids = &ids[j], .n_ids = 1};
            m->tensors[2 * N_IMAGES + 2 * i + j] = tensor_of(1, i, j);
        }
    }
}

static struct many *make_many(void)
{
    struct many *m = calloc(1, sizeof(*m));
    struct shard_row_size size;
    char why[200] = "";

    assert_non_null(m);
    add_images(m);
    add_texts(m);
    m->rec = (struct shard_record){.key = "k",
                                   .name = "many",
                                   .n_parts = N_TEXTS + N_IMAGES,
                                   .parts = m->parts,
                                   .n_renditions = 2 * (size_t)N_IMAGES,
                                   .renditions = m->renditions,
                                   .n_tensors = N_TENSORS,
                                   .tensors = m->tensors};
    if (shard_record_check(&m->rec, &header, &size, why, sizeof(why)) != SHARD_OK)
        fail_msg("%s", why);
    return m;
}

/* ---- what is shown ---- */

static char *dump(const struct many *m,
                  int (*print)(FILE *out, const struct dump_sample *s))
{
    struct dump_sample s = {.view = record_view(&header, &m->rec)};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_int_equal(dump_sample_read(&s), 0);
    assert_int_equal(print(out, &s), 0);
    dump_sample_clear(&s);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void tensors_are_of(const json_t *part, const char *encoder)
{
    const json_t *tensors = json_object_get(part, "tensors");

    assert_int_equal(json_array_size(tensors), 2);
    for (size_t j = 0; j < 2; j++) {
        const json_t *t = json_array_get(tensors, j);
        assert_string_equal(json_string_value(json_object_get(t, "encoder")), encoder);
        assert_int_equal(json_integer_value(json_object_get(t, "owner")), j);
    }
}

static void test_json(void **state)
{
    struct many *m = make_many();
    char *text = dump(m, dump_json_sample);
    json_t *root = json_loads(text, 0, NULL);
    const json_t *parts = json_object_get(root, "parts");

    (void)state;
    assert_int_equal(json_array_size(parts), m->rec.n_parts);
    for (size_t i = 0; i < N_TEXTS; i++) {
        const json_t *part = json_array_get(parts, i);
        const uint32_t drawn =
            i > 0 ? shard_draw_caption(i, "many", "k", 0, header.seed, 2) : 0;
        assert_int_equal(json_integer_value(json_object_get(part, "drawn")), drawn);
        tensors_are_of(part, "states");
    }
    for (size_t i = 0; i < N_IMAGES; i++) {
        const json_t *part = json_array_get(parts, N_TEXTS + i);
        const json_t *renditions = json_object_get(part, "renditions");
        assert_int_equal(json_array_size(renditions), 2);
        assert_true(
            json_is_true(json_object_get(json_array_get(renditions, 1), "mirrored")));
        tensors_are_of(part, "vae");
    }
    json_decref(root);
    free(text);
    free(m);
}

/* Lines that hold `what`. */
static size_t n_lines(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void test_text(void **state)
{
    struct many *m = make_many();
    char *text = dump(m, dump_text_sample);

    (void)state;
    assert_int_equal(n_lines(text, ": text, loss, 1 token\n"), N_TEXTS);
    assert_int_equal(n_lines(text, ", drawn: a\n"), N_TEXTS - 1);
    assert_int_equal(n_lines(text, ": states of txt 4 fp16, mean"), 2 * N_TEXTS);
    assert_int_equal(n_lines(text, ": image, loss\n"), N_IMAGES);
    assert_int_equal(n_lines(text, "\n  image "), N_IMAGES);
    assert_int_equal(n_lines(text, "\n  rendition "), 2 * N_IMAGES - 1);
    assert_int_equal(n_lines(text, "\n  latent "), 1);
    assert_int_equal(n_lines(text, ": vae of rendition 0, 4 x 2 x 2 fp16, mean"),
                     N_IMAGES - 1);
    assert_int_equal(n_lines(text, ": vae mirrored of rendition 1, 4 x 2 x 2 fp16, mean"),
                     N_IMAGES);
    free(text);
    free(m);
}

/* ---- what is seen ---- */

/* All but the last text and the last image twice. */
static void test_sequence(void **state)
{
    static const struct shard_appearance twice[] = {{.row_end = -1, .markers = true},
                                                    {.row_end = -1, .markers = true}};
    static const struct shard_rule rules[] = {
        {.part = SHARD_PART_TEXT,
         .flag = SHARD_ANY,
         .last = true,
         .n_see = 1,
         .see = twice},
        {.part = SHARD_PART_TEXT, .flag = SHARD_ANY, .n_see = 2, .see = twice},
        {.part = SHARD_PART_IMAGE,
         .flag = SHARD_ANY,
         .last = true,
         .n_see = 1,
         .see = twice},
        {.part = SHARD_PART_IMAGE, .flag = SHARD_ANY, .n_see = 2, .see = twice}};
    static const struct shard_plan plan = {.n_rules = 4, .rules = rules};
    const struct shard_view view = {.header = &header, .plan = &plan, .window = 2};
    struct many *m = make_many();
    struct shard_draws draws;
    struct shard_sequence seq;

    (void)state;
    assert_int_equal(shard_draws_stored(&draws, &m->rec, header.seed), SHARD_OK);
    assert_int_equal(shard_sequence_build(&view, &m->rec, &draws, &seq), SHARD_OK);
    assert_int_equal(seq.n_spans, 2 * N_TEXTS - 1 + 2 * N_IMAGES - 1);
    assert_int_equal(seq.length, 2 * N_TEXTS - 1 + 3 * (2 * N_IMAGES - 1));
    for (size_t i = 0; i < seq.n_spans; i++) {
        const struct shard_span *span = &seq.spans[i];
        const size_t part = i < 2 * N_TEXTS - 1 ? i / 2 : (i + 1) / 2;
        assert_int_equal(span->part, part);
        if (part < N_TEXTS)
            assert_int_equal(seq.tokens[span->offset], 10 + draws.of_part[part]);
        else
            assert_int_equal(span->tensor, 2 * (part - N_TEXTS) + draws.of_part[part]);
    }
    shard_sequence_clear(&seq);
    shard_draws_clear(&draws);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_sequence),
    };

    return cmocka_run_group_tests_name("many_parts", tests, NULL, NULL);
}
