/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/archive/damage.h"

#include <stdarg.h>
#include <stdio.h>

int damage_set(struct damage *d, uint64_t offset, const char *fmt, ...)
{
    va_list ap;

    d->offset = offset;
    va_start(ap, fmt);
    vsnprintf(d->what, sizeof(d->what), fmt, ap);
    va_end(ap);
    return INGEST_DAMAGED;
}
