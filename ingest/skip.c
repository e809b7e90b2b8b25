/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/skip.h"

const char *skip_name(enum skip_kind kind)
{
    static const char *const names[N_SKIP_KINDS] = {
#define X(id, name) [SKIP_##id] = name,
        INGEST_SKIPS(X)
#undef X
    };

    return (unsigned)kind < N_SKIP_KINDS ? names[kind] : "none";
}
