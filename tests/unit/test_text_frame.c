/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_text_frame.c - the content of text frames, behind Zstandard's
 * checksums: whatever byte is changed, it is refused, or it says something else that is
 * legal. Nothing is passed over but what entries hold behind what is known of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shard/file/block.h"
#include "shard/status.h"
#include "shard/file/wire.h"
#include "tests/unit/compare_records.h"
#include "tests/unit/random_records.h"

enum { N = 12, BLOCKS = 2, COLUMN_BYTES = 30 };

/* Checked and added; false: it is not legal. */
static bool add(struct shard_block *b, const struct shard_record *rec, uint64_t max_bytes)
{
    struct shard_row_size size;
    char why[300];

    return shard_record_check(rec, random_header(), &size, why, sizeof(why)) ==
               SHARD_OK &&
           shard_block_add(b, random_header(), rec, &size, max_bytes) == SHARD_OK;
}

/* The text frame of records first, first + 1, ..., with several frames a column. */
static void make_text(uint64_t first, size_t n, struct shard_buffer *text)
{
    struct shard_block *b = calloc(1, sizeof(*b));

    for (uint64_t i = first; i < first + n; i++) {
        struct random_record *r = random_record_make(i, random_header());
        assert_true(add(b, &r->rec, COLUMN_BYTES));
        random_record_free(r);
    }
    assert_int_equal(shard_block_text(b, text), SHARD_OK);
    shard_block_clear(b);
    free(b);
}

static int decode(struct shard_text_frame *frame, const struct shard_buffer *text)
{
    char why[300] = "";
    int rc = shard_text_frame_decode(frame, text->data, text->len, random_header(), why,
                                     sizeof(why));

    assert_true(rc == SHARD_OK || (rc == SHARD_EDAMAGED && why[0] != 0));
    return rc;
}

/* What the decoded records say, written again. */
static void encode_again(const struct shard_text_frame *frame, struct shard_buffer *out)
{
    struct shard_block *b = calloc(1, sizeof(*b));

    for (size_t i = 0; i < frame->n_frames; i++)
        assert_int_equal(shard_block_keep(b, &frame->frames[i]), SHARD_OK);
    for (size_t i = 0; i < frame->n_records; i++)
        assert_true(add(b, &frame->records[i], COLUMN_BYTES));
    assert_int_equal(shard_block_text(b, out), SHARD_OK);
    shard_block_clear(b);
    free(b);
}

/* Zeros over the two checksums of each row, which decoding does not compare. */
static void drop_checksums(const struct shard_text_frame *frame,
                           struct shard_buffer *text)
{
    unsigned char *row = text->data + 32 + 32 * frame->n_frames;

    for (size_t i = 0; i < frame->n_records; i++) {
        memset(row, 0, 16);
        row += wire_load_u32(row + 16);
    }
}

static void test_round_trip(void **state)
{
    struct shard_buffer text = {0}, again = {0};
    struct shard_text_frame frame;
    size_t n_later = 0;

    (void)state;
    for (uint64_t first = 0; first < 100 * N; first += N) {
        make_text(first, N, &text);
        assert_int_equal(decode(&frame, &text), SHARD_OK);
        assert_int_equal(frame.n_records, N);
        for (size_t i = 0; i < N; i++) {
            struct random_record *r = random_record_make(first + i, random_header());
            assert_record(&frame.records[i], &r->rec, true);
            random_record_free(r);
        }
        for (size_t i = 0; i < frame.n_frames; i++)
            n_later += frame.frames[i].first_row > 0;
        encode_again(&frame, &again);
        assert_int_equal(again.len, text.len);
        assert_memory_equal(again.data, text.data, text.len);
        shard_text_frame_clear(&frame);
    }
    assert_true(n_later > 100); /* columns of several frames */
    shard_buffer_free(&text);
    shard_buffer_free(&again);
}

/* What is taken is written again as it was read. An entry of a kind that turned into a
 * known one may be longer than what is known of it: 1 is returned. */
static size_t check_taken(struct shard_buffer *text, const struct shard_text_frame *frame)
{
    struct shard_buffer again = {0};
    size_t longer;

    encode_again(frame, &again);
    longer = again.len < text->len;
    if (!longer) {
        assert_int_equal(again.len, text->len);
        drop_checksums(frame, &again);
        drop_checksums(frame, text);
        assert_memory_equal(again.data, text->data, text->len);
    }
    shard_buffer_free(&again);
    return longer;
}

static void test_any_flipped_bit(void **state)
{
    struct shard_buffer text = {0}, flipped = {0};
    size_t n = 0, taken = 0, longer = 0;

    (void)state;
    for (uint64_t block = 0; block < BLOCKS; block++) {
        make_text(block * N, N, &text);
        for (size_t i = 0; i < 8 * text.len; i++) {
            struct shard_text_frame frame;
            assert_int_equal(shard_buffer_resize(&flipped, text.len), SHARD_OK);
            memcpy(flipped.data, text.data, text.len);
            flipped.data[i / 8] ^= (unsigned char)(1u << i % 8);
            n++;
            if (decode(&frame, &flipped) == SHARD_OK) {
                taken++;
                longer += check_taken(&flipped, &frame);
            }
            shard_text_frame_clear(&frame);
        }
    }
    assert_true(taken > n / 10 && taken < n * 9 / 10 && longer < n / 1000);
    shard_buffer_free(&text);
    shard_buffer_free(&flipped);
}

static void test_cut_anywhere(void **state)
{
    struct shard_buffer text = {0};
    struct shard_text_frame frame;

    (void)state;
    make_text(0, N, &text);
    for (size_t len = 0; len < text.len; len++) {
        struct shard_buffer cut = {.data = malloc(len + 1), .len = len, .cap = len + 1};
        memcpy(cut.data, text.data, len);
        assert_int_equal(decode(&frame, &cut), SHARD_EDAMAGED);
        shard_text_frame_clear(&frame);
        shard_buffer_free(&cut);
    }
    assert_int_equal(shard_buffer_add(&text, "", 1), SHARD_OK);
    assert_int_equal(decode(&frame, &text), SHARD_EDAMAGED);
    shard_text_frame_clear(&frame);
    shard_buffer_free(&text);
}

/* No frame above the limit is looked into, and none is made. */
static void test_too_large(void **state)
{
    struct shard_block *b = calloc(1, sizeof(*b));
    struct shard_buffer text = {0};
    struct shard_text_frame frame;
    char why[300];

    (void)state;
    make_text(0, N, &text);
    assert_int_equal(shard_text_frame_decode(&frame, text.data, SHARD_MAX_FRAME + 1u,
                                             random_header(), why, sizeof(why)),
                     SHARD_EDAMAGED);
    assert_non_null(strstr(why, "more than 268435456 bytes"));
    shard_text_frame_clear(&frame);
    b->rows.len = SHARD_MAX_FRAME;
    assert_int_equal(shard_block_text(b, &text), SHARD_EINVAL);
    free(b);
    shard_buffer_free(&text);
}

/* A record that would take the block above its frames leaves it as it was. */
static void test_too_many_frames(void **state)
{
    struct shard_block *b = calloc(1, sizeof(*b));
    struct random_record *r = NULL;

    (void)state;
    for (uint64_t i = 0; r == NULL || r->rec.n_tensors == 0; i++) {
        if (r != NULL)
            random_record_free(r);
        r = random_record_make(i, random_header());
    }
    b->n_frames = SHARD_MAX_BLOCK_FRAMES;
    assert_false(add(b, &r->rec, COLUMN_BYTES));
    assert_int_equal(b->n_columns, 0);
    assert_int_equal(b->rows.len, 0);
    assert_int_equal(b->n_records, 0);
    b->n_frames = SHARD_MAX_BLOCK_FRAMES - r->rec.n_tensors;
    assert_true(add(b, &r->rec, COLUMN_BYTES));
    random_record_free(r);
    shard_block_clear(b);
    free(b);
}

/* ---- what a later version adds ---- */

static void add_to(unsigned char *p, uint32_t n)
{
    wire_put_u32(p, wire_load_u32(p) + n);
}

/* Offsets of one row's first entries: an image with a rendition and its tensor, a text.
 */
struct places {
    size_t row, image, text, alternative, rendition, tensor, end;
};

static struct places find_places(const struct shard_buffer *text)
{
    struct places p = {.row = 32 + 32 * wire_load_u32(text->data + 8)};
    const unsigned char *row = text->data + p.row;
    const unsigned char *content = row + 40;

    p.image = p.row + 40 + 32 + wire_load_u16(content + 24) + 1 +
              wire_load_u16(content + 26) + 1;
    p.text = p.image + wire_load_u32(text->data + p.image + 4);
    p.alternative = p.text + 16 + 1 + 4; /* without a role */
    p.rendition = p.row + 40 + wire_load_u32(row + 20);
    p.tensor = p.rendition + wire_load_u32(text->data + p.rendition + 4);
    p.end = p.row + wire_load_u32(row + 16);
    return p;
}

/* Five bytes more at the end of the entry at `at`, which stands in another one, or 0. */
static void grow(struct shard_buffer *text, size_t at, size_t outer)
{
    const struct places p = find_places(text);
    const size_t end = at + wire_load_u32(text->data + at + 4);

    assert_int_equal(shard_buffer_add(text, "\1\2\3\4\5", 5), SHARD_OK);
    memmove(text->data + end + 5, text->data + end, text->len - 5 - end);
    memcpy(text->data + end, "\1\2\3\4\5", 5);
    add_to(text->data + at + 4, 5);
    if (outer > 0)
        add_to(text->data + outer + 4, 5);
    add_to(text->data + 16, 5);         /* bytes of all rows */
    add_to(text->data + p.row + 16, 5); /* of this one */
    if (at < p.rendition)
        add_to(text->data + p.row + 20, 5); /* of its content */
}

static const uint16_t one_values[2] = {1, 2};
static const struct shard_alternative one_text = {
    .name = "txt", .text = "dog", .text_len = 3, .n_ids = SHARD_NO_IDS};
static const struct shard_part one_parts[2] = {
    {.kind = SHARD_PART_IMAGE, .flags = 1, .role = "", .width = 9, .height = 9},
    {.flags = 2, .role = "", .n_alternatives = 1, .alternatives = &one_text}};
static const struct shard_rendition one_rendition = {
    .target_width = 8, .target_height = 8, .crop = {0, 0, 9, 9}, .content = {0, 0, 8, 8}};
static const struct shard_tensor one_tensor = {.kind = SHARD_LATENT,
                                               .encoder = RANDOM_VAE,
                                               .dtype = SHARD_FP16,
                                               .n_dims = 3,
                                               .dims = {2, 1, 1},
                                               .data = one_values,
                                               .n_bytes = sizeof(one_values)};
static const struct shard_record one = {.key = "k",
                                        .name = "n",
                                        .n_parts = 2,
                                        .parts = one_parts,
                                        .n_renditions = 1,
                                        .renditions = &one_rendition,
                                        .n_tensors = 1,
                                        .tensors = &one_tensor,
                                        .metadata = "{}",
                                        .metadata_len = 2};

static void test_entries_that_hold_more(void **state)
{
    struct shard_block *b = calloc(1, sizeof(*b));
    struct shard_buffer text = {0};
    struct shard_text_frame frame;

    (void)state;
    assert_true(add(b, &one, COLUMN_BYTES));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(shard_block_text(b, &text), SHARD_OK);
        const struct places p = find_places(&text);
        const size_t entry[5] = {p.image, p.text, p.alternative, p.rendition, p.tensor};
        assert_int_equal(p.tensor + wire_load_u32(text.data + p.tensor + 4), p.end);
        grow(&text, entry[i], i == 2 ? p.text : 0);
        assert_int_equal(decode(&frame, &text), SHARD_OK);
        assert_record(&frame.records[0], &one, true);
        shard_text_frame_clear(&frame);
    }
    shard_block_clear(b);
    free(b);
    shard_buffer_free(&text);
}

/* What is reserved is not called damage. */
static void test_reserved(void **state)
{
    struct shard_block *b = calloc(1, sizeof(*b));
    struct shard_buffer text = {0};
    struct shard_text_frame frame;
    char why[300];

    (void)state;
    assert_true(add(b, &one, COLUMN_BYTES));
    assert_int_equal(shard_block_text(b, &text), SHARD_OK);
    const struct places p = find_places(&text);
    const size_t reserved[] = {12,
                               15,
                               32 + 20,
                               p.row + 36,
                               p.row + 69,
                               p.row + 71,
                               p.image + 14,
                               p.image + 15,
                               p.text + 14,
                               p.image + 11,
                               p.tensor + 20,
                               p.tensor + 23,
                               p.alternative + 14};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        text.data[reserved[i]] ^= 0x80;
        assert_int_equal(shard_text_frame_decode(&frame, text.data, text.len,
                                                 random_header(), why, sizeof(why)),
                         SHARD_EDAMAGED);
        if (strstr(why, "a later version may have written it") == NULL)
            fail_msg("byte %d: %s", (int)reserved[i], why);
        shard_text_frame_clear(&frame);
        text.data[reserved[i]] ^= 0x80;
    }
    shard_block_clear(b);
    free(b);
    shard_buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_any_flipped_bit),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_too_many_frames),
        cmocka_unit_test(test_entries_that_hold_more),
        cmocka_unit_test(test_reserved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
