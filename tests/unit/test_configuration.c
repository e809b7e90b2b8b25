/* SPDX-License-Identifier: Apache-2.0
 * The configuration of an encoder that lacks what a VAE has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/prepare/configuration.h"

static json_t *configuration_of(const struct encoding *e)
{
    const struct image_options image = image_options_default();
    const struct text_options text = text_options_default();
    const struct select_options select = select_options_default();
    const struct shard_tokenizer none = {.present = false};

    return configuration_json(
        &(struct configuration_parts){&image, true, &text, &select, &none, e, 1});
}

static void what_an_encoder_lacks_is_left_out(void **state)
{
    struct encoding e = {
        .label = "x",
        .about = {.family = "VQ",
                  .numerics = "1",
                  .n_tensors = 1,
                  .tensors = {{.kind = ENCODER_CODES, .element = ENCODER_U32}}},
        .encode = "00",
        .geometry = (char[]){"{}"}};
    json_t *config = configuration_of(&e), *x;

    (void)state;
    assert_non_null(config);
    assert_int_equal(strlen(configuration_sha256(config)), 64);
    x = json_object_get(json_object_get(json_object_get(config, "encode"), "encoders"),
                        "x");
    assert_true(json_is_null(json_object_get(x, "sha256")));
    assert_true(json_is_null(json_object_get(x, "config")));
    assert_null(json_object_get(x, "latent"));
    assert_null(json_object_get(x, "moments"));
    assert_string_equal(json_string_value(json_object_get(x, "family")), "VQ");
    json_decref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_encoder_lacks_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
