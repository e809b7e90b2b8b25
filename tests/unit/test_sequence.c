/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_sequence.c - both orders, windows, spans and masks.
 *
 * Expected sequences are written as words: '<' BOS, '>' EOS, '[' BOI, ']' EOI, '.' a
 * patch, 'a', 'b', ... ids 97, 98, ...; the mask below has '1' where a loss is. */
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

static const double one = 1, zero = 0;
static const struct shard_encoder encoders[2] = {
    {.n_scale = 1, .scale = &one, .shift = &zero, .moments = "mean"},
    {.n_scale = 1, .scale = &one, .shift = &zero, .moments = "mean+logvar"}};
static const struct shard_header header = {.patch = 2,
                                           .tokenizer = {.present = true,
                                                         .n_pieces = 256,
                                                         .bos = '<',
                                                         .eos = '>',
                                                         .boi = '[',
                                                         .eoi = ']'},
                                           .n_encoders = 2,
                                           .encoders = encoders};

static struct shard_segment text(uint32_t flags, size_t n)
{
    return (struct shard_segment){.kind = SHARD_TEXT,
                                  .flags = flags,
                                  .n_alternatives = n,
                                  .alternatives = captions};
}

static struct shard_segment latent(uint32_t flags, uint32_t encoder, uint32_t height,
                                   uint32_t width)
{
    return (struct shard_segment){.kind = SHARD_LATENT,
                                  .flags = flags,
                                  .encoder = encoder,
                                  .dtype = SHARD_FP16,
                                  .n_dims = 3,
                                  .dims = {4, height, width}};
}

static struct shard_record record(const struct shard_segment *segments, size_t n)
{
    return (struct shard_record){.segments = segments, .n_segments = n};
}

static void expect(const struct shard_header *h, const struct shard_record *rec,
                   enum shard_order order, uint32_t caption, uint32_t patch,
                   const char *tokens, const char *loss)
{
    struct shard_sequence seq;
    size_t patches = 0;

    assert_int_equal(shard_sequence_build(h, rec, order, caption, patch, &seq), SHARD_OK);
    assert_int_equal(seq.length, strlen(tokens));
    assert_int_equal(seq.length, strlen(loss));
    for (size_t i = 0; i < seq.length; i++) {
        assert_int_equal(seq.tokens[i], tokens[i] == '.' ? 0 : tokens[i]);
        assert_int_equal(seq.loss[i], loss[i] - '0');
        patches += tokens[i] == '.';
    }
    for (size_t i = 0; i < seq.n_spans; i++) {
        const struct shard_span *span = &seq.spans[i];
        assert_int_equal(span->length, span->rows * span->cols);
        assert_true(tokens[span->offset - 1] == '[');
        assert_true(tokens[span->offset + span->length] == ']');
        assert_int_equal(rec->segments[span->segment].kind, SHARD_LATENT);
        patches -= span->length;
    }
    assert_int_equal(patches, 0);
    shard_sequence_clear(&seq);
}

static void refuse(const struct shard_header *h, const struct shard_record *rec,
                   uint32_t caption, uint32_t patch)
{
    struct shard_sequence seq;

    assert_int_equal(
        shard_sequence_build(h, rec, SHARD_CAPTION_FIRST, caption, patch, &seq),
        SHARD_EINVAL);
    assert_null(seq.tokens);
    shard_sequence_clear(&seq);
}

static void test_pair(void **state)
{
    struct shard_segment s[2] = {text(SHARD_FLAG_LOSS, 2),
                                 latent(SHARD_FLAG_LOSS, 0, 4, 4)};
    struct shard_record rec = record(s, 2);

    (void)state;
    expect(&header, &rec, SHARD_CAPTION_FIRST, 0, 2, "<abc[....]>", "11110000010");
    expect(&header, &rec, SHARD_IMAGE_FIRST, 0, 2, "<[....]abc>", "10000011110");
    expect(&header, &rec, SHARD_CAPTION_FIRST, 1, 4, "<de[.]>", "1110010");
    expect(&header, &rec, SHARD_IMAGE_FIRST, 1, 1, "<[................]de>",
           "1000000000000000001110");
}

static void test_windows_and_grids(void **state)
{
    struct shard_segment s[2] = {text(SHARD_FLAG_LOSS, 1),
                                 latent(SHARD_FLAG_LOSS, 0, 8, 16)};
    struct shard_record rec = record(s, 2);
    struct shard_sequence seq;

    (void)state;
    for (uint32_t k = 1; k <= 8; k *= 2) {
        assert_int_equal(
            shard_sequence_build(&header, &rec, SHARD_CAPTION_FIRST, 0, k, &seq),
            SHARD_OK);
        assert_int_equal(seq.n_spans, 1);
        assert_int_equal(seq.spans[0].rows, 8 / k);
        assert_int_equal(seq.spans[0].cols, 16 / k);
        assert_int_equal(seq.spans[0].offset, 5);
        assert_int_equal(seq.spans[0].segment, 1);
        assert_int_equal(seq.length, 7 + 8 * 16 / k / k);
        shard_sequence_clear(&seq);
    }
    refuse(&header, &rec, 0, 3);
    refuse(&header, &rec, 0, 0);
    refuse(&header, &rec, 0, 16);
    s[1] = latent(SHARD_FLAG_LOSS, 0, 4, 6);
    refuse(&header, &rec, 0, 4);
}

static void test_without_bos_and_eos(void **state)
{
    struct shard_segment s[2] = {text(SHARD_FLAG_LOSS, 2),
                                 latent(SHARD_FLAG_LOSS, 0, 2, 4)};
    struct shard_record rec = record(s, 2);
    struct shard_header h = header;

    (void)state;
    h.tokenizer.bos = h.tokenizer.eos = -1;
    expect(&h, &rec, SHARD_CAPTION_FIRST, 0, 2, "abc[..]", "1110000");
    expect(&h, &rec, SHARD_IMAGE_FIRST, 0, 2, "[..]abc", "0001110");
}

static void test_document(void **state)
{
    struct shard_segment s[1] = {text(SHARD_FLAG_LOSS, 1)};
    struct shard_record rec = record(s, 1);

    (void)state;
    expect(&header, &rec, SHARD_IMAGE_FIRST, 0, 2, "<abc>", "11110");
    refuse(&header, &rec, 1, 2);
}

static void test_mean_and_logvar_are_one_image(void **state)
{
    struct shard_segment s[3] = {text(SHARD_FLAG_LOSS, 1),
                                 latent(SHARD_FLAG_LOSS, 1, 2, 2),
                                 latent(SHARD_FLAG_LOSS, 1, 2, 2)};
    struct shard_record rec = record(s, 3);

    (void)state;
    expect(&header, &rec, SHARD_CAPTION_FIRST, 0, 2, "<abc[.]>", "11110010");
    expect(&header, &rec, SHARD_IMAGE_FIRST, 0, 2, "<[.]abc>", "10011110");
    s[1].encoder = s[2].encoder = 0; /* two images: no pair, as stored */
    expect(&header, &rec, SHARD_IMAGE_FIRST, 0, 2, "<abc[.][.]>", "11110010010");
}

/* Instruction and source are context: none of their tokens, nor the source's BOI, is a
 * target; the result's BOI is. */
static void test_edit_example(void **state)
{
    struct shard_segment s[3] = {latent(SHARD_FLAG_CONTEXT, 0, 2, 2),
                                 text(SHARD_FLAG_CONTEXT, 1),
                                 latent(SHARD_FLAG_LOSS, 0, 2, 2)};
    struct shard_record rec = record(s, 3);

    (void)state;
    expect(&header, &rec, SHARD_CAPTION_FIRST, 0, 2, "<[.]abc[.]>", "00000010010");
}

static void test_what_has_no_sequence(void **state)
{
    struct shard_segment s[2] = {text(SHARD_FLAG_LOSS, 1),
                                 latent(SHARD_FLAG_LOSS, 0, 2, 2)};
    struct shard_record rec = record(s, 2);
    struct shard_header h = header;

    (void)state;
    refuse(&header, &rec, 1, 2);
    h.tokenizer.present = false;
    refuse(&h, &rec, 0, 2);
    s[0].alternatives = &untokenized;
    refuse(&header, &rec, 0, 2);
    s[0] = text(SHARD_FLAG_LOSS, 1);
    s[1].kind = SHARD_FEATURES;
    refuse(&header, &rec, 0, 2);
    s[1] = latent(SHARD_FLAG_LOSS, 0, 0, 2);
    refuse(&header, &rec, 0, 2);
    s[1] = latent(SHARD_FLAG_LOSS, 0, 1u << 31, 1u << 31);
    refuse(&header, &rec, 0, 1);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
