/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare_options.h - `prepare`'s command line. */
#ifndef TOOLS_PREPARE_OPTIONS_H
#define TOOLS_PREPARE_OPTIONS_H

#include "ingest/readers.h"
#include "tools/prepare.h"

/* Fills *o with the defaults and the options given; the operands end up in
 * argv[0..*n_operands). Returns as options_parse() does. */
int prepare_options_parse(struct prepare_options *o, int argc, char **argv,
                          int *n_operands);

/* What the readers want to know of them; strings are the options'. */
struct reader_options prepare_reader_options(const struct prepare_options *o);

#endif
