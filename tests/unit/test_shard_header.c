/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_shard_header.c - the header's JSON: stable, exact, and checked. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shard/status.h"
#include "tests/unit/sample_records.h"

static const char golden[] =
    "{\"caption_first\":0.8,\"config\":{\"encode\":{\"size\":256},\"text\":{\"caption_"
    "first\":0.8}},\"demo\":true,\"encoders\":[{\"config\":{\"a\":[0.5],\"b\":1},\"f\":8,"
    "\"formula\":\"latent = (raw - shift) * "
    "scale\",\"kind\":\"vae\",\"moments\":\"mean\","
    "\"name\":\"small\",\"numerics\":\"direct-1\",\"reproducible\":true,\"scale\":[0."
    "18215],\"shift\":[0.0],\"weights_sha256\":\"00ff\"}],\"name\":\"unit\",\"part\":0,"
    "\"patch\":2,\"seed\":7,\"software\":\"latentmill test\",\"tokenizer\":{\"boi\":4096,"
    "\"bos\":1,\"eoi\":4097,\"eos\":null,\"file\":\"tokenizer-abcd.model\",\"n_pieces\":"
    "4096,\"sha256\":\"abcd\"}}";

static void test_golden_text(void **state)
{
    struct shard_header h = *sample_header();
    char *json;

    (void)state;
    h.n_encoders = 1;
    assert_int_equal(shard_header_to_json(&h, &json), SHARD_OK);
    assert_string_equal(json, golden);
    free(json);
}

static void test_round_trip(void **state)
{
    const struct shard_header *in = sample_header();
    struct shard_header *h;
    char *json, *again, why[200];

    (void)state;
    assert_int_equal(shard_header_to_json(in, &json), SHARD_OK);
    assert_int_equal(shard_header_from_json(json, strlen(json), &h, why, sizeof(why)),
                     SHARD_OK);
    assert_string_equal(h->name, "unit");
    assert_true(h->demo && h->tokenizer.present);
    assert_int_equal(h->tokenizer.bos, 1);
    assert_int_equal(h->tokenizer.eos, -1);
    assert_true(h->caption_first == 0.8);
    assert_int_equal(h->n_encoders, 3);
    assert_int_equal(h->encoders[1].n_scale, 2);
    assert_true(h->encoders[1].scale[1] == 1.0 / 3 && h->encoders[1].shift[1] == -2);
    assert_null(h->encoders[1].config);
    assert_string_equal(h->encoders[2].moments, "mean+logvar");
    assert_false(h->encoders[1].reproducible);
    assert_int_equal(shard_header_to_json(h, &again), SHARD_OK);
    assert_string_equal(again, json);
    shard_header_free(h);
    free(json);
    free(again);
}

static void test_no_tokenizer(void **state)
{
    struct shard_header in = *sample_header(), *h;
    char *json, why[200];

    (void)state;
    in.tokenizer = (struct shard_tokenizer){0};
    in.config = NULL;
    in.n_encoders = 0;
    assert_int_equal(shard_header_to_json(&in, &json), SHARD_OK);
    assert_int_equal(shard_header_from_json(json, strlen(json), &h, why, sizeof(why)),
                     SHARD_OK);
    assert_false(h->tokenizer.present);
    assert_null(h->config);
    shard_header_free(h);
    free(json);
}

static void test_what_cannot_be_written(void **state)
{
    const double infinite = (double)INFINITY;
    struct shard_encoder encoder = sample_header()->encoders[0];
    struct shard_header h = *sample_header();
    char *json;

    (void)state;
    h.config = "[1]";
    assert_int_equal(shard_header_to_json(&h, &json), SHARD_EINVAL);
    h.config = "{";
    assert_int_equal(shard_header_to_json(&h, &json), SHARD_EINVAL);
    h = *sample_header();
    h.seed = UINT64_C(1) << 63;
    assert_int_equal(shard_header_to_json(&h, &json), SHARD_EINVAL);
    h = *sample_header();
    h.name = "\xFF";
    assert_int_equal(shard_header_to_json(&h, &json), SHARD_EINVAL);
    h = *sample_header();
    encoder.scale = &infinite;
    h.encoders = &encoder;
    h.n_encoders = 1;
    assert_int_equal(shard_header_to_json(&h, &json), SHARD_EINVAL);
    assert_null(json);
}

/* Each member spoilt in turn: a typed error that names it, never a crash. */
static void test_spoilt_members(void **state)
{
    static const struct {
        const char *from, *to, *names;
    } spoil[] = {
        {"\"name\":\"unit\"", "\"name\":3", "name"},
        {"\"part\":0", "\"part\":-1", "part"},
        {"\"patch\":2", "\"patch\":3", "patch"},
        {"\"seed\":7", "\"seed\":0.5", "seed"},
        {"\"demo\":true", "\"demo\":1", "demo"},
        {"\"caption_first\":0.8,\"config\"", "\"config\"", "caption_first"},
        {"\"config\":{\"enc", "\"config\":[],\"x\":{\"enc", "config"},
        {"\"encoders\":[", "\"encoders\":7,\"x\":[", "encoders"},
        {"\"encoders\":[{", "\"encoders\":[8,{", "encoder"},
        {"\"shift\":[0.0]", "\"shift\":[]", "shift"},
        {"\"shift\":[0.0]", "\"shift\":[\"\"]", "shift"},
        {"\"caption_first\":0.8,\"config\"", "\"caption_first\":1.1,\"config\"",
         "caption_first"},
        {"\"scale\":[0.18215]", "\"scale\":[1e39]", "scale"},
        {"\"scale\":[0.18215],\"shift\":[0.0]", "\"scale\":[],\"shift\":[]", "scale"},
        {"\"moments\":\"mean\"", "\"moments\":\"all\"", "moments"},
        {"\"bos\":1", "\"bos\":-7", "bos"},
        {"\"bos\":1", "\"bos\":2147483648", "bos"},
        {"\"boi\":4096", "\"boi\":2147483648", "boi"},
        {"\"tokenizer\":{", "\"tokenizer\":5,\"x\":{", "tokenizer"},
        {"{\"caption", "[{\"caption", "JSON"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
        char json[2000], why[200] = "";
        const char *at = strstr(golden, spoil[i].from);
        struct shard_header *h;
        assert_non_null(at);
        snprintf(json, sizeof(json), "%.*s%s%s", (int)(at - golden), golden, spoil[i].to,
                 at + strlen(spoil[i].from));
        assert_int_equal(shard_header_from_json(json, strlen(json), &h, why, sizeof(why)),
                         SHARD_EFORMAT);
        assert_null(h);
        if (strstr(why, spoil[i].names) == NULL)
            fail_msg("\"%s\" does not name %s", why, spoil[i].names);
    }
}

/* A reader in Python recurses: what it would choke on is refused for everybody. */
static void test_nesting(void **state)
{
    (void)state;
    for (int depth = 62; depth <= 63; depth++) { /* within two objects: 64 and 65 */
        char json[2000], open[64] = "", shut[64] = "", why[200] = "";
        const char *at = strstr(golden, "{\"encode\"");
        struct shard_header *h;
        memset(open, '[', (size_t)depth);
        memset(shut, ']', (size_t)depth);
        snprintf(json, sizeof(json), "%.*s{\"a\":\"[[\\\"[\",\"b\":%s%s,%s",
                 (int)(at - golden), golden, open, shut, at + 1);
        int rc = shard_header_from_json(json, strlen(json), &h, why, sizeof(why));
        assert_int_equal(rc, depth == 62 ? SHARD_OK : SHARD_EFORMAT);
        if (rc < 0)
            assert_non_null(strstr(why, "nested deeper than 64"));
        shard_header_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_text),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_tokenizer),
        cmocka_unit_test(test_what_cannot_be_written),
        cmocka_unit_test(test_spoilt_members),
        cmocka_unit_test(test_nesting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
