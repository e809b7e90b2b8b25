/* SPDX-License-Identifier: Apache-2.0
 * Which ids codes get, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/cli/exit_code.h"
#include "tools/run/code_ids.h"

static const struct shard_tokenizer text = {
    .present = true, .n_pieces = 100, .bos = 1, .eos = 2, .boi = 100, .eoi = 101};

static const struct encoder_request nothing_asked = {.label = "x", .id_offset = -1};

static struct encoding codes(const char *weights, uint32_t codebook)
{
    return (struct encoding){.label = "x",
                             .request = &nothing_asked,
                             .about = {.weights_sha256 = weights,
                                       .codebook = codebook,
                                       .family = "VQ",
                                       .tensors = {{.kind = ENCODER_CODES}}}};
}

static void they_stand_behind_text_and_each_other(void **state)
{
    const struct shard_tokenizer none = {.present = false};
    const struct shard_tokenizer far = {
        .present = true, .n_pieces = 100, .bos = -1, .eos = -1, .boi = 50, .eoi = 51};
    struct encoding e[] = {codes("a", 10), codes("b", 20), codes("a", 10)};
    struct encoding latent = {.request = &nothing_asked};

    (void)state;
    assert_int_equal(code_ids_choose(e, 3, &text), 0);
    assert_int_equal(e[0].id_offset, 102);
    assert_int_equal(e[1].id_offset, 112);
    assert_int_equal(e[2].id_offset, 102); /* the same network at another size */
    assert_int_equal(code_ids_choose(e, 1, &none), 0);
    assert_int_equal(e[0].id_offset, 0);
    assert_int_equal(code_ids_choose(e, 1, &far), 0);
    assert_int_equal(e[0].id_offset, 100);
    assert_int_equal(code_ids_choose(&latent, 1, &text), 0);
    assert_int_equal(latent.id_offset, 0);
}

static void what_is_said_holds(void **state)
{
    const struct encoder_request asked = {.label = "x", .id_offset = 500};
    struct encoding e[] = {codes("a", 10), codes("b", 20), codes("c", 5)};

    (void)state;
    e[0].request = &asked;
    e[1].about.has_id_offset = true;
    e[1].about.id_offset = 3; /* of a tokenizer whose pieces these codes are */
    assert_int_equal(code_ids_choose(e, 3, &text), 0);
    assert_int_equal(e[0].id_offset, 500);
    assert_int_equal(e[1].id_offset, 3);
    assert_int_equal(e[2].id_offset, 510);
}

static int with_offset(int64_t offset, uint32_t codebook)
{
    const struct encoder_request asked = {.label = "x", .id_offset = offset};
    struct encoding e = codes("a", codebook);

    e.request = &asked;
    return code_ids_choose(&e, 1, &text);
}

static int with_map(const uint32_t *map, size_t n, int64_t beside)
{
    const struct encoder_request asked = {.label = "y", .id_offset = beside};
    struct encoding e[] = {codes("a", (uint32_t)n), codes("b", 2)};

    e[0].about.n_id_map = n;
    e[0].about.id_map = map;
    e[1].request = &asked;
    return code_ids_choose(e, 2, &text);
}

static void ids_that_clash_are_refused(void **state)
{
    static const uint32_t good[] = {40, 300, 20}, marker[] = {40, 101, 20},
                          high[] = {40, UINT32_C(1) << 31};
    struct encoding e[] = {codes("a", 3), codes("b", 2)};

    (void)state;
    assert_int_equal(with_offset(102, 10), 0);
    assert_int_equal(with_offset(101, 10), EXIT_USAGE); /* EOI */
    assert_int_equal(with_offset(98, 2), 0);
    assert_int_equal(with_offset(2, 10), EXIT_USAGE);
    assert_int_equal(with_offset(INT32_MAX, 1), 0);
    assert_int_equal(with_offset(INT32_MAX, 2), EXIT_USAGE);
    assert_int_equal(with_map(good, 3, -1), 0);
    assert_int_equal(with_map(good, 3, 298), 0);
    assert_int_equal(with_map(good, 3, 299), EXIT_USAGE);
    assert_int_equal(with_map(marker, 3, -1), EXIT_USAGE);
    assert_int_equal(with_map(high, 2, -1), EXIT_USAGE);
    for (size_t i = 0; i < 2; i++) {
        e[i].about.n_id_map = e[i].about.codebook;
        e[i].about.id_map = i == 0 ? good : good + 1;
    }
    assert_int_equal(code_ids_choose(e, 2, &text), EXIT_USAGE);
    e[1].about.id_map = marker + 2; /* of one id, 20 */
    e[1].about.n_id_map = 1;
    assert_int_equal(code_ids_choose(e, 2, &text), EXIT_USAGE);
    e[0].about.n_id_map = 2;
    assert_int_equal(code_ids_choose(e, 2, &text), 0);
}

static void ranges_that_overlap_are_refused(void **state)
{
    const struct encoder_request at_500 = {.label = "x", .id_offset = 500};
    const struct encoder_request at_509 = {.label = "y", .id_offset = 509};
    const struct encoder_request at_510 = {.label = "y", .id_offset = 510};
    struct encoding e[] = {codes("a", 10), codes("b", 20)};

    (void)state;
    e[0].request = &at_500;
    e[1].request = &at_509;
    assert_int_equal(code_ids_choose(e, 2, &text), EXIT_USAGE);
    e[1].request = &at_510;
    assert_int_equal(code_ids_choose(e, 2, &text), 0);
}

/* Some pieces of the text, and some behind them. */
static void a_range_does_not_leave_the_pieces(void **state)
{
    const struct shard_tokenizer far = {
        .present = true, .n_pieces = 100, .bos = 1, .eos = 2, .boi = 3, .eoi = 4};
    const struct encoder_request asked = {.label = "x", .id_offset = 99};
    struct encoding e = codes("a", 2);

    (void)state;
    e.request = &asked;
    assert_int_equal(code_ids_choose(&e, 1, &far), EXIT_USAGE);
    e.about.codebook = 1;
    assert_int_equal(code_ids_choose(&e, 1, &far), 0);
}

static void an_option_must_have_codes(void **state)
{
    const struct option_list given = {.n = 1, .given = {{"id-offset", "x=7"}}};
    const struct encoder_request asked = {.label = "x", .id_offset = 7, .given = &given};
    static const uint32_t map[] = {40};
    struct encoding e = codes("a", 1);

    (void)state;
    e.request = &asked;
    assert_int_equal(code_ids_choose(&e, 1, &text), 0); /* a piece: its own affair */
    e.about.n_id_map = 1;
    e.about.id_map = map;
    assert_int_equal(code_ids_choose(&e, 1, &text), EXIT_USAGE);
    e.about.n_id_map = 0;
    e.about.tensors[0].kind = ENCODER_LATENT;
    assert_int_equal(code_ids_choose(&e, 1, &text), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_stand_behind_text_and_each_other),
        cmocka_unit_test(what_is_said_holds),
        cmocka_unit_test(ids_that_clash_are_refused),
        cmocka_unit_test(ranges_that_overlap_are_refused),
        cmocka_unit_test(a_range_does_not_leave_the_pieces),
        cmocka_unit_test(an_option_must_have_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
