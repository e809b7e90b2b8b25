/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_reader_jsonl_faults.c - documents, with no memory at each allocation in
 * turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "ingest/readers.h"
#include "ingest/status.h"
#include "tests/unit/failing_malloc.h"
#include "tests/unit/memory_input.h"

static const char documents[] =
    "{\"id\":1,\"text\":\"a\",\"te\\u0078t\":\"b\",\"x\":[1,{\"y\":2.5}]}\n"
    "{\"id\":\"k\",\"text\":\"c\",\"x\":NaN}\n\n"
    "{\"id\":\"k\",\"text\":\"d\"}\n"
    "{\"id\":\"\\u0001\",\"text\":\"e\"}\n"
    "{\"text\":\"f\"}\n{\"text\":\"  \"}\nbad\n{\"id\":1.5}\n"
    "{\"text\":\"a longer line than the others, for which there is no room\"}\n";

/* What open(), next(), parse() or check_key() return in the end; counts before that. */
static int read_all(int *n_documents, int *n_rejects)
{
    struct reader_options o = reader_options_default();
    struct memory_input in = {.bytes = (const unsigned char *)documents,
                              .len = sizeof(documents) - 1,
                              .chunk = 50};
    struct ingest_source source = memory_source(&in);
    void *r = NULL;
    struct hash_set keys = {0};
    int rc;

    *n_documents = *n_rejects = 0;
    o.max_doc_bytes = 60;
    rc = reader_jsonl.open(&r, &source, &o);
    assert_true(rc == INGEST_OK || r == NULL);
    while (rc == INGEST_OK) {
        struct ingest_sample p;

        rc = reader_jsonl.next(r, &p);
        if (rc == INGEST_OK) {
            rc = reader_jsonl.parse(&p, &o);
            assert_true(rc == INGEST_OK || p.key == NULL);
        }
        if (rc == INGEST_OK)
            rc = ingest_sample_check_key(&p, &keys);
        *n_documents += rc == INGEST_OK;
        *n_rejects += rc == INGEST_OK && p.reject.reason != REJECT_NONE;
        ingest_sample_clear(&p);
    }
    reader_jsonl.close(r);
    hash_set_free(&keys);
    return rc;
}

static void no_memory_is_said_at_every_allocation(void **state)
{
    int n_documents, n_rejects;
    int64_t n_total;

    (void)state;
    json_set_alloc_funcs(__wrap_malloc, free);
    n_allocations = 0;
    assert_int_equal(read_all(&n_documents, &n_rejects), INGEST_END);
    assert_int_equal(n_documents, 9);
    assert_int_equal(n_rejects, 6);
    n_total = n_allocations;
    assert_true(n_total > 80);
    for (int64_t i = 0; i < n_total; i++) {
        n_allocations = 0;
        failing = i;
        assert_int_equal(read_all(&n_documents, &n_rejects), INGEST_ENOMEM);
        failing = -1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_is_said_at_every_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
