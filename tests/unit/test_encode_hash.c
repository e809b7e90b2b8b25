/* SPDX-License-Identifier: Apache-2.0
 * The encode hash: it changes with each thing that it covers, and with nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/run/encode_hash.h"

/* All that the hash is made of. */
struct inputs {
    struct encoder_description about;
    struct shard_rendition rendition;
    struct image_options image;
    struct latent_options latent;
    const char *libjpeg;
};

static struct inputs usual(void)
{
    static const double one = 1;

    return (struct inputs){
        .about = {.family = "AutoencoderKL",
                  .weights_sha256 = "00",
                  .config = "{\"layers\":2}",
                  .pixels = "{\"range\":[-1,1]}",
                  .numerics = "winograd-1",
                  .isa = "avx2",
                  .n_tensors = 1,
                  .tensors = {{.kind = ENCODER_LATENT, .element = ENCODER_FP32}},
                  .n_scale = 1,
                  .scale = &one,
                  .shift = &one},
        .rendition = {.fit = SHARD_CROP, .target_width = 64, .target_height = 64},
        .image = {.decode_mem = 1 << 20},
        .latent = {.scale = 1},
        .libjpeg = "2.1.5"};
}

static void hash_of(const struct inputs *in, char hex[SHA256_HEX_CAP])
{
    json_t *libraries = json_pack("{s:s}", "libjpeg-turbo", in->libjpeg);

    assert_int_equal(
        encode_hash(&in->about, &in->rendition, &in->image, &in->latent, libraries, hex),
        0);
    assert_int_equal(strlen(hex), 64);
    json_decref(libraries);
}

static bool changes_hash(const struct inputs *in)
{
    const struct inputs same = usual();
    char a[SHA256_HEX_CAP], b[SHA256_HEX_CAP];

    hash_of(&same, a);
    hash_of(in, b);
    return strcmp(a, b) != 0;
}

/* Whether the hash changes where `field` becomes `value`. */
#define CHANGES(field, value)                                                            \
    (changed = usual(), changed.field = (value), changes_hash(&changed))

static void it_covers_what_bits_depend_on(void **state)
{
    struct inputs changed;

    (void)state;
    assert_true(CHANGES(rendition.target_width, 72));
    assert_true(CHANGES(rendition.target_height, 72));
    assert_true(CHANGES(rendition.fit, SHARD_PAD));
    assert_true(CHANGES(rendition.mirrored, true));
    assert_true(CHANGES(image.resize, RESIZE_LANCZOS));
    assert_true(CHANGES(image.icc, ICC_IGNORE));
    assert_true(CHANGES(image.jpeg_scale, 2));
    assert_true(CHANGES(image.truncated, TRUNCATED_KEEP));
    assert_true(CHANGES(latent.dtype, LATENT_BF16));
    assert_true(CHANGES(latent.moments, MOMENTS_MEAN_LOGVAR));
    assert_true(CHANGES(about.weights_sha256, "01"));
    assert_true(CHANGES(about.config, "{\"layers\":3}"));
    assert_true(CHANGES(about.pixels, "{\"range\":[0,1]}"));
    assert_true(CHANGES(about.numerics, "winograd-2"));
    assert_true(CHANGES(libjpeg, "3.0.0"));
}

/* What an option says of tensors that there are none of changes no bit. */
static void it_covers_what_the_kind_has(void **state)
{
    struct inputs plain = usual(), changed;
    struct encoder_tensor *t = &plain.about.tensors[0];
    char a[SHA256_HEX_CAP], b[SHA256_HEX_CAP];

    (void)state;
    *t = (struct encoder_tensor){.kind = ENCODER_FEATURES, .element = ENCODER_FP32};
    hash_of(&plain, a);
    changed = plain;
    changed.latent.moments = MOMENTS_MEAN_LOGVAR;
    hash_of(&changed, b);
    assert_string_equal(a, b);
    changed.latent.dtype = LATENT_BF16;
    hash_of(&changed, b);
    assert_string_not_equal(a, b);

    *t = (struct encoder_tensor){.kind = ENCODER_CODES, .element = ENCODER_U32};
    hash_of(&plain, a);
    changed.about = plain.about;
    hash_of(&changed, b);
    assert_string_equal(a, b);
}

/* A file without weights, or a network without a configuration. */
static void weights_and_network_may_be_none(void **state)
{
    struct inputs changed;

    (void)state;
    assert_true(CHANGES(about.weights_sha256, NULL));
    assert_true(CHANGES(about.config, NULL));
    assert_true(CHANGES(about.pixels, NULL));
}

static void it_covers_nothing_else(void **state)
{
    static const double two = 2;
    struct inputs changed;

    (void)state;
    assert_false(CHANGES(rendition.part, 1));
    assert_false(CHANGES(rendition.crop.width, 100));
    assert_false(CHANGES(image.min_size, 32));
    assert_false(CHANGES(image.decode_mem, 2 << 20));
    assert_false(CHANGES(latent.scale, 2));
    assert_false(CHANGES(about.scale, &two));
    assert_false(CHANGES(about.shift, &two));
    assert_false(CHANGES(about.isa, "portable"));
    assert_false(CHANGES(about.demo, true));
    assert_false(CHANGES(about.config, "{ \"layers\" : 2 }"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_covers_what_bits_depend_on),
        cmocka_unit_test(it_covers_what_the_kind_has),
        cmocka_unit_test(weights_and_network_may_be_none),
        cmocka_unit_test(it_covers_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
