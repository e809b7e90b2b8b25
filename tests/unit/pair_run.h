/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/pair_run.h - one archive through ingest/pair.h, as text to compare. */
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
    struct pair_options options;
    struct ingest_totals totals;
    char out[8192];
    size_t n_out;
};

static inline struct run *start(void)
{
    struct run *run = calloc(1, sizeof(*run));

    assert_non_null(run);
    run->options = pair_options_default();
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
static inline void print_pair(struct run *run, const struct pair *p)
{
    print(run, "%s: ", p->key);
    if (p->reject.reason != REJECT_NONE) {
        print(run, "%s: %s\n", reject_name(p->reject.reason), p->reject.detail);
        assert_null(p->image);
        assert_null(p->captions);
        assert_null(p->metadata);
        return;
    }
    print(run, "image %zu", p->image_len);
    for (size_t i = 0; i < p->n_captions; i++)
        print(run, ", %s=%s", p->captions[i].name, p->captions[i].text);
    if (p->metadata)
        print(run, ", metadata %zu", p->metadata_len);
    print(run, "\n");
}

/* Reads the archive and frees the run. */
static inline void finish(struct run *run, const char *expected)
{
    struct memory_input in = {.bytes = run->tar.bytes, .len = run->tar.len, .chunk = 700};
    struct ingest_source source = memory_source(&in);
    struct pair_reader *r;
    struct pair p;
    uint64_t index = 0;
    int rc;

    assert_int_equal(pair_reader_open(&r, &source, &run->options), INGEST_OK);
    while ((rc = pair_reader_next(r, &p)) == INGEST_OK) {
        assert_int_equal(p.index, index++);
        print_pair(run, &p);
        pair_clear(&p);
    }
    assert_int_equal(rc, INGEST_END);
    assert_int_equal(pair_reader_next(r, &p), INGEST_END);
    run->totals = *pair_reader_totals(r);
    assert_int_equal(run->totals.groups, index);
    assert_false(run->totals.damaged);
    assert_string_equal(run->out, expected);
    pair_reader_close(r);
    free(run->tar.bytes);
}

#endif
