/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/sample_texts.h"

#include <stdlib.h>

#include "ingest/status.h"
#include "shard/status.h"
#include "tools/prepare/job.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/unit.h"
#include "tools/run/clock.h"

/* Bytes that parsing and tokenizing a text hold for one byte of it, as measured: 100 for
 * prose, 250 for digits, each of which is a token. (A normalizer may make 11 bytes of
 * one, of U+FDFA say; no text is made of that.) Texts that need less than SMALL_TEXT_NEED
 * do not ask: a worker has one of them in hand. */
enum { TEXT_FACTOR = 256, SMALL_TEXT_NEED = 1 << 20 };

/* Takes from the budget what a text of len bytes needs; *taken is to be given back. false
 * where the run is being stopped. */
static bool take_for_text(struct job *job, size_t len, uint64_t *taken)
{
    uint64_t need = (uint64_t)len * TEXT_FACTOR;

    *taken = need < SMALL_TEXT_NEED ? 0 : need;
    return *taken == 0 || budget_take(&job->decode_mem, *taken);
}

static void give_back_for_text(struct job *job, uint64_t taken)
{
    if (taken > 0)
        budget_give_back(&job->decode_mem, taken);
}

/* A text that is not to be tokenized rejects its sample; all else ends the run. */
static int refuse_text(struct job *job, struct sample *s, size_t part,
                       const struct ingest_alternative *a, int status, const char *why)
{
    struct reject reject;

    if (status != SHARD_ESPECIAL && status != SHARD_EMATCH)
        return job_fail(job, "%s: caption %s of '%s' could not be tokenized%s",
                        s->unit->input->name, a->name, s->in.key,
                        status == SHARD_ENOMEM ? ": out of memory" : "");
    reject_set(&reject,
               status == SHARD_ESPECIAL ? REJECT_SPECIAL_TOKEN : REJECT_MATCH_LIMIT,
               "%s: %s", a->name, *why != '\0' ? why : shard_strerror(status));
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

static size_t longest_text(const struct sample *s)
{
    size_t longest = 0;

    for (size_t i = 0; i < s->in.n_parts; i++)
        for (size_t k = 0; k < s->in.parts[i].n_alternatives; k++)
            if (s->in.parts[i].alternatives[k].text_len > longest)
                longest = s->in.parts[i].alternatives[k].text_len;
    return longest;
}

/* One text after the other, so that what the longest needs is enough. */
int sample_tokenize(struct sample *s, struct job *job, struct tokenizer_worker *worker)
{
    uint64_t taken, start;
    int rc = 0;

    if (!worker)
        return 0;
    if (!take_for_text(job, longest_text(s), &taken))
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
    if (!take_for_text(job, s->in.raw.len, &taken))
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
