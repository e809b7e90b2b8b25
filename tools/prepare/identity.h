/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/identity.h - whether a published unit was made from the input that is
 * given now.
 *
 * A unit is its NAME and its input: two inputs of one NAME are never taken for one
 * another. A regular file is the same where its size and its probe (input_probe.h) are,
 * whatever its path; a command where its text is. All else (standard input, a FIFO,
 * another command, a file for a command of unknown length) cannot be compared. */
#ifndef TOOLS_PREPARE_IDENTITY_H
#define TOOLS_PREPARE_IDENTITY_H

#include "tools/run/input.h"
#include "tools/store/manifest.h"
#include "tools/cli/run_options.h"

enum identity {
    IDENTITY_SAME,
    IDENTITY_OTHER,   /* for certain */
    IDENTITY_UNKNOWN, /* cannot be compared; --same-input makes it the same */
    IDENTITY_FAILED   /* the file could not be read */
};

/* Compares the input of the manifest `m` with `in`; `limit` is --limit, 0 without. With
 * --check-inputs a file is read as far as it was read then. Gives *why (release with
 * free()): for IDENTITY_OTHER and IDENTITY_UNKNOWN what stands behind "NAME is complete,
 * ", for IDENTITY_FAILED what has happened; NULL for IDENTITY_SAME, or where memory is
 * short. */
enum identity identity_compare(const struct manifest *m, const struct input *in,
                               const struct run_options *o, int64_t limit, char **why);

/* What to do about IDENTITY_OTHER or IDENTITY_UNKNOWN, other than to do it again. */
const char *identity_advice(enum identity id);

#endif
