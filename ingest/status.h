/* SPDX-License-Identifier: Apache-2.0
 * ingest/status.h - public: what the functions of ingest/ return.
 *
 * 0 is success, > 0 a normal end, < 0 an error of the run. A bad sample is neither:
 * it is data, and carries a reason from ingest/reject.h. */
#ifndef INGEST_STATUS_H
#define INGEST_STATUS_H

enum ingest_status {
    INGEST_OK = 0,
    INGEST_END = 1, /* no more samples */
    INGEST_ENOMEM = -1,
    INGEST_EIO = -2,       /* the source could not be read */
    INGEST_CANCELLED = -3, /* the source's read callback was told to stop */
    INGEST_EINVAL = -4     /* the caller's options make no sense */
};

/* A short English name of `status`. Static; never NULL. */
const char *ingest_strerror(int status);

#endif
