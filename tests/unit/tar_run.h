/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/tar_run.h - one archive through ingest/readers.h, as text to compare. */
#ifndef TESTS_PAIR_RUN_H
#define TESTS_PAIR_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/make_tar.h"

/* Options, the archive and what came out of it: a line for each group. */
struct run {
    struct made_tar tar;
    struct reader_options options;
    struct ingest_totals totals;
    char out[8192];
    size_t n_out;
};

static inline struct run *start(void)
{
    struct run *run = calloc(1, sizeof(*run));

    assert_non_null(run);
    run->options = reader_options_default();
    return run;
}

static inline void print(struct run *run, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    run->n_out +=
        (size_t)vsnprintf(run->out + run->n_out, sizeof(run->out) - run->n_out, fmt, ap);
    va_end(ap);
    assert_true(run->n_out < sizeof(run->out));
}

/* "KEY: reason: detail" or "KEY: image 19, name=text, ..., metadata 7". */
static inline void print_sample(struct run *run, const struct ingest_sample *p)
{
    print(run, "%s: ", p->key);
    if (p->reject.reason != REJECT_NONE) {
        print(run, "%s: %s\n", reject_name(p->reject.reason), p->reject.detail);
        assert_int_equal(p->n_parts, 0);
        assert_null(p->metadata);
        return;
    }
    assert_int_equal(p->n_parts, 2);
    assert_int_equal(p->parts[0].kind, INGEST_TEXT);
    assert_int_equal(p->parts[1].kind, INGEST_IMAGE);
    print(run, "image %zu", p->parts[1].image_len);
    for (size_t i = 0; i < p->parts[0].n_alternatives; i++)
        print(run, ", %s=%s", p->parts[0].alternatives[i].name,
              p->parts[0].alternatives[i].text);
    if (p->metadata)
        print(run, ", metadata %zu", p->metadata_len);
    print(run, "\n");
}

/* Reads the archive and frees the run. */
static inline void finish(struct run *run, const char *expected)
{
    struct memory_input in = {.bytes = run->tar.bytes, .len = run->tar.len, .chunk = 700};
    struct ingest_source source = memory_source(&in);
    void *r;
    struct ingest_sample p;
    uint64_t index = 0;
    int rc;

    assert_null(reader_tar.parse); /* next() gives whole samples */
    assert_int_equal(reader_tar.open(&r, &source, &run->options), INGEST_OK);
    while ((rc = reader_tar.next(r, &p)) == INGEST_OK) {
        assert_int_equal(p.index, index++);
        print_sample(run, &p);
        ingest_sample_clear(&p);
    }
    assert_int_equal(rc, INGEST_END);
    assert_int_equal(reader_tar.next(r, &p), INGEST_END);
    run->totals = *reader_tar.totals(r);
    assert_int_equal(run->totals.groups, index);
    assert_false(run->totals.damaged);
    assert_string_equal(run->out, expected);
    reader_tar.close(r);
    free(run->tar.bytes);
}

#endif
