/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/view/loss.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool loss_fits(const struct loss *loss, const char *why)
{
    return loss->n == 0 || strcmp(loss->why, why) == 0;
}

/* Gives "NAME KEY, index I", or NULL. */
static char *name_of(const struct shard_record *record)
{
    char *name;

    if (record->key[0] == '\0' || asprintf(&name, "%s %s, index %" PRIu64, record->name,
                                           record->key, record->index) < 0)
        return NULL;
    return name;
}

int loss_add(struct loss *loss, const char *why, const struct shard_record *record)
{
    char *name = name_of(record);

    if (loss->n++ == 0) {
        loss->why = strdup(why);
        loss->first = name;
    } else {
        free(loss->last);
        loss->last = name;
    }
    if (loss->why)
        return 0;
    loss_clear(loss);
    return -1;
}

char *loss_text(const struct loss *loss, const char *names)
{
    char *text;
    int rc;

    if (loss->n == 1 && loss->first)
        rc = asprintf(&text, "%s: lost: %s", loss->why, loss->first);
    else if (loss->n == 1)
        rc = asprintf(&text, "%s: a sample is lost", loss->why);
    else if (loss->first && loss->last)
        rc =
            asprintf(&text, "%s: lost: %" PRIu64 " samples, from %s to %s (%s names all)",
                     loss->why, loss->n, loss->first, loss->last, names);
    else
        rc = asprintf(&text, "%s: %" PRIu64 " samples are lost", loss->why, loss->n);
    return rc < 0 ? NULL : text;
}

void loss_clear(struct loss *loss)
{
    free(loss->why);
    free(loss->first);
    free(loss->last);
    *loss = (struct loss){0};
}
