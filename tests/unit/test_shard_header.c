/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_shard_header.c - the header's JSON: stable, exact, and checked. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shard/json_array.h"
#include "shard/status.h"
#include "tests/unit/sample_records.h"

static const char golden[] =
    "{\"caption_first\":0.8,\"config\":{\"encode\":{\"size\":256},\"text\":{\"caption"
    "_first\":0.8}},\"demo\":true,\"encoders\":[{\"channels\":4,\"config\":{\"a\":[0."
    "5],\"b\":1},\"encode\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456"
    "789abcdef\",\"f\":8,\"family\":\"Net\",\"formula\":\"latent = (raw - shift) * sc"
    "ale\",\"geometry\":{\"size\":64},\"input\":{\"range\":[-1,1]},\"kind\":\"latent"
    "\",\"moments\":\"mean\",\"name\":\"small\",\"numerics\":\"direct-1\",\"of\":\"im"
    "age\",\"outputs\":[],\"reproducible\":true,\"scale\":[0.18215],\"shift\":[0.0],"
    "\"weights_sha256\":\"00ff\"},{\"codebook\":3,\"config\":null,\"encode\":null,\"f"
    "amily\":\"Net\",\"geometry\":null,\"id_map\":[7,0,2147483647],\"id_offset\":5000"
    ",\"input\":null,\"kind\":\"codes\",\"name\":\"codes\",\"not_promised\":[\"same_b"
    "ytes\",\"batch_invariance\"],\"numerics\":\"direct-1\",\"of\":\"image\",\"output"
    "s\":[\"all\",\"pooled\"],\"reproducible\":false,\"weights_sha256\":null},{\"code"
    "c\":\"jpeg\",\"config\":null,\"encode\":null,\"family\":\"Net\",\"geometry\":nul"
    "l,\"input\":null,\"kind\":\"pixels\",\"name\":\"jpeg\",\"not_promised\":[\"same_"
    "bytes\",\"batch_invariance\"],\"numerics\":\"direct-1\",\"of\":\"image\",\"outpu"
    "ts\":[],\"quality\":95,\"reproducible\":false,\"weights_sha256\":null},{\"channe"
    "ls\":4,\"config\":null,\"encode\":null,\"f\":8,\"family\":\"Net\",\"formula\":\""
    "latent = (raw - shift) * scale\",\"geometry\":null,\"input\":null,\"kind\":\"lat"
    "ent\",\"moments\":\"mean+logvar\",\"name\":\"moments\",\"numerics\":\"direct-1\""
    ",\"of\":\"image\",\"outputs\":[],\"reproducible\":true,\"scale\":{\"dims\":[4,2,"
    "2],\"fp32\":\"AACAPwAAAEAAAEBAAACAQAAAoEAAAMBAAADgQAAAAEEAABBBAAAgQQAAMEEAAEBBAA"
    "BQQQAAYEEAAHBBAAAAAA==\"},\"shift\":{\"dims\":[4,2,2],\"fp32\":\"AACAPwAAAEAAAEB"
    "AAACAQAAAoEAAAMBAAADgQAAAAEEAABBBAAAgQQAAMEEAAEBBAABQQQAAYEEAAHBBAAAAAA==\"},\"w"
    "eights_sha256\":null},{\"config\":null,\"encode\":null,\"family\":\"Net\",\"feat"
    "ures\":[{\"dims\":[null,8],\"mean\":[1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0],\"std\":[1"
    ".0,2.0,3.0,4.0,5.0,6.0,7.0,8.0],\"what\":\"patches\"},{\"dims\":[8],\"mean\":nul"
    "l,\"std\":null,\"what\":\"pooled\"}],\"geometry\":null,\"input\":null,\"kind\":"
    "\"features\",\"name\":\"features\",\"not_promised\":[\"same_bytes\",\"batch_inva"
    "riance\"],\"numerics\":\"direct-1\",\"of\":\"image\",\"outputs\":[\"states\",\"p"
    "ooled\"],\"reproducible\":false,\"weights_sha256\":null}],\"name\":\"unit\",\"pa"
    "rt\":0,\"patch\":2,\"seed\":7,\"software\":\"latentmill test\",\"tokenizer\":{\""
    "boi\":4096,\"bos\":1,\"eoi\":4097,\"eos\":null,\"file\":\"tokenizer-abcd.model\""
    ",\"kind\":\"sentencepiece\",\"n_pieces\":4096,\"sha256\":\"abcd\",\"special\":\""
    "user_defined\",\"tables\":{\"normalizer\":\"nfkc\"}}}";

/* An encoder of each kind that has members of its own. */
static struct shard_header some_encoders(void)
{
    static const uint32_t id_map[3] = {7, 0, 2147483647};
    static const char *const outputs[2] = {"all", "pooled"};
    static struct shard_encoder encoders[5];
    struct shard_header h = *sample_header();

    encoders[0] = h.encoders[SAMPLE_SMALL];
    encoders[1] = h.encoders[SAMPLE_CODES];
    encoders[1].codebook = encoders[1].n_id_map = 3;
    encoders[1].id_map = id_map;
    encoders[1].outputs = outputs;
    encoders[1].n_outputs = 2;
    encoders[2] = h.encoders[SAMPLE_JPEG];
    encoders[2].quality = 95;
    encoders[3] = h.encoders[SAMPLE_MOMENTS];
    encoders[4] = h.encoders[SAMPLE_FEATURES];
    h.encoders = encoders;
    h.n_encoders = 5;
    return h;
}

static void test_golden_text(void **state)
{
    const struct shard_header h = some_encoders();
    char *json;

    (void)state;
    assert_int_equal(shard_header_to_json(&h, &json), SHARD_OK);
    assert_string_equal(json, golden);
    free(json);
}

static void assert_text(const char *got, const char *want)
{
    if (want == NULL)
        assert_null(got);
    else
        assert_string_equal(got, want);
}

static void assert_values(const double *got, const double *want, size_t n)
{
    assert_int_equal(got != NULL, want != NULL);
    if (want != NULL)
        assert_memory_equal(got, want, n * sizeof(got[0]));
}

static void assert_features(const struct shard_features *got,
                            const struct shard_features *want)
{
    assert_string_equal(got->what, want->what);
    assert_int_equal(got->n_dims, want->n_dims);
    assert_memory_equal(got->dims, want->dims, sizeof(got->dims));
    assert_values(got->mean, want->mean, want->dims[want->n_dims - 1]);
    assert_values(got->std, want->std, want->dims[want->n_dims - 1]);
}

static void assert_encoder(const struct shard_encoder *got,
                           const struct shard_encoder *want)
{
    assert_string_equal(got->name, want->name);
    assert_string_equal(got->kind, want->kind);
    assert_string_equal(got->of, want->of);
    assert_string_equal(got->family, want->family);
    assert_text(got->weights_sha256, want->weights_sha256);
    assert_text(got->encode, want->encode);
    assert_int_equal(got->config != NULL, want->config != NULL);
    assert_text(got->geometry, want->geometry);
    assert_text(got->input, want->input);
    assert_int_equal(got->n_outputs, want->n_outputs);
    for (size_t i = 0; i < want->n_outputs; i++)
        assert_string_equal(got->outputs[i], want->outputs[i]);
    assert_string_equal(got->numerics, want->numerics);
    assert_int_equal(got->reproducible, want->reproducible);
    assert_int_equal(got->channels, want->channels);
    assert_int_equal(got->downscale, want->downscale);
    assert_text(got->moments, want->moments);
    assert_int_equal(got->scale_window, want->scale_window);
    assert_int_equal(got->n_scale, want->n_scale);
    for (size_t i = 0; i < want->n_scale; i++)
        assert_true(got->scale[i] == want->scale[i] && got->shift[i] == want->shift[i]);
    assert_int_equal(got->codebook, want->codebook);
    assert_int_equal(got->id_offset, want->id_offset);
    assert_int_equal(got->n_id_map, want->n_id_map);
    if (want->n_id_map > 0)
        assert_memory_equal(got->id_map, want->id_map, 4 * want->n_id_map);
    assert_int_equal(got->n_features, want->n_features);
    for (size_t i = 0; i < want->n_features; i++)
        assert_features(&got->features[i], &want->features[i]);
    assert_text(got->codec, want->codec);
    assert_int_equal(got->quality, want->quality);
}

static void round_trip(const struct shard_header *in)
{
    struct shard_header *h;
    char *json, *again, why[200];

    assert_int_equal(shard_header_to_json(in, &json), SHARD_OK);
    assert_int_equal(shard_header_from_json(json, strlen(json), &h, why, sizeof(why)),
                     SHARD_OK);
    assert_string_equal(h->name, in->name);
    assert_true(h->demo && h->tokenizer.present);
    assert_string_equal(h->tokenizer.kind, in->tokenizer.kind);
    assert_string_equal(h->tokenizer.special, in->tokenizer.special);
    assert_text(h->tokenizer.tables, in->tokenizer.tables);
    assert_int_equal(h->tokenizer.bos, 1);
    assert_int_equal(h->tokenizer.eos, -1);
    assert_true(h->caption_first == 0.8);
    assert_int_equal(h->n_encoders, in->n_encoders);
    for (size_t i = 0; i < in->n_encoders; i++)
        assert_encoder(&h->encoders[i], &in->encoders[i]);
    assert_int_equal(shard_header_to_json(h, &again), SHARD_OK);
    assert_string_equal(again, json);
    shard_header_free(h);
    free(json);
    free(again);
}

static void test_round_trip(void **state)
{
    const struct shard_header h = some_encoders();

    (void)state;
    round_trip(sample_header());
    round_trip(&h);
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

/* Up to 64 values of one dim are numbers; more are base64 of fp32 or u32. */
static void test_long_arrays(void **state)
{
    struct shard_encoder e[2] = {sample_header()->encoders[SAMPLE_SMALL],
                                 sample_header()->encoders[SAMPLE_CODES]};
    struct shard_header in = *sample_header();
    double scale[65] = {0.5, -1}, shift[65] = {0};
    uint32_t ids[65] = {7, 2147483647};
    char *json;

    (void)state;
    e[0].scale = scale;
    e[0].shift = shift;
    e[1].id_map = ids;
    in.encoders = e;
    in.n_encoders = 2;
    for (uint32_t n = 64; n <= 65; n++) {
        e[0].channels = e[1].codebook = n;
        e[0].n_scale = e[1].n_id_map = n;
        round_trip(&in);
        assert_int_equal(shard_header_to_json(&in, &json), SHARD_OK);
        const char *const texts[2][2] = {
            {"\"scale\":[0.5,-1.0,0.0,", "\"id_map\":[7,2147483647,0,"},
            {"\"scale\":{\"dims\":[65],\"fp32\":\"AAAAPwAAgL8A",
             "\"id_map\":{\"dims\":[65],\"u32\":\"BwAAAP///38A"}};
        for (int i = 0; i < 2; i++)
            assert_non_null(strstr(json, texts[n - 64][i]));
        free(json);
    }
    ids[64] = 2147483648;
    assert_int_equal(shard_header_to_json(&in, &json), SHARD_OK);
    struct shard_header *h;
    char why[200] = "";
    assert_int_equal(shard_header_from_json(json, strlen(json), &h, why, sizeof(why)),
                     SHARD_EFORMAT);
    assert_non_null(strstr(why, "\"id_map\" with something that is no id"));
    free(json);
}

/* A reader takes either form of any length. */
static void test_either_form(void **state)
{
    static const char from[] = "\"scale\":[0.18215]",
                      to[] = "\"scale\":{\"fp32\":\"AAAAPw==\",\"dims\":[1]}";
    char json[4000], why[200] = "";
    const char *at = strstr(golden, from);
    struct shard_header *h;

    (void)state;
    snprintf(json, sizeof(json), "%.*s%s%s", (int)(at - golden), golden, to,
             at + strlen(from));
    assert_int_equal(shard_header_from_json(json, strlen(json), &h, why, sizeof(why)),
                     SHARD_OK);
    assert_true(h->encoders[0].n_scale == 1 && h->encoders[0].scale[0] == 0.5);
    shard_header_free(h);
}

/* Each member spoilt in turn: a typed error that names it, never a crash. */
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
    {"\"scale\":[0.18215]", "\"scale\":[]", "scale"},
    {"\"scale\":[0.18215]", "\"scale\":[1,2]", "scale"},
    {"\"moments\":\"mean\"", "\"moments\":\"all\"", "moments"},
    {"\"bos\":1", "\"bos\":-7", "bos"},
    {"\"bos\":1", "\"bos\":2147483648", "bos"},
    {"\"boi\":4096", "\"boi\":2147483648", "boi"},
    {"\"kind\":\"sentencepiece\"", "\"kind\":null", "kind"},
    {"\"kind\":\"sentencepiece\"", "\"x\":0", "earlier development version"},
    {"\"special\":\"user_defined\"", "\"special\":0", "special"},
    {"\"tables\":{", "\"tables\":0,\"x\":{", "tables"},
    {"\"tokenizer\":{", "\"tokenizer\":5,\"x\":{", "tokenizer"},
    {"{\"caption", "[{\"caption", "JSON"},
    {"\"name\":\"small\"", "\"name\":\"\"", "name"},
    {"\"name\":\"small\"", "\"name\":\"Small\"", "name"},
    {"\"name\":\"small\"", "\"name\":\"codes\"", "two encoders"},
    {"\"kind\":\"latent\"", "\"kind\":1", "kind"},
    {"\"of\":\"image\"", "\"of\":null", "of"},
    {"\"family\":\"Net\"", "\"family\":1", "family"},
    {"\"weights_sha256\":\"00ff\"", "\"weights_sha256\":1", "weights_sha256"},
    {"\"encode\":\"01", "\"encode\":\"0", "encode"},
    {"\"encode\":\"01", "\"encode\":\"001", "encode"},
    {"\"encode\":\"01", "\"encode\":\"0A", "encode"},
    {"\"encode\":\"01", "\"x\":\"0", "earlier development version"},
    {"\"encode\":null", "\"encode\":1", "encode"},
    {"\"geometry\":{", "\"geometry\":3,\"x\":{", "geometry"},
    {"\"input\":{", "\"input\":3,\"x\":{", "input"},
    {"\"outputs\":[", "\"outputs\":3,\"x\":[", "outputs"},
    {"\"all\",", "0,", "outputs"},
    {"\"reproducible\":true", "\"reproducible\":1", "reproducible"},
    {"\"channels\":4", "\"channels\":0", "scale"},
    {"\"channels\":4", "\"channels\":65537", "channels"},
    {"\"scale\":[0.18215]", "\"scale\":{}", "scale"},
    {"\"dims\":[4,2,2]", "\"dims\":[4,2,2,1]", "scale"},
    {"\"dims\":[4,2,2]", "\"dims\":[]", "scale"},
    {"\"dims\":[4,2,2]", "\"dims\":[2,2,4]", "scale"},
    {"\"dims\":[4,2,2]", "\"dims\":[4,4,1]", "scale"},
    {"\"dims\":[4,2,2]", "\"dims\":[16]", "scale"},
    {"\"dims\":[4,2,2]", "\"dims\":[4,4]", "scale"},
    {"\"dims\":[4,2,2]", "\"dims\":[4,2,0]", "1 to 3 numbers above 0"},
    {"\"dims\":[4,2,2]", "\"dims\":[-4,2,2]", "1 to 3 numbers above 0"},
    {"\"dims\":[4,2,2]", "\"dims\":[4,2,2.0]", "scale"},
    {"\"dims\":[4,2,2]", "\"dims\":[4,65536,65536]", "at most 65536"},
    {"\"dims\":[4,2,2]", "\"dims\":[4,128,128]", "base64 of 65536 values"},
    {"\"fp32\":\"AACA", "\"fp32\":\"AA", "base64 of 16 values"},
    {"\"fp32\":\"AACA", "\"fp32\":\"AAC ", "base64 of 16 values"},
    {"\"fp32\":\"AACAPw", "\"fp32\":\"AACAfw", "fp32"},
    {"\"fp32\":\"AACA", "\"u32\":\"AACA", "scale"},
    {"\"shift\":{\"dims\":[4,2,2],\"fp32\":\"", "\"shift\":[0.5],\"x\":{\"y\":\"",
     "shift"},
    {"\"codebook\":3", "\"codebook\":2147483648", "codebook"},
    {"\"codebook\":3", "\"codebook\":4", "id_map"},
    {"\"id_map\":[7,", "\"id_map\":[-1,", "id_map"},
    {"2147483647]", "2147483648]", "id_map"},
    {"\"id_map\":[7,0,2147483647],\"id_offset\":5000",
     "\"id_map\":null,\"id_offset\":2147483646", "ids above"},
    {"\"features\":[{", "\"x\":[{", "no \"features\" that is an array or null"},
    {"\"features\":[{", "\"features\":8,\"x\":[{", "that is an array or null"},
    {"\"features\":[{", "\"features\":[8,{", "features"},
    {"\"outputs\":[\"states\",", "\"outputs\":[", "features"},
    {"\"outputs\":[\"states\",", "\"outputs\":[\"states\",\"a\",", "features"},
    {"\"what\":\"pooled\"", "\"what\":null", "what"},
    {"\"dims\":[null,8]", "\"dims\":[null,0]", "dims"},
    {"\"dims\":[null,8]", "\"dims\":[8,null]", "dims"},
    {"\"dims\":[null,8]", "\"dims\":[]", "dims"},
    {"\"dims\":[null,8]", "\"dims\":[-1,8]", "dims"},
    {"\"dims\":[null,8]", "\"dims\":[134217729,8]", "dims"},
    {"\"dims\":[null,8]", "\"dims\":[1,1,1,1,1,1,1,1,8]", "dims"},
    {"\"dims\":[null,8]", "\"dims\":[null,9]", "mean"},
    {"\"mean\":[1.0,", "\"mean\":[", "mean"},
    {"\"std\":null", "\"std\":3", "no \"std\" that is an array or null"},
    {"\"id_map\":[", "\"x\":[", "no \"id_map\" that is an array or null"},
    {"\"codec\":\"jpeg\"", "\"codec\":1", "codec"},
    {"\"quality\":95", "\"quality\":\"95\"", "quality"},
};

static void test_spoilt_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(spoil) / sizeof(spoil[0]); i++) {
        char json[4000], why[200] = "";
        const char *at = strstr(golden, spoil[i].from);
        struct shard_header *h;
        if (at == NULL)
            fail_msg("no %s to spoil", spoil[i].from);
        snprintf(json, sizeof(json), "%.*s%s%s", (int)(at - golden), golden, spoil[i].to,
                 at + strlen(spoil[i].from));
        if (shard_header_from_json(json, strlen(json), &h, why, sizeof(why)) !=
            SHARD_EFORMAT)
            fail_msg("%s is taken", spoil[i].to);
        assert_null(h);
        if (strstr(why, spoil[i].names) == NULL)
            fail_msg("\"%s\" does not name %s", why, spoil[i].names);
    }
}

/* A value that is refused gives no array, whether few or base64. */
static void test_refused_arrays(void **state)
{
    static const char *const objects[] = {"{\"a\":[1,2,-1]}",
                                          "{\"a\":[1,2,2147483648]}",
                                          "{\"a\":[1,1e39,3]}",
                                          "{\"a\":[1,\"2\",3]}",
                                          "{\"a\":{\"dims\":[1],\"u32\":\"AAAAgA==\"}}",
                                          "{\"a\":{\"dims\":[1],\"fp32\":\"AACAfw==\"}}"};

    (void)state;
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        char why[200];
        struct shard_json j = {"it", SHARD_EFORMAT, why, sizeof(why), SHARD_OK};
        struct shard_json k = j;
        uint32_t dims[SHARD_ARRAY_DIMS];
        size_t n;
        json_t *object = json_loads(objects[i], 0, NULL);
        uint32_t *ids = shard_json_ids(&j, object, "a", 10, &n);
        double *reals = shard_json_reals(&k, object, "a", 10, dims, &n);
        assert_true(j.rc == SHARD_EFORMAT && ids == NULL);
        assert_true((k.rc == SHARD_OK) == (reals != NULL));
        assert_int_equal(k.rc, i < 2 ? SHARD_OK : SHARD_EFORMAT);
        free(reals);
        json_decref(object);
    }
}

/* A reader in Python recurses: what it would choke on is refused for everybody. */
static void test_nesting(void **state)
{
    (void)state;
    for (int depth = 62; depth <= 63; depth++) { /* within two objects: 64 and 65 */
        char json[4000], open[64] = "", shut[64] = "", why[200] = "";
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
        cmocka_unit_test(test_long_arrays),
        cmocka_unit_test(test_either_form),
        cmocka_unit_test(test_spoilt_members),
        cmocka_unit_test(test_refused_arrays),
        cmocka_unit_test(test_nesting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
