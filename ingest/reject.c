/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/reject.h"

#include <stdarg.h>
#include <stdio.h>

const char *reject_name(enum reject_reason reason)
{
    static const char *const names[N_REJECT_REASONS] = {[REJECT_NONE] = "none",
#define X(id, name) [REJECT_##id] = name,
                                                        INGEST_REASONS(X)
#undef X
    };

    return (unsigned)reason < N_REJECT_REASONS ? names[reason] : "unknown";
}

const char *skip_name(enum skip_kind kind)
{
    static const char *const names[N_SKIP_KINDS] = {
#define X(id, name) [SKIP_##id] = name,
        INGEST_SKIPS(X)
#undef X
    };

    return (unsigned)kind < N_SKIP_KINDS ? names[kind] : "none";
}

enum reject_reason reject_set(struct reject *r, enum reject_reason reason,
                              const char *fmt, ...)
{
    va_list ap;

    r->reason = reason;
    va_start(ap, fmt);
    vsnprintf(r->detail, sizeof(r->detail), fmt, ap);
    va_end(ap);
    return reason;
}
