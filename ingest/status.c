/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/status.h"

const char *ingest_strerror(int status)
{
    switch (status) {
    case INGEST_OK:
        return "success";
    case INGEST_END:
        return "end of input";
    case INGEST_ENOMEM:
        return "out of memory";
    case INGEST_EIO:
        return "input could not be read";
    case INGEST_CANCELLED:
        return "cancelled";
    case INGEST_EINVAL:
        return "invalid option";
    default:
        return "unknown status";
    }
}
