/* SPDX-License-Identifier: Apache-2.0
 * tools/run/input_advice.h - what to do about an input that cannot be read as it is.
 *
 * Each function says on stderr what is wrong, in which line of which list, and what works
 * today instead. Where memory is short for that, it returns EXIT_FAILED. */
#ifndef TOOLS_RUN_INPUT_ADVICE_H
#define TOOLS_RUN_INPUT_ADVICE_H

#include <stdbool.h>

#include "tools/run/input.h"

/* A path that stat() refused with `error`: a URL, a pattern that the shell left alone, or
 * just not there. Returns EXIT_USAGE, or EXIT_FAILED where another try may help. */
int input_refuse_missing(const struct input *in, int error);

/* Returns EXIT_USAGE. */
int input_refuse_folder(const struct input *in);

/* A path whose suffix says that it is neither a tar nor JSON Lines. Returns EXIT_USAGE,
 * or 0 for one that may be. */
int input_refuse_kind(const struct input *in);

#endif
