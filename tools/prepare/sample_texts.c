/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/sample_texts.h"

#include <stdlib.h>

#include "ingest/status.h"
#include "shard/status.h"
#include "tools/prepare/job.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/unit.h"
#include "tools/run/clock.h"

/* What needs less than SMALL_TEXT_NEED does not ask: a worker has one text in hand. No
 * text of SMALL_TEXT bytes needs as much. */
enum { SMALL_TEXT_NEED = 1 << 20, SMALL_TEXT = 1 << 10 };

/* Bytes that parsing JSON holds for one byte of it, and for each comma and open bracket,
 * of which each may have a value behind it: measured are 2 of a text, and up to 179 for
 * such a mark, where values are empty objects. */
enum { JSON_PER_BYTE = 8, JSON_PER_MARK = 256 };

/* Takes from the budget what a text needs; *taken is to be given back. false where the
 * run is being stopped. */
static bool take_for_text(struct job *job, uint64_t need, uint64_t *taken)
{
    *taken = need < SMALL_TEXT_NEED ? 0 : need;
    return *taken == 0 || budget_take(&job->decode_mem, *taken);
}

static void give_back_for_text(struct job *job, uint64_t taken)
{
    if (taken > 0)
        budget_give_back(&job->decode_mem, taken);
}

/* SHARD_ENOMEM alone has none. */
static enum reject_reason reason_for(int status)
{
    switch (status) {
    case SHARD_ENOMEM:
        return REJECT_NONE;
    case SHARD_ESPECIAL:
        return REJECT_SPECIAL_TOKEN;
    case SHARD_EMATCH:
        return REJECT_MATCH_LIMIT;
    case SHARD_EUNMATCHED:
        return REJECT_NOT_MATCHED;
    case SHARD_EGROWTH:
        return REJECT_TOO_LONG;
    default:
        return REJECT_NOT_TOKENIZED;
    }
}

/* A text that is not to be tokenized, or cannot be, rejects its sample; a lack of memory
 * ends the run. */
static int refuse_text(struct job *job, struct sample *s, size_t part,
                       const struct ingest_alternative *a, int status, const char *why)
{
    const enum reject_reason reason = reason_for(status);
    struct reject reject;

    if (reason == REJECT_NONE)
        return job_fail(job,
                        "%s: caption %s of '%s' could not be tokenized: out of memory",
                        s->unit->input->name, a->name, s->in.key);
    reject_set(&reject, reason, "%s: %s", a->name,
               *why != '\0' ? why : shard_strerror(status));
    sample_reject(s, (uint32_t)part, &reject);
    return 0;
}

static int tokenize(struct job *job, struct tokenizer_worker *worker, struct sample *s,
                    size_t part)
{
    const struct ingest_part *text = &s->in.parts[part];
    struct sample_part *made = &s->parts[part];

    made->ids = calloc(text->n_alternatives, sizeof(*made->ids));
    made->n_ids = calloc(text->n_alternatives, sizeof(*made->n_ids));
    if (!made->ids || !made->n_ids)
        return job_fail(job, "out of memory");
    for (size_t i = 0; i < text->n_alternatives; i++) {
        const struct ingest_alternative *a = &text->alternatives[i];
        int rc = tokenizer_encode(worker, a->text, a->text_len, &made->ids[i],
                                  &made->n_ids[i]);

        if (rc != SHARD_OK)
            return refuse_text(job, s, part, a, rc, tokenizer_worker_why(worker));
        atomic_fetch_add(&job->count.tokens, made->n_ids[i]);
    }
    return 0;
}

/* What the text that needs most does. */
static uint64_t need_to_tokenize(const struct job *job, const struct sample *s)
{
    uint64_t most = 0;

    for (size_t i = 0; i < s->in.n_parts; i++)
        for (size_t k = 0; k < s->in.parts[i].n_alternatives; k++) {
            const struct ingest_alternative *a = &s->in.parts[i].alternatives[k];
            const uint64_t need =
                a->text_len < SMALL_TEXT
                    ? 0
                    : tokenizer_memory(job->tokenizer, a->text, a->text_len);

            if (need > most)
                most = need;
        }
    return most;
}

/* Of ',', '[' and '{'. */
static unsigned is_mark(char c)
{
    return (c == ',') | ((c & 0xDF) == '[');
}

/* Of 64 bytes: as many as one vector or a few have, which the compiler makes of it. */
static unsigned count_marks(const char *bytes)
{
    unsigned char n = 0;

    for (size_t i = 0; i < 64; i++)
        n += (unsigned char)is_mark(bytes[i]);
    return n;
}

static uint64_t need_to_parse(const struct ingest_raw *raw)
{
    uint64_t n_marks = 0;
    size_t at = 0;

    if (raw->len < SMALL_TEXT)
        return 0;
    for (; raw->len - at >= 64; at += 64)
        n_marks += count_marks(raw->bytes + at);
    for (; at < raw->len; at++)
        n_marks += is_mark(raw->bytes[at]);
    return raw->len * JSON_PER_BYTE + n_marks * JSON_PER_MARK;
}

/* One text after the other, so that what one needs is enough. */
int sample_tokenize(struct sample *s, struct job *job, struct tokenizer_worker *worker)
{
    uint64_t taken, start;
    int rc = 0;

    if (!worker)
        return 0;
    if (!take_for_text(job, need_to_tokenize(job, s), &taken))
        return 1;
    start = clock_ns();
    for (size_t i = 0; i < s->in.n_parts && rc == 0 && s->in.reject.reason == REJECT_NONE;
         i++)
        if (s->in.parts[i].kind == INGEST_TEXT)
            rc = tokenize(job, worker, s, i);
    atomic_fetch_add(&job->count.tokenize_ns, clock_ns() - start);
    give_back_for_text(job, taken);
    return rc;
}

int sample_parse(struct sample *s, struct job *job)
{
    const struct reader *reader = s->unit->input->reader;
    uint64_t taken, start;
    int rc;

    if (!reader->parse)
        return 0;
    if (!take_for_text(job, need_to_parse(&s->in.raw), &taken))
        return 1;
    start = clock_ns();
    rc = reader->parse(&s->in, &job->reading);
    give_back_for_text(job, taken);
    if (rc != INGEST_OK)
        return job_fail(job, "out of memory");
    atomic_fetch_add(&job->count.parse_ns, clock_ns() - start);
    atomic_fetch_add(&job->count.parsed, 1);
    return 0;
}
