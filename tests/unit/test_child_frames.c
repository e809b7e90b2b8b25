/* SPDX-License-Identifier: Apache-2.0
 * The protocol's bytes: as ENCODER.md has them, and nothing wrong is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vae_encode/child/child_frames.h"

static void a_request_is_packed(void **state)
{
    static const unsigned char want[] = {
        'L', 'M', 'E', '1', 3, 0, 0, 0, 24 + 36, 0, 0, 0, 0, 0, 0, 0, /* frame */
        9,   0,   0,   0,   0, 0, 0, 1, 2,       0, 0, 0,             /* id, n */
        3,   0,   0,   0,   2, 0, 0, 0, 0,       0, 0, 0};
    unsigned char out[CHILD_FRAME_HEAD + CHILD_REQUEST_HEAD];

    (void)state;
    child_pack_encode(out, (UINT64_C(1) << 56) + 9, 2, 3, 2, CHILD_PIXELS_FOLLOW, 36);
    assert_int_equal(sizeof(out), sizeof(want));
    assert_memory_equal(out, want, sizeof(want));
}

static void offsets_are_packed(void **state)
{
    static const unsigned char want[] = {3, 0, 0, 0, 0, 0, 1, 0};
    unsigned char out[CHILD_FRAME_HEAD + CHILD_REQUEST_HEAD], offset[CHILD_OFFSET];

    (void)state;
    child_pack_encode(out, 9, 2, 3, 2, CHILD_PIXELS_IN_MEMORY, 16);
    assert_int_equal(out[8], 24 + 16);
    assert_int_equal(out[36], 1);
    child_pack_offset(offset, (UINT64_C(1) << 48) + 3);
    assert_memory_equal(offset, want, sizeof(want));
}

static void heads_are_read(void **state)
{
    unsigned char head[CHILD_FRAME_HEAD];
    struct child_frame frame;

    (void)state;
    child_pack_frame(head, CHILD_TENSORS, UINT64_MAX - 1);
    assert_null(child_read_frame(head, &frame));
    assert_int_equal(frame.type, CHILD_TENSORS);
    assert_true(frame.len == UINT64_MAX - 1);
    head[4] = 0;
    assert_non_null(child_read_frame(head, &frame));
    head[4] = 8;
    assert_non_null(child_read_frame(head, &frame));
    child_pack_frame(head, CHILD_TENSORS, 1);
    head[0] = 'l';
    assert_non_null(strstr(child_read_frame(head, &frame), "print()"));
}

/* Two images, of each a u16 [2,3] and a fp32 [1]. */
enum { DATA = 2 * (12 + 4), ANSWER = CHILD_TENSORS_HEAD + 2 * CHILD_DESCRIPTOR + DATA };

static void make_answer(unsigned char out[ANSWER])
{
    unsigned char *d = out + CHILD_TENSORS_HEAD;

    memset(out, 0, ANSWER);
    out[0] = 5;
    out[8] = out[12] = 2;
    d[0] = CHILD_U16;
    d[4] = 2;
    d[8] = 2;
    d[12] = 3;
    d[40] = 24;
    d += CHILD_DESCRIPTOR;
    d[0] = CHILD_FP32;
    d[4] = d[8] = 1;
    d[40] = 8;
    for (int i = 0; i < DATA; i++)
        out[ANSWER - DATA + i] = (unsigned char)i;
}

static void tensors_are_read(void **state)
{
    unsigned char in[ANSWER];
    struct child_tensors got;

    (void)state;
    make_answer(in);
    assert_null(child_read_tensors(in, ANSWER, &got));
    assert_true(got.id == 5 && got.n == 2 && got.n_tensors == 2);
    assert_int_equal(got.tensors[0].n_dims, 2);
    assert_int_equal(got.tensors[0].dims[1], 3);
    assert_int_equal(got.tensors[0].data[0], 0);
    assert_int_equal(got.tensors[1].dtype, CHILD_FP32);
    assert_int_equal(got.tensors[1].data[0], 24);
    assert_int_equal(got.tensors[1].n_bytes, 8);
}

/* Whatever byte is changed and wherever it is cut, nothing outside is read (sanitizers
 * see it), and lengths agree where it is taken. */
static void wrong_tensors_are_refused(void **state)
{
    unsigned char good[ANSWER], in[ANSWER];
    struct child_tensors got;

    (void)state;
    make_answer(good);
    for (size_t len = 0; len < ANSWER; len++)
        assert_non_null(child_read_tensors(good, len, &got));
    for (size_t at = 0; at < ANSWER - DATA; at++)
        for (int bit = 0; bit < 8; bit++) {
            uint64_t bytes = 0;

            memcpy(in, good, ANSWER);
            in[at] ^= (unsigned char)(1 << bit);
            if (child_read_tensors(in, ANSWER, &got) != NULL)
                continue;
            for (uint32_t i = 0; i < got.n_tensors; i++) {
                assert_in_range(got.tensors[i].data - in, 0, ANSWER);
                bytes += got.tensors[i].n_bytes;
            }
            assert_true(bytes <= DATA + CHILD_DESCRIPTOR);
        }
}

/* Products that do not fit 64 bits. */
static void huge_dims_are_refused(void **state)
{
    unsigned char in[ANSWER];
    struct child_tensors got;

    (void)state;
    make_answer(in);
    memset(in + CHILD_TENSORS_HEAD + 8, 0xff, 16);
    in[CHILD_TENSORS_HEAD + 4] = 4;
    assert_non_null(child_read_tensors(in, ANSWER, &got));
}

static void dims_behind_the_last_are_zero(void **state)
{
    unsigned char in[ANSWER];
    struct child_tensors got;

    (void)state;
    for (int i = 2; i < ENCODER_MAX_DIMS; i++) {
        make_answer(in);
        in[CHILD_TENSORS_HEAD + 8 + 4 * i] = 1;
        assert_string_equal(child_read_tensors(in, ANSWER, &got),
                            "a tensor has sizes behind its last dimension");
    }
}

static void errors_are_read(void **state)
{
    unsigned char in[] = {1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 'b', 'a', 'd'};
    struct child_error error;

    (void)state;
    assert_null(child_read_error(in, sizeof(in), &error));
    assert_true(error.id == 1 && error.code == CHILD_CANNOT_ENCODE);
    assert_int_equal(error.message_len, 3);
    assert_memory_equal(error.message, "bad", 3);
    assert_non_null(child_read_error(in, sizeof(in) - 1, &error));
    assert_non_null(child_read_error(in, 15, &error));
    in[12] = 0;
    assert_null(child_read_error(in, 16, &error));
    assert_int_equal(error.message_len, strlen("it does not say why"));
    in[12] = 3;
    in[8] = 4;
    assert_non_null(child_read_error(in, sizeof(in), &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_packed),
        cmocka_unit_test(offsets_are_packed),
        cmocka_unit_test(heads_are_read),
        cmocka_unit_test(tensors_are_read),
        cmocka_unit_test(errors_are_read),
        cmocka_unit_test(wrong_tensors_are_refused),
        cmocka_unit_test(huge_dims_are_refused),
        cmocka_unit_test(dims_behind_the_last_are_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
