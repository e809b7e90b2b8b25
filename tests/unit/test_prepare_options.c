/* SPDX-License-Identifier: Apache-2.0
 * prepare's command line: each component's options reach its own struct. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "tools/prepare/prepare.h"

enum { MOST_WORDS = 64 };

/* "prepare" and the words of `line`, which is cut at its spaces. */
static int parse(struct prepare_options *o, char *line, int *n_operands)
{
    char *argv[MOST_WORDS] = {"prepare"};
    char *rest = line;
    int argc = 1;

    for (char *word; (word = strtok_r(rest, " ", &rest));)
        argv[argc++] = word;
    return prepare_options_parse(o, argc, argv, n_operands);
}

static void defaults_are_the_components(void **state)
{
    struct prepare_options o;
    char line[] = "--out d a.tar b.tar";
    int n;

    (void)state;
    assert_int_equal(parse(&o, line, &n), OPTIONS_OK);
    assert_int_equal(n, 2);
    assert_string_equal(o.run.out, "d");
    assert_int_equal(o.encoders.n, 1);
    assert_true(o.encoders.assumed);
    assert_string_equal(o.encoders.at[0].label, "vae");
    assert_string_equal(o.encoders.at[0].scheme, "vae");
    assert_null(o.encoders.at[0].rest);
    assert_int_equal(o.encoders.at[0].image.size, 256);
    assert_int_equal(o.encoders.at[0].image.resize, RESIZE_BICUBIC);
    assert_true(isnan(o.encoders.at[0].latent.scale));
    assert_int_equal(o.text.patch, 2);
    assert_string_equal(o.select.text_field, "text");
    assert_int_equal(o.select.name_depth, 1);
    assert_int_equal(o.run.batch, RUN_DEFAULT_BATCH);
    assert_int_equal(o.run.grace, 10);
}

static void each_choice_reaches_its_enum(void **state)
{
    struct prepare_options o;
    char line[] = "--out d --resize area --icc ignore --truncated keep --latent fp32 "
                  "--moments mean+logvar --input-format jsonl --metadata none "
                  "--damaged keep a";
    int n;

    (void)state;
    assert_int_equal(parse(&o, line, &n), OPTIONS_OK);
    assert_int_equal(o.encoders.at[0].image.resize, RESIZE_AREA);
    assert_int_equal(o.image.icc, ICC_IGNORE);
    assert_int_equal(o.image.truncated, TRUNCATED_KEEP);
    assert_int_equal(o.encoders.at[0].latent.dtype, LATENT_FP32);
    assert_int_equal(o.encoders.at[0].latent.moments, MOMENTS_MEAN_LOGVAR);
    assert_int_equal(o.select.input_format, 2);
    assert_int_equal(o.select.metadata, METADATA_NONE);
    assert_int_equal(o.run.damaged, DAMAGED_KEEP);
}

static void encoders_have_options_of_their_own(void **state)
{
    struct prepare_options o;
    const struct encoder_request *e = o.encoders.at;
    char line[] = "--out d --size big=128 --encoder a=vae:x=y:z --latent bf16 --size 64 "
                  "--encoder big=vae:builtin --vae v --resize a=area --scale big=2 "
                  "--moments vae=mean+logvar --encoder other_1:r a";
    int n;

    (void)state;
    assert_int_equal(parse(&o, line, &n), OPTIONS_OK);
    assert_false(o.encoders.assumed);
    assert_int_equal(o.encoders.n, 4);
    assert_string_equal(e[0].label, "a");
    assert_string_equal(e[0].scheme, "vae");
    assert_string_equal(e[0].rest, "x=y:z");
    assert_int_equal(e[0].image.size, 64);
    assert_int_equal(e[0].image.resize, RESIZE_AREA);
    assert_int_equal(e[0].latent.dtype, LATENT_BF16);
    assert_string_equal(e[1].label, "big");
    assert_null(e[1].rest);
    assert_int_equal(e[1].image.size, 128);
    assert_int_equal(e[1].image.resize, RESIZE_BICUBIC);
    assert_true(e[1].latent.scale == 2);
    assert_string_equal(e[2].label, "vae");
    assert_string_equal(e[2].rest, "v");
    assert_int_equal(e[2].latent.moments, MOMENTS_MEAN_LOGVAR);
    assert_string_equal(e[3].label, "other_1");
    assert_string_equal(e[3].scheme, "other_1");
    assert_int_equal(e[3].latent.moments, MOMENTS_MEAN);
    assert_true(encoder_request_is_named(&e[1], "size"));
    assert_false(encoder_request_is_named(&e[0], "size"));
    assert_false(encoder_request_is_named(&e[2], "latent"));
}

static void each_component_checks_its_own(void **state)
{
    static const char *const wrong[] = {
        "a.tar",
        "--out d --scale 0 a.tar",
        "--out d --text-field x --id-field x a.jsonl",
        "--out d --resize none a.tar",
        "--out d --size 4 a.tar",
        "--out d --grace -1 a.tar",
        "--out d --encoder vae a.tar",
        "--out d --encoder vae: a.tar",
        "--out d --encoder A=vae:x a.tar",
        "--out d --encoder =vae:x a.tar",
        "--out d --encoder mirrored=vae:x a.tar",
        "--out d --encoder logvar:x a.tar",
        "--out d --encoder a=vae:x --encoder a=vae:y a.tar",
        "--out d --vae x --vae y a.tar",
        "--out d --size b=64 a.tar",
        "--out d --size vae=4 a.tar",
        "--out d --vae x --latent va=bf16 a.tar",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct prepare_options o;
        char line[80];
        int n;

        memcpy(line, wrong[i], strlen(wrong[i]) + 1);
        assert_int_equal(parse(&o, line, &n), OPTIONS_WRONG);
    }
}

static void image_fields_are_lower_case(void **state)
{
    struct prepare_options o;
    char line[] = "--out d --image-field JPG a.tar";
    int n;

    (void)state;
    assert_int_equal(parse(&o, line, &n), OPTIONS_OK);
    assert_string_equal(o.select.image_field, "jpg");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_components),
        cmocka_unit_test(each_choice_reaches_its_enum),
        cmocka_unit_test(encoders_have_options_of_their_own),
        cmocka_unit_test(each_component_checks_its_own),
        cmocka_unit_test(image_fields_are_lower_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
