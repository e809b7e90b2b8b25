/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_reader_tar_faults.c - what is not the archive's fault: no memory at
 * each allocation in turn, a source that fails or is cancelled at each of its bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "tests/unit/failing_malloc.h"
#include "tests/unit/make_tar.h"

/* Something of everything; the last group is cut. */
static struct made_tar mixture(void)
{
    struct made_tar t = {0};

    tar_put_pair(&t, "a");
    tar_put_text(&t, "a.json",
                 "{\"captions\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\","
                 "\"8\",\"9\"],\"x\":NaN}");
    tar_put_pax(&t, "path", "a-longer-name-for-b.jpg");
    tar_put_image(&t, "short");
    tar_put_member(&t, "long", 'L', "a-longer-name-for-b.txt", 24);
    tar_put_text(&t, "short", "a caption");
    tar_put_pair(&t, "a");
    tar_put_header(&t, "k0.lnk", 6, '1', 0); /* waits for its group */
    tar_put_image(&t, "c.any");
    tar_put_text(&t, "c.json", "{\"caption\":\"c\"}");
    tar_put_pair(&t, "bad\n");
    for (int i = 0; i < 12; i++) {
        char key[8];
        snprintf(key, sizeof(key), "k%d", i);
        tar_put_pair(&t, key);
    }
    tar_put_image(&t, "cut\xFF.jpg");
    return t;
}

struct counts {
    uint64_t groups, captions, rejects;
};

/* Reads all of `in`. What open() and next() return in the end; *n counts before that. */
static int read_all(struct memory_input *in, const char *image_field, struct counts *n)
{
    struct reader_options options = reader_options_default();
    struct ingest_source source = memory_source(in);
    void *r = NULL;
    struct ingest_sample p = {0};
    int rc;

    options.image_field = image_field;
    *n = (struct counts){0};
    rc = reader_tar.open(&r, &source, &options);
    assert_true(rc == INGEST_OK || r == NULL);
    while (rc == INGEST_OK && (rc = reader_tar.next(r, &p)) == INGEST_OK) {
        n->groups++;
        n->captions += p.n_parts > 0 ? p.parts[0].n_alternatives : 0;
        n->rejects += p.reject.reason != REJECT_NONE;
        ingest_sample_clear(&p);
    }
    if (rc == INGEST_EIO)
        assert_string_equal(reader_tar.why(r), "the disk is on fire");
    else if (rc < 0)
        assert_true(strlen(reader_tar.why(r)) > 0);
    if (rc < 0 && r)
        assert_int_equal(reader_tar.next(r, &p), rc);
    if (rc < 0)
        assert_null(p.key);
    reader_tar.close(r);
    return rc;
}

static void no_memory_at_allocations(const char *image_field)
{
    struct made_tar t = mixture();
    struct memory_input whole = {.bytes = t.bytes, .len = t.len, .chunk = 1 << 20};
    struct counts n;
    int64_t n_total;

    n_allocations = 0;
    assert_int_equal(read_all(&whole, image_field, &n), INGEST_END);
    n_total = n_allocations;
    assert_true(n_total > 100);
    for (int64_t i = 0; i < n_total; i++) {
        struct memory_input in = {.bytes = t.bytes, .len = t.len, .chunk = 1 << 20};
        n_allocations = 0;
        failing = i;
        assert_int_equal(read_all(&in, image_field, &n), INGEST_ENOMEM);
        failing = -1;
    }
    free(t.bytes);
}

static void no_memory_is_said_at_every_allocation(void **state)
{
    (void)state;
    json_set_alloc_funcs(__wrap_malloc, free);
    no_memory_at_allocations(NULL);
    no_memory_at_allocations("JPG");
}

/* A source that ends in `ending` after each number of bytes, compressed or not. */
static void fail_everywhere(int ending)
{
    struct made_tar t = mixture();

    for (size_t len = 0; len < t.len; len += len < 2048 ? 1 : 97) {
        struct memory_input in = {
            .bytes = t.bytes, .len = len, .chunk = 333, .ending = ending};
        struct counts n;
        assert_int_equal(read_all(&in, NULL, &n), ending);
        assert_int_equal(in.n_reads, len / 333 + (len % 333 > 0) + 1);
    }
    free(t.bytes);
}

static void a_cancelled_read_comes_out_at_once(void **state)
{
    (void)state;
    fail_everywhere(INGEST_CANCELLED);
}

static void a_failed_read_comes_out_at_once(void **state)
{
    (void)state;
    fail_everywhere(INGEST_EIO);
}

/* After damage the input is drained; that can be cancelled too. */
static void a_drain_can_be_cancelled(void **state)
{
    struct memory_input in = {.bytes = (const unsigned char *)"<html>",
                              .len = 6,
                              .chunk = 6,
                              .ending = INGEST_CANCELLED};
    struct made_tar t = {0};
    struct counts n;

    (void)state;
    assert_int_equal(read_all(&in, NULL, &n), INGEST_CANCELLED);
    tar_put_pair(&t, "a");
    tar_put_end(&t);
    tar_put(&t, "data after the end", 18);
    in = (struct memory_input){.bytes = t.bytes, .len = t.len, .chunk = t.len};
    in.ending = INGEST_CANCELLED;
    assert_int_equal(read_all(&in, NULL, &n), INGEST_CANCELLED);
    assert_int_equal(n.groups, 1);
    free(t.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_is_said_at_every_allocation),
        cmocka_unit_test(a_cancelled_read_comes_out_at_once),
        cmocka_unit_test(a_failed_read_comes_out_at_once),
        cmocka_unit_test(a_drain_can_be_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
