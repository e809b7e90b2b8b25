/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/sample_texts.h - the encode stage's work on texts: what parsing is left,
 * and ids. */
#ifndef TOOLS_PREPARE_SAMPLE_TEXTS_H
#define TOOLS_PREPARE_SAMPLE_TEXTS_H

struct job;
struct sample;
struct tokenizer_worker;

/* What the reader has left to do, if anything: parts out of what it has cut. Returns 0,
 * 1 where the job is being stopped, or -1 after job_fail(). */
int sample_parse(struct sample *s, struct job *job);

/* Gives all alternatives of all texts their ids, by the caller's worker; NULL: there is
 * no tokenizer. A text that the tokenizer does not take rejects the sample. Returns as
 * sample_parse() does. */
int sample_tokenize(struct sample *s, struct job *job, struct tokenizer_worker *worker);

#endif
