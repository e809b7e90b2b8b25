/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/decode_codec.h"
#include "ingest/status.h"

int decode_webp(const struct decode_job *job)
{
    reject_set(job->reject, REJECT_UNSUPPORTED_FORMAT, "WebP");
    return INGEST_OK;
}
