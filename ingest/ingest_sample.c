/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/ingest_sample.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"

int ingest_sample_set_parts(struct ingest_sample *s, size_t n)
{
    s->parts = calloc(n, sizeof(*s->parts));
    if (!s->parts)
        return INGEST_ENOMEM;
    s->n_parts = n;
    return INGEST_OK;
}

static void part_clear(struct ingest_part *p)
{
    for (size_t i = 0; i < p->n_alternatives; i++) {
        free(p->alternatives[i].name);
        free(p->alternatives[i].text);
    }
    free(p->alternatives);
    free(p->image);
}

void ingest_sample_drop_parts(struct ingest_sample *s)
{
    for (size_t i = 0; i < s->n_parts; i++)
        part_clear(&s->parts[i]);
    free(s->parts);
    s->parts = NULL;
    s->n_parts = 0;
}

int ingest_sample_check_key(struct ingest_sample *s, struct hash_set *keys)
{
    int added = s->unchecked_key ? hash_set_add(keys, s->key, strlen(s->key)) : 1;

    s->unchecked_key = false;
    if (added == 0)
        reject_set(&s->reject, REJECT_DUPLICATE_KEY,
                   "an earlier document has this key (or stands on the line of this "
                   "number)");
    return added < 0 ? added : INGEST_OK;
}

void ingest_sample_clear(struct ingest_sample *s)
{
    ingest_sample_drop_parts(s);
    free(s->key);
    free(s->metadata);
    free(s->raw.bytes);
    *s = (struct ingest_sample){0};
}
