/* SPDX-License-Identifier: Apache-2.0
 * An encoder at work in a run: which of its tensors are stored, and as what. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shard/record.h"
#include "tools/run/encoding.h"
#include "tools/cli/exit_code.h"

enum { SIDE = 32, VALUES = 8 * (SIDE / 8) * (SIDE / 8) };

static int open_at(struct encoding *e, int64_t size, enum latent_dtype dtype,
                   enum moments moments)
{
    static struct encoder_request request = {.label = "vae", .scheme = "vae"};

    request.image.size = size;
    request.latent =
        (struct latent_options){.scale = NAN, .dtype = dtype, .moments = moments};
    return encoding_open(e, &request, NULL, NULL, NULL);
}

static void a_latent_is_stored_as_asked(void **state)
{
    static const struct {
        enum latent_dtype dtype;
        uint32_t stored;
        size_t bytes;
    } types[] = {{LATENT_FP16, SHARD_FP16, 2},
                 {LATENT_BF16, SHARD_BF16, 2},
                 {LATENT_FP32, SHARD_FP32, 4}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct encoding e;

        assert_int_equal(open_at(&e, SIDE, types[i].dtype, MOMENTS_MEAN), 0);
        assert_int_equal(e.n_tensors, 1);
        assert_int_equal(e.tensors[0].kind, SHARD_LATENT);
        assert_int_equal(e.tensors[0].slot, 0);
        assert_int_equal(e.tensors[0].dtype, types[i].stored);
        assert_int_equal(e.tensors[0].n_values, VALUES);
        assert_int_equal(e.n_bytes, VALUES * types[i].bytes);
        encoding_close(&e);
    }
}

static void a_log_variance_is_a_slot_of_its_own(void **state)
{
    struct encoding e;

    (void)state;
    assert_int_equal(open_at(&e, SIDE, LATENT_FP16, MOMENTS_MEAN_LOGVAR), 0);
    assert_int_equal(e.n_tensors, 2);
    assert_int_equal(e.tensors[0].slot, 0);
    assert_int_equal(e.tensors[1].slot, SHARD_SLOT_LOGVAR);
    assert_int_equal(e.n_bytes, 2 * VALUES * 2);
    encoding_close(&e);
}

static void the_header_says_what_it_is(void **state)
{
    struct shard_encoder header;
    struct encoding e;

    (void)state;
    assert_int_equal(open_at(&e, SIDE, LATENT_FP16, MOMENTS_MEAN), 0);
    header = encoding_header(&e);
    assert_string_equal(header.name, "vae");
    assert_string_equal(header.kind, "latent");
    assert_string_equal(header.of, "image");
    assert_string_equal(header.moments, "mean");
    assert_int_equal(header.channels, 8);
    assert_int_equal(header.downscale, 8);
    assert_string_equal(header.input, "{\"multiple\":8,\"range\":[-1,1]}");
    assert_string_equal(header.encode, e.encode);
    assert_int_equal(strlen(e.encode), 64);
    assert_string_equal(header.geometry,
                        "{\"fit\":\"crop\",\"resize\":\"bicubic\",\"size\":[32,32]}");
    e.about.input = ENCODER_OF_TEXT;
    assert_string_equal(encoding_header(&e).of, "text");
    encoding_close(&e);
}

static void a_size_that_does_not_fit_is_refused(void **state)
{
    struct encoding e;

    (void)state;
    assert_int_equal(open_at(&e, 36, LATENT_FP16, MOMENTS_MEAN), EXIT_USAGE);
    encoding_close(&e);
}

static void an_unknown_scheme_is_refused(void **state)
{
    const struct encoder_request request = {
        .label = "x", .scheme = "x", .rest = "y", .image = image_options_default()};
    struct encoding e;

    (void)state;
    assert_int_equal(encoding_open(&e, &request, NULL, NULL, NULL), EXIT_USAGE);
    encoding_close(&e);
}

/* The model is loaded once; each is closed all the same. */
static void a_model_is_shared(void **state)
{
    struct encoding a, b;

    (void)state;
    assert_int_equal(open_at(&a, SIDE, LATENT_FP16, MOMENTS_MEAN), 0);
    assert_int_equal(encoding_open(&b, a.request, &a, NULL, NULL), 0);
    assert_ptr_equal(a.model, b.model);
    assert_string_equal(a.encode, b.encode);
    encoding_close(&b);
    encoding_close(&a);
}

/* What it says of codes and features reaches the header. */
static void the_header_has_what_each_kind_needs(void **state)
{
    static const double mean[] = {1, 2}, std[] = {3, 4};
    static const uint32_t map[] = {7, 8, 9};
    static const char *const outputs[] = {"states", "pooled"};
    const struct encoder_features features[] = {
        {.what = "pooled", .n_dims = 1, .dims = {2}, .mean = mean, .std = std}};
    struct shard_features of_header = {.what = "pooled", .n_dims = 1, .dims = {2}};
    const struct encoding e = {.label = "x",
                               .about = {.n_outputs = 2,
                                         .outputs = outputs,
                                         .scale_window = 2,
                                         .codebook = 3,
                                         .n_id_map = 3,
                                         .id_map = map,
                                         .n_features = 1,
                                         .features = features},
                               .id_offset = 5,
                               .n_features = 1,
                               .features = &of_header,
                               .tensors = {{.kind = SHARD_CODES}}};
    const struct shard_encoder header = encoding_header(&e);

    (void)state;
    assert_string_equal(header.kind, "codes");
    assert_int_equal(header.n_outputs, 2);
    assert_ptr_equal(header.outputs, outputs);
    assert_int_equal(header.scale_window, 2);
    assert_int_equal(header.codebook, 3);
    assert_int_equal(header.id_offset, 5);
    assert_int_equal(header.n_id_map, 3);
    assert_ptr_equal(header.id_map, map);
    assert_int_equal(header.n_features, 1);
    assert_ptr_equal(header.features, &of_header);
}

static void what_is_not_finite_as_stored_is_counted(void **state)
{
    const float values[] = {1, -2, INFINITY, NAN, 70000};
    struct stored_tensor t = {.dtype = SHARD_FP16, .n_values = 5, .n_bytes = 10};
    float stored[5];

    (void)state;
    assert_int_equal(encoding_store(&t, values, stored), 3);
    t = (struct stored_tensor){.dtype = SHARD_FP32, .n_values = 5, .n_bytes = 20};
    assert_int_equal(encoding_store(&t, values, stored), 2);
    assert_memory_equal(stored, values, sizeof(values));
    t.dtype = SHARD_U32;
    assert_int_equal(encoding_store(&t, values, stored), 0);
}

static void small_codes_are_stored_in_two_bytes(void **state)
{
    const uint32_t codes[] = {0, 65535, 258};
    struct stored_tensor t = {
        .dtype = SHARD_U16, .n_values = 3, .n_bytes = 6, .codebook = 65536};
    uint16_t stored[3];

    (void)state;
    assert_int_equal(encoding_store(&t, codes, stored), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(stored[i], codes[i]);
    t.codebook = 65535;
    assert_int_equal(encoding_store(&t, codes, stored), 1);
    t.codebook = 258;
    assert_int_equal(encoding_store(&t, codes, stored), 2);
}

/* Codes that need four bytes are compared with the codebook, too. */
static void large_codes_are_stored_in_four_bytes(void **state)
{
    const uint32_t codes[] = {0, 70000, 70001, UINT32_MAX};
    const struct stored_tensor t = {
        .dtype = SHARD_U32, .n_values = 4, .n_bytes = 16, .codebook = 70001};
    uint32_t stored[4];

    (void)state;
    assert_int_equal(encoding_store(&t, codes, stored), 2);
    assert_memory_equal(codes, stored, sizeof(codes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_latent_is_stored_as_asked),
        cmocka_unit_test(a_log_variance_is_a_slot_of_its_own),
        cmocka_unit_test(the_header_says_what_it_is),
        cmocka_unit_test(a_size_that_does_not_fit_is_refused),
        cmocka_unit_test(an_unknown_scheme_is_refused),
        cmocka_unit_test(a_model_is_shared),
        cmocka_unit_test(the_header_has_what_each_kind_needs),
        cmocka_unit_test(large_codes_are_stored_in_four_bytes),
        cmocka_unit_test(small_codes_are_stored_in_two_bytes),
        cmocka_unit_test(what_is_not_finite_as_stored_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
