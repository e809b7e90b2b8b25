/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_sequence.c - both orders, windows, plans, spans and masks.
 *
 * Expected sequences are written as words: '<' BOS, '>' EOS, '[' BOI, ']' EOI, '.' a
 * position that is no token, 'a', 'b', ... ids 97, 98, ...; the mask below has '1' where
 * a loss is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shard/sequence.h"
#include "shard/status.h"

static const uint32_t ids[3] = {'a', 'b', 'c'};
static const uint32_t more_ids[2] = {'d', 'e'};
static const struct shard_alternative captions[2] = {
    {.name = "txt", .text = "", .ids = ids, .n_ids = 3},
    {.name = "cap", .text = "", .ids = more_ids, .n_ids = 2}};
static const struct shard_alternative untokenized = {
    .name = "txt", .text = "x", .text_len = 1, .n_ids = SHARD_NO_IDS};

enum { VAE, MOMENTS, CODES, MAPPED, FEATURES, PIXELS, WORDS, VECTOR, WAVES, N_ENCODERS };
static const uint32_t id_map[4] = {'Z', 'Y', 'X', 'W'};
static const struct shard_encoder encoders[N_ENCODERS] = {
    {.name = "vae", .kind = "latent", .of = "image", .moments = "mean"},
    {.name = "moments", .kind = "latent", .of = "image", .moments = "mean+logvar"},
    {.name = "codes", .kind = "codes", .of = "image", .codebook = 8, .id_offset = 'p'},
    {.name = "mapped", .kind = "codes", .of = "image", .codebook = 4, .id_map = id_map},
    {.name = "features", .kind = "features", .of = "image"},
    {.name = "pixels", .kind = "pixels", .of = "image"},
    {.name = "words", .kind = "ids", .of = "text"},
    {.name = "vector", .kind = "features", .of = "data"},
    {.name = "waves", .kind = "waves", .of = "image"}};
static const struct shard_header header = {.patch = 2,
                                           .tokenizer = {.present = true,
                                                         .n_pieces = 256,
                                                         .bos = '<',
                                                         .eos = '>',
                                                         .boi = '[',
                                                         .eoi = ']'},
                                           .n_encoders = N_ENCODERS,
                                           .encoders = encoders};

/* A record of at most four parts and eight tensors, of which each image has one rendition
 * or two, the second mirrored; and how it is looked at. */
struct fixture {
    struct shard_header header;
    struct shard_part parts[4];
    struct shard_tensor tensors[8];
    struct shard_record rec;
    uint32_t drawn[4];
    struct shard_draws draws;
    struct shard_plan *plan;
    struct shard_view view;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.header = header};
    f->rec = (struct shard_record){.parts = f->parts, .tensors = f->tensors};
    f->draws.of_part = f->drawn;
    f->view = (struct shard_view){
        .header = &f->header, .plan = shard_plan_default(), .window = 2};
}

static void use_plan(struct fixture *f, const char *json)
{
    char why[200] = "";

    shard_plan_free(f->plan);
    if (shard_plan_from_json(json, strlen(json), &f->plan, why, sizeof(why)) != SHARD_OK)
        fail_msg("%s", why);
    f->view.plan = f->plan;
}

static void add_part(struct fixture *f, uint32_t kind, uint32_t flags, const char *role)
{
    f->parts[f->rec.n_parts++] =
        (struct shard_part){.kind = kind,
                            .flags = flags,
                            .role = role,
                            .n_alternatives = kind == SHARD_PART_TEXT ? 2 : 0,
                            .alternatives = captions};
}

static void add_text(struct fixture *f, uint32_t flags)
{
    add_part(f, SHARD_PART_TEXT, flags, "");
}

/* Of the last part. Callers add in the order of rows. */
static struct shard_tensor *add_tensor(struct fixture *f, uint32_t kind, uint32_t encoder,
                                       uint32_t n_dims, uint32_t a, uint32_t b)
{
    struct shard_tensor *t = &f->tensors[f->rec.n_tensors++];

    *t = (struct shard_tensor){.kind = kind,
                               .part = (uint32_t)f->rec.n_parts - 1,
                               .encoder = encoder,
                               .n_dims = n_dims,
                               .dims = {a, b, 3}};
    if (kind == SHARD_LATENT)
        memcpy(t->dims, (const uint32_t[]){4, a, b}, 3 * sizeof(a));
    return t;
}

static void add_image(struct fixture *f, uint32_t flags, uint32_t height, uint32_t width)
{
    add_part(f, SHARD_PART_IMAGE, flags, "");
    add_tensor(f, SHARD_LATENT, VAE, 3, height, width);
}

/* A pair of one text and one latent. */
static void begin_pair(struct fixture *f, uint32_t height, uint32_t width)
{
    begin(f);
    add_text(f, SHARD_FLAG_LOSS);
    add_image(f, SHARD_FLAG_LOSS, height, width);
}

static void draw(struct fixture *f, enum shard_order order, uint32_t caption)
{
    f->draws.order = order;
    f->drawn[0] = caption;
}

static void expect(struct fixture *f, const char *tokens, const char *loss)
{
    struct shard_sequence seq;
    size_t length;

    assert_int_equal(shard_sequence_build(&f->view, &f->rec, &f->draws, &seq), SHARD_OK);
    assert_int_equal(shard_sequence_length(&f->view, &f->rec, &f->draws, &length),
                     SHARD_OK);
    assert_int_equal(seq.length, strlen(tokens));
    assert_int_equal(length, seq.length);
    assert_int_equal(seq.length, strlen(loss));
    for (size_t i = 0; i < seq.length; i++) {
        assert_int_equal(seq.tokens[i], tokens[i] == '.' ? 0 : tokens[i]);
        assert_int_equal(seq.loss[i], loss[i] - '0');
    }
    size_t end = 0;
    for (size_t i = 0; i < seq.n_spans; i++) {
        const struct shard_span *span = &seq.spans[i];
        assert_true(span->offset >= end && span->offset + span->length <= seq.length);
        assert_true(span->part < f->rec.n_parts);
        for (; end < span->offset; end++) /* markers are no one's */
            assert_non_null(strchr("<>[]", tokens[end]));
        end = span->offset + span->length;
    }
    shard_sequence_clear(&seq);
}

static void refuse(struct fixture *f)
{
    struct shard_sequence seq;
    size_t length;

    assert_int_equal(shard_sequence_build(&f->view, &f->rec, &f->draws, &seq),
                     SHARD_EINVAL);
    assert_null(seq.tokens);
    shard_sequence_clear(&seq);
    assert_int_equal(shard_sequence_length(&f->view, &f->rec, &f->draws, &length),
                     SHARD_EINVAL);
}

static void test_pair(void **state)
{
    struct fixture f;

    (void)state;
    begin_pair(&f, 4, 4);
    expect(&f, "<abc[....]>", "11110000010");
    draw(&f, SHARD_IMAGE_FIRST, 0);
    expect(&f, "<[....]abc>", "10000011110");
    draw(&f, SHARD_CAPTION_FIRST, 1);
    f.view.window = 4;
    expect(&f, "<de[.]>", "1110010");
    draw(&f, SHARD_IMAGE_FIRST, 1);
    f.view.window = 1;
    expect(&f, "<[................]de>", "1000000000000000001110");
}

static void test_windows_and_grids(void **state)
{
    struct fixture f;
    struct shard_sequence seq;

    (void)state;
    begin_pair(&f, 8, 16);
    for (uint32_t k = 1; k <= 8; k *= 2) {
        f.view.window = k;
        assert_int_equal(shard_sequence_build(&f.view, &f.rec, &f.draws, &seq), SHARD_OK);
        assert_int_equal(seq.n_spans, 2);
        assert_int_equal(seq.spans[0].kind, 0);
        assert_int_equal(seq.spans[1].kind, SHARD_LATENT);
        assert_int_equal(seq.spans[1].rows, 8 / k);
        assert_int_equal(seq.spans[1].cols, 16 / k);
        assert_int_equal(seq.spans[1].offset, 5);
        assert_int_equal(seq.spans[1].part, 1);
        assert_int_equal(seq.spans[1].tensor, 0);
        assert_int_equal(seq.length, 7 + 8 * 16 / k / k);
        shard_sequence_clear(&seq);
    }
    static const uint32_t impossible[] = {3, 0, 16};
    for (size_t i = 0; i < 3; i++) {
        f.view.window = impossible[i];
        refuse(&f);
    }
    begin_pair(&f, 4, 6);
    f.view.window = 4;
    refuse(&f);
}

static void test_without_bos_and_eos(void **state)
{
    struct fixture f;

    (void)state;
    begin_pair(&f, 2, 4);
    f.header.tokenizer.bos = f.header.tokenizer.eos = -1;
    expect(&f, "abc[..]", "1110000");
    draw(&f, SHARD_IMAGE_FIRST, 0);
    expect(&f, "[..]abc", "0001110");
}

static void test_document(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    add_text(&f, SHARD_FLAG_LOSS);
    draw(&f, SHARD_IMAGE_FIRST, 0);
    expect(&f, "<abc>", "11110");
    draw(&f, SHARD_CAPTION_FIRST, 2);
    refuse(&f);
}

static void test_mean_and_logvar_are_one_image(void **state)
{
    struct fixture f;

    (void)state;
    begin_pair(&f, 2, 2);
    f.header.encoders = &encoders[MOMENTS];
    f.header.n_encoders = 1;
    add_tensor(&f, SHARD_LATENT, 0, 3, 2, 2)->slot = SHARD_SLOT_LOGVAR;
    expect(&f, "<abc[.]>", "11110010");
    draw(&f, SHARD_IMAGE_FIRST, 0);
    expect(&f, "<[.]abc>", "10011110");
    add_image(&f, SHARD_FLAG_LOSS, 2, 2); /* two images: no pair, as stored */
    expect(&f, "<abc[.][.]>", "11110010010");
}

/* Instruction and source are context: none of their tokens, nor the source's BOI, is a
 * target; the result's BOI is. */
static void test_edit_example(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    add_image(&f, SHARD_FLAG_CONTEXT, 2, 2);
    add_text(&f, SHARD_FLAG_CONTEXT);
    add_image(&f, SHARD_FLAG_LOSS, 2, 2);
    expect(&f, "<[.]abc[.]>", "00000010010");
    draw(&f, SHARD_IMAGE_FIRST, 0); /* no pair: no order */
    expect(&f, "<[.]abc[.]>", "00000010010");
}

static void test_what_has_no_sequence(void **state)
{
    struct fixture f;

    (void)state;
    begin_pair(&f, 2, 2);
    draw(&f, SHARD_CAPTION_FIRST, 2);
    refuse(&f);
    draw(&f, SHARD_CAPTION_FIRST, 0);
    f.header.tokenizer.present = false;
    refuse(&f);
    f.header.tokenizer.present = true;
    f.parts[0].alternatives = &untokenized;
    f.parts[0].n_alternatives = 1;
    refuse(&f);
    begin_pair(&f, 2, 2);
    add_part(&f, 77, SHARD_FLAG_CONTEXT, "");
    refuse(&f);
    begin_pair(&f, 1u << 31, 1u << 31);
    f.view.window = 1;
    refuse(&f);
}

/* ---- plans ---- */

static void test_an_image_that_is_not_there(void **state)
{
    struct fixture f;

    (void)state;
    begin_pair(&f, 2, 2);
    f.rec.n_tensors = 0;
    expect(&f, "<abc>", "11110");
    add_tensor(&f, SHARD_LATENT, MOMENTS, 3, 2, 2); /* not the default one */
    expect(&f, "<abc>", "11110");
}

static void test_mirrored(void **state)
{
    struct fixture f;
    struct shard_sequence seq;
    struct shard_tensor *t;

    (void)state;
    begin_pair(&f, 2, 2);
    t = add_tensor(&f, SHARD_LATENT, VAE, 3, 2, 4);
    t->owner = 1;
    t->slot = SHARD_SLOT_MIRRORED;
    expect(&f, "<abc[.]>", "11110010");
    f.drawn[1] = 1;
    expect(&f, "<abc[..]>", "111100010");
    assert_int_equal(shard_sequence_build(&f.view, &f.rec, &f.draws, &seq), SHARD_OK);
    assert_int_equal(seq.spans[1].tensor, 1);
    shard_sequence_clear(&seq);
    f.rec.n_tensors = 1; /* there is only one */
    expect(&f, "<abc[.]>", "11110010");
}

/* Between codes, from BOI to the first and from the last to EOI there are labels. */
static void test_codes(void **state)
{
    static const uint16_t values[4] = {0, 1, 2, 3};
    static const uint32_t wide[3] = {3, 0, 8};
    struct fixture f;
    struct shard_tensor *t;

    (void)state;
    begin(&f);
    add_text(&f, SHARD_FLAG_LOSS);
    add_part(&f, SHARD_PART_IMAGE, SHARD_FLAG_LOSS, "");
    t = add_tensor(&f, SHARD_CODES, CODES, 2, 2, 2);
    t->dtype = SHARD_U16;
    t->n_bytes = sizeof(values);
    t->data = values;
    use_plan(&f, "{\"rules\":[{\"part\":\"text\",\"see\":[{}]},{\"part\":\"image\","
                 "\"see\":[{\"encoder\":\"codes\"}]}]}");
    expect(&f, "<abc[pqrs]>", "11111111110");
    f.parts[1].flags = SHARD_FLAG_CONTEXT;
    expect(&f, "<abc[pqrs]>", "11100000010");
    use_plan(&f, "{\"rules\":[{\"part\":\"text\",\"see\":[{}]},{\"part\":\"image\","
                 "\"see\":[{\"encoder\":\"codes\",\"row_end\":33,\"markers\":false}]}]}");
    f.parts[1].flags = SHARD_FLAG_LOSS;
    expect(&f, "<abcpq!rs!>", "11111111110");
    use_plan(&f, "{\"rules\":[{\"part\":\"text\",\"see\":[{}]},{\"part\":\"image\","
                 "\"see\":[{\"encoder\":\"codes\",\"size\":{\"height\":64,"
                 "\"width\":96,\"unit\":2}}]}]}");
    expect(&f, "<abc[Aapqrs]>", "1111111111110");
    f.parts[1].flags = SHARD_FLAG_CONTEXT;
    expect(&f, "<abc[Aapqrs]>", "1110000000010");
    f.parts[1].flags = SHARD_FLAG_LOSS;
    t->encoder = MAPPED;
    use_plan(&f,
             "{\"ends\":\"text\",\"rules\":[{\"part\":\"text\",\"see\":[{}]},"
             "{\"part\":\"image\",\"see\":[{\"encoder\":\"mapped\",\"loss\":false}]}]}");
    expect(&f, "<abc>[ZYXW]", "11110000000");
    t->n_dims = 1; /* without row ends */
    t->dims[0] = 3;
    t->dtype = SHARD_U32;
    t->data = wide;
    t->n_bytes = sizeof(wide);
    size_t length;
    assert_int_equal(shard_sequence_length(&f.view, &f.rec, &f.draws, &length), SHARD_OK);
    assert_int_equal(length, 10);
    struct shard_sequence seq; /* 8 is above the codebook */
    assert_int_equal(shard_sequence_build(&f.view, &f.rec, &f.draws, &seq), SHARD_EINVAL);
    t->data = NULL;
    assert_int_equal(shard_sequence_build(&f.view, &f.rec, &f.draws, &seq), SHARD_EINVAL);
    shard_plan_free(f.plan);
}

/* Ids of a further tokenizer are token ids: none is above the limit. */
static void test_an_id_too_large(void **state)
{
    static const uint32_t most[1] = {INT32_MAX}, more[1] = {UINT32_C(1) << 31};
    struct shard_sequence seq;
    struct fixture f;
    char why[200];

    (void)state;
    begin(&f);
    add_text(&f, SHARD_FLAG_LOSS);
    struct shard_tensor *t = add_tensor(&f, SHARD_IDS, WORDS, 1, 1, 0);
    t->dtype = SHARD_U32;
    t->data = most;
    t->n_bytes = sizeof(most);
    use_plan(&f, "{\"ends\":\"sequence\",\"rules\":[{\"part\":\"text\","
                 "\"see\":[{\"encoder\":\"words\"}]}]}");
    assert_int_equal(shard_sequence_build(&f.view, &f.rec, &f.draws, &seq), SHARD_OK);
    assert_int_equal(seq.tokens[1], INT32_MAX);
    shard_sequence_clear(&seq);
    t->data = more;
    assert_int_equal(shard_sequence_build(&f.view, &f.rec, &f.draws, &seq), SHARD_EINVAL);
    shard_sequence_explain(&f.view, &f.rec, &f.draws, why, sizeof(why));
    assert_non_null(strstr(why, "or above 2147483647"));
    shard_plan_free(f.plan);
}

/* Around each text: also where another encoder's ids are its tokens. */
static void test_ends_of_texts(void **state)
{
    static const uint32_t words[2] = {'x', 'y'};
    struct shard_measure m;
    struct fixture f;

    (void)state;
    begin(&f);
    add_text(&f, SHARD_FLAG_LOSS);
    struct shard_tensor *t = add_tensor(&f, SHARD_IDS, WORDS, 1, 2, 0);
    t->dtype = SHARD_U32;
    t->data = words;
    t->n_bytes = sizeof(words);
    use_plan(&f, "{\"ends\":\"text\",\"rules\":[{\"part\":\"text\","
                 "\"see\":[{},{\"encoder\":\"words\",\"loss\":false},"
                 "{\"encoder\":\"words\"}]}]}");
    expect(&f, "<abc><xy><xy>", "1111000001110");
    assert_int_equal(shard_sequence_measure(&f.view, &f.rec, &m), SHARD_OK);
    assert_int_equal(m.length[0], 2); /* tensors are of what is drawn, too */
    shard_plan_free(f.plan);
}

/* BAGEL's: an image noised, clean, and as features; pixels; ids of another tokenizer. */
static void test_several_appearances(void **state)
{
    static const uint32_t words[2] = {'x', 'y'};
    struct fixture f;
    struct shard_sequence seq;
    struct shard_tensor *t;

    (void)state;
    begin_pair(&f, 4, 4);
    add_tensor(&f, SHARD_FEATURES, FEATURES, 2, 3, 8);
    add_tensor(&f, SHARD_FEATURES, FEATURES, 1, 8, 0)->slot = 1
                                                              << SHARD_SLOT_OUTPUT_SHIFT;
    add_tensor(&f, SHARD_PIXELS, PIXELS, 3, 8, 4);
    t = add_tensor(&f, SHARD_IDS, WORDS, 1, 2, 0);
    t->part = 0;
    t->owner = 1;
    t->dtype = SHARD_U32;
    t->data = words;
    t->n_bytes = sizeof(words);
    use_plan(&f, "{\"rules\":[{\"part\":\"text\",\"see\":[{},{\"encoder\":\"words\"}]},"
                 "{\"part\":\"image\",\"see\":[{\"visible\":false},"
                 "{\"loss\":false,\"advance\":false,\"markers\":false,\"window\":4},"
                 "{\"encoder\":\"features\",\"markers\":false},"
                 "{\"encoder\":\"features\",\"output\":1,\"markers\":false},"
                 "{\"encoder\":\"features\",\"output\":2,\"markers\":false},"
                 "{\"encoder\":\"pixels\",\"window\":4,\"loss\":false}]}]}");
    expect(&f, "<abc[....].....[..]>", "11110000000000000010"); /* no ids of caption 0 */
    draw(&f, SHARD_CAPTION_FIRST, 1);
    expect(&f, "<dexy[....].....[..]>", "111110000000000000010");
    assert_int_equal(shard_sequence_build(&f.view, &f.rec, &f.draws, &seq), SHARD_OK);
    assert_int_equal(seq.n_spans, 7);
    assert_int_equal(seq.spans[1].kind, SHARD_IDS);
    assert_true(seq.spans[2].loss && !seq.spans[2].visible && seq.spans[2].advance);
    assert_true(!seq.spans[3].loss && seq.spans[3].visible && !seq.spans[3].advance);
    assert_int_equal(seq.spans[3].length, 1);
    assert_int_equal(seq.spans[4].length, 3);
    assert_int_equal(seq.spans[5].length, 1);
    assert_int_equal(seq.spans[6].rows, 2);
    assert_int_equal(seq.spans[6].cols, 1);
    shard_sequence_clear(&seq);
    shard_plan_free(f.plan);
}

/* The first rule that fits says how; a part that none fits refuses the record. */
static void test_rules(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    add_part(&f, SHARD_PART_TEXT, SHARD_FLAG_CONTEXT, "user");
    add_part(&f, SHARD_PART_TEXT, SHARD_FLAG_LOSS, "assistant");
    add_part(&f, SHARD_PART_TEXT, SHARD_FLAG_LOSS, "user");
    add_part(&f, 77, SHARD_FLAG_CONTEXT, "");
    f.drawn[1] = 1;
    use_plan(&f, "{\"ends\":\"text\",\"rules\":["
                 "{\"part\":\"text\",\"last\":true,\"see\":[]},"
                 "{\"part\":\"text\",\"role\":\"user\",\"see\":[{}]},"
                 "{\"part\":\"text\",\"flag\":\"loss\",\"see\":[{},{\"loss\":false}]},"
                 "{\"part\":77,\"see\":[]}]}");
    expect(&f, "<abc><de><de>", "0000011100000");
    use_plan(&f, "{\"rules\":[{\"part\":\"text\",\"role\":\"user\",\"see\":[{}]},"
                 "{\"part\":77,\"see\":[]}]}");
    refuse(&f); /* the assistant's has no place */
    use_plan(&f, "{\"rules\":[{\"part\":\"text\",\"see\":[{}]}]}");
    refuse(&f);
    use_plan(&f,
             "{\"rules\":[{\"part\":\"text\",\"see\":[{}]},"
             "{\"part\":77,\"flag\":\"context\",\"see\":[{\"encoder\":\"waves\"}]}]}");
    expect(&f, "<abcdeabc>", "0001111110"); /* no tensor: nothing to see */
    add_tensor(&f, 99, WAVES, 1, 5, 0);
    refuse(&f); /* a tensor of a later version has no positions */
    shard_plan_free(f.plan);
}

static void test_measure(void **state)
{
    struct fixture f;
    struct shard_measure m;

    (void)state;
    begin_pair(&f, 4, 8);
    add_part(&f, SHARD_PART_DATA, SHARD_FLAG_CONTEXT, "clip");
    f.header.tokenizer.present = false; /* no matter */
    f.parts[0].alternatives = &untokenized;
    assert_int_equal(shard_sequence_measure(&f.view, &f.rec, &m), SHARD_OK);
    assert_int_equal(m.arrangement, SHARD_PAIR);
    assert_int_equal(m.n_texts, 1);
    assert_int_equal(m.n_framed, 1);
    assert_int_equal(m.length[0], 8);
    add_image(&f, SHARD_FLAG_LOSS, 2, 2);
    assert_int_equal(shard_sequence_measure(&f.view, &f.rec, &m), SHARD_OK);
    assert_int_equal(m.arrangement, SHARD_OTHER);
    assert_int_equal(m.n_framed, 2);
    assert_int_equal(m.length[0], 9);
    f.view.window = 8;
    assert_int_equal(shard_sequence_measure(&f.view, &f.rec, &m), SHARD_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair),
        cmocka_unit_test(test_windows_and_grids),
        cmocka_unit_test(test_without_bos_and_eos),
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_mean_and_logvar_are_one_image),
        cmocka_unit_test(test_edit_example),
        cmocka_unit_test(test_what_has_no_sequence),
        cmocka_unit_test(test_an_image_that_is_not_there),
        cmocka_unit_test(test_mirrored),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_an_id_too_large),
        cmocka_unit_test(test_ends_of_texts),
        cmocka_unit_test(test_several_appearances),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_measure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
