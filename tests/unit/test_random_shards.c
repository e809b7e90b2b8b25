/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_random_shards.c - thousands of random legal records: what is written is
 * read back, and what the index says of a record plans the same sequence as its row. */
#include "tests/unit/sample_shards.h"

#include "shard/file/file_map.h"
#include "shard/index/outline.h"
#include "shard/sequence.h"
#include "tests/unit/random_records.h"

enum { N = 4000, N_SHARDS = 8 };

static char prefix[300];
static char paths[N_SHARDS][320];
static struct random_record *records[N];

/* N / N_SHARDS records a shard, in blocks of its own size. */
static void write_shard(size_t shard)
{
    static const uint64_t sizes[N_SHARDS] = {0, 1, 500, 3000, 10000, 40000, 100000, 7777};
    char own[310];
    size_t n;
    struct shard_writer_options options = {.header = random_header(),
                                           .path = sample_path,
                                           .ctx = own,
                                           .max_block_bytes = sizes[shard]};
    struct shard_writer *w;

    snprintf(own, sizeof(own), "%s%zu", prefix, shard);
    assert_int_equal(shard_writer_open(&w, &options), SHARD_OK);
    for (size_t i = shard * (N / N_SHARDS); i < (shard + 1) * (N / N_SHARDS); i++)
        if (shard_writer_append(w, &records[i]->rec) != SHARD_OK)
            fail_msg("record %zu: %s", i, shard_writer_why(w));
    assert_int_equal(shard_writer_finish(w), SHARD_OK);
    snprintf(paths[shard], sizeof(paths[shard]), "%s", shard_writer_files(w, &n)[0].path);
    assert_int_equal(n, 1);
    shard_writer_close(w);
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < N; i++)
        records[i] = random_record_make(i, random_header());
    snprintf(prefix, sizeof(prefix), "%s/s", sample_folder());
    for (size_t i = 0; i < N_SHARDS; i++)
        write_shard(i);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < N; i++)
        random_record_free(records[i]);
    for (size_t i = 0; i < N_SHARDS; i++)
        unlink(paths[i]);
    *strrchr(prefix, '/') = 0;
    rmdir(prefix);
    return 0;
}

/* The generator leaves nothing out. */
static void test_everything_is_there(void **state)
{
    size_t parts[4] = {0}, encoders[RANDOM_ENCODERS] = {0}, logvars = 0, mirrored = 0;
    size_t unknown_renditions = 0, outputs = 0, pairs = 0, image_first = 0, empty = 0;
    size_t text, image;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        const struct shard_record *rec = &records[i]->rec;
        empty += rec->n_parts == 0;
        pairs += shard_is_pair(rec, &text, &image);
        image_first += rec->order == SHARD_IMAGE_FIRST;
        for (size_t j = 0; j < rec->n_parts; j++)
            parts[rec->parts[j].kind < 3 ? rec->parts[j].kind : 3]++;
        for (size_t j = 0; j < rec->n_renditions; j++)
            unknown_renditions += rec->renditions[j].kind > 0;
        for (size_t j = 0; j < rec->n_tensors; j++) {
            encoders[rec->tensors[j].encoder]++;
            logvars += shard_is_logvar(&rec->tensors[j]);
            mirrored += shard_is_mirrored(&rec->tensors[j]);
            outputs += shard_output_of(&rec->tensors[j]) > 0;
        }
    }
    for (size_t i = 0; i < 4; i++)
        assert_true(parts[i] > 100);
    for (size_t i = 0; i < RANDOM_ENCODERS; i++)
        assert_true(encoders[i] > 100);
    assert_true(logvars > 50 && mirrored > 100 && outputs > 100 && empty > 50);
    assert_true(unknown_renditions > 100 && pairs > 100 && image_first > 50);
}

static void test_round_trip(void **state)
{
    struct shard_reader *r;
    struct shard_record rec;

    (void)state;
    for (size_t shard = 0; shard < N_SHARDS; shard++) {
        struct random_record **want = records + shard * (N / N_SHARDS);
        const uint64_t n = N / N_SHARDS;
        assert_int_equal(shard_reader_open(&r, paths[shard]), SHARD_OK);
        assert_int_equal(shard_reader_count(r), n);
        for (uint64_t i = 0; i < n; i++) {
            if (shard_reader_next(r, &rec) != SHARD_OK)
                fail_msg("%s", shard_reader_why(r));
            assert_record(&rec, &want[i]->rec, false);
        }
        assert_int_equal(shard_reader_next(r, &rec), SHARD_EOF);
        for (uint64_t i = 0; i < n / 2; i++) {
            const uint64_t at = i * 7919 % n;
            shard_reader_text_only(r, i % 2 == 1);
            assert_int_equal(shard_reader_at(r, at, &rec), SHARD_OK);
            assert_record(&rec, &want[at]->rec, i % 2 == 1);
        }
        shard_reader_close(r);
    }
}

/* ---- sequences ---- */

/* Text of a random plan that knows every encoder of the header. */
static void random_plan(struct random_record *dice, char *json, size_t cap)
{
    static const char *const parts[] = {"\"text\"", "\"image\"", "\"data\"", "3"};
    static const char *const flags[] = {"null", "\"loss\"", "\"context\""};
    static const char *const roles[] = {"null", "null", "\"user\"", "\"assistant\""};
    static const char *const bools[] = {"false", "true"};
    const struct shard_header *h = random_header();
    size_t len = (size_t)snprintf(json, cap, "{\"ends\":\"%s\",\"rules\":[",
                                  random_once_in(dice, 2) ? "text" : "sequence");

    for (uint32_t i = 0; i < 8; i++) {
        const uint32_t part = i < 4 ? random_below(dice, 4) : i - 4;
        len += (size_t)snprintf(
            json + len, cap - len,
            "%s{\"part\":%s,\"flag\":%s,\"role\":%s,\"last\":%s,\"see\":[",
            i > 0 ? "," : "", parts[part], flags[i < 4 ? random_below(dice, 3) : 0],
            roles[i < 4 ? random_below(dice, 4) : 0],
            bools[i < 4 ? random_below(dice, 2) : 0]);
        for (uint32_t j = 0, n = random_below(dice, 4); j < n; j++) {
            const uint32_t e = random_below(dice, RANDOM_ENCODERS + 4);
            len += (size_t)snprintf(json + len, cap - len, "%s{", j > 0 ? "," : "");
            if (e < RANDOM_ENCODERS)
                len += (size_t)snprintf(json + len, cap - len, "\"encoder\":\"%s\",",
                                        h->encoders[e].name);
            if (random_once_in(dice, 2))
                len += (size_t)snprintf(json + len, cap - len, "\"window\":%u,",
                                        1u << random_below(dice, 2));
            len += (size_t)snprintf(
                json + len, cap - len,
                "\"size\":%s,\"loss\":%s,\"markers\":%s,\"output\":%u,\"row_end\":%s}",
                random_once_in(dice, 4) ? "{\"height\":9,\"width\":99,\"unit\":1}"
                                        : "null",
                bools[random_below(dice, 2)], bools[random_below(dice, 2)],
                random_once_in(dice, 4) ? 255u : 0u,
                random_once_in(dice, 2) ? "9" : "null");
        }
        len += (size_t)snprintf(json + len, cap - len, "]}");
    }
    len += (size_t)snprintf(json + len, cap - len, "]}");
    assert_true(len < cap);
}

/* Everything but values is the same of both, and the length is that of what is built. */
static bool compare_lengths(const struct shard_view *view,
                            const struct shard_record *outline,
                            const struct shard_record *rec,
                            const struct shard_draws *draws)
{
    struct shard_measure of_index, of_row;
    struct shard_sequence seq;
    size_t length = 1, same = 2;

    const int rc = shard_sequence_length(view, rec, draws, &length);
    assert_int_equal(shard_sequence_length(view, outline, draws, &same), rc);
    if (rc == SHARD_OK)
        assert_int_equal(length, same);
    const int measured = shard_sequence_measure(view, rec, &of_row);
    assert_int_equal(shard_sequence_measure(view, outline, &of_index), measured);
    if (measured == SHARD_OK) {
        assert_int_equal(of_index.arrangement, of_row.arrangement);
        assert_int_equal(of_index.n_texts, of_row.n_texts);
        assert_int_equal(of_index.n_framed, of_row.n_framed);
        assert_int_equal(of_index.length[0], of_row.length[0]);
    }
    assert_int_equal(shard_sequence_build(view, rec, draws, &seq), rc);
    if (rc == SHARD_OK)
        assert_int_equal(seq.length, length);
    for (size_t i = 0; rc == SHARD_OK && i < seq.n_spans; i++)
        assert_true(seq.spans[i].offset + seq.spans[i].length <= seq.length &&
                    seq.spans[i].part < rec->n_parts);
    shard_sequence_clear(&seq);
    return rc == SHARD_OK;
}

/* A plan that went through JSON is the same plan. */
static struct shard_plan *parse_twice(const char *json)
{
    struct shard_plan *plan;
    char why[200], *once, *twice;

    if (shard_plan_from_json(json, strlen(json), &plan, why, sizeof(why)) != SHARD_OK)
        fail_msg("%s: %s", json, why);
    assert_int_equal(shard_plan_to_json(plan, &once), SHARD_OK);
    shard_plan_free(plan);
    assert_int_equal(shard_plan_from_json(once, strlen(once), &plan, why, sizeof(why)),
                     SHARD_OK);
    assert_int_equal(shard_plan_to_json(plan, &twice), SHARD_OK);
    assert_string_equal(once, twice);
    free(once);
    free(twice);
    return plan;
}

/* The outline of a record under some plans and draws; how many had a sequence. */
static size_t check_record(const struct shard_header *h, struct random_record *dice,
                           const struct shard_record *outline,
                           const struct shard_record *rec)
{
    size_t n_built = 0;

    for (int i = 0; i < 4; i++) {
        char json[8192];
        struct shard_plan *plan = NULL;
        struct shard_draws draws;
        if (i > 0) {
            random_plan(dice, json, sizeof(json));
            plan = parse_twice(json);
        }
        const struct shard_view view = {.header = h,
                                        .plan =
                                            plan != NULL ? plan : shard_plan_default(),
                                        .window = 1u << random_below(dice, 3)};
        assert_int_equal(shard_draws_make(&draws, rec, random_next(dice), 5, 0.5),
                         SHARD_OK);
        n_built += compare_lengths(&view, outline, rec, &draws);
        shard_draws_clear(&draws);
        shard_plan_free(plan);
    }
    return n_built;
}

static size_t check_shard(size_t shard, struct random_record *dice)
{
    struct shard_positioned_file file;
    struct shard_file_map map;
    struct shard_outline outline;
    struct shard_outline_room room = {0};
    struct shard_record rec;
    size_t n_built = 0;

    assert_int_equal(shard_positioned_file_open(&file, NULL, paths[shard]), SHARD_OK);
    assert_int_equal(shard_file_map_open(&map, &file), SHARD_OK);
    assert_int_equal(shard_outline_load(&outline, &map.index, map.header), SHARD_OK);
    assert_int_equal(outline.n_records, N / N_SHARDS);
    for (size_t i = 0; i < outline.n_records; i++) {
        assert_int_equal(shard_outline_record(&outline, i, &room, &rec), SHARD_OK);
        n_built += check_record(map.header, dice, &rec,
                                &records[shard * (N / N_SHARDS) + i]->rec);
    }
    shard_outline_room_clear(&room);
    shard_outline_clear(&outline);
    shard_file_map_close(&map);
    shard_positioned_file_close(&file);
    return n_built;
}

static void test_index_plans_as_rows_do(void **state)
{
    struct random_record *dice = random_record_make(99, random_header());
    size_t n_built = 0;

    (void)state;
    for (size_t i = 0; i < N_SHARDS; i++)
        n_built += check_shard(i, dice);
    assert_true(n_built > 3 * N / 2); /* of four a record */
    random_record_free(dice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_there),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_index_plans_as_rows_do),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
