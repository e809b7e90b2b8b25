/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare_options.h - `prepare`'s command line. */
#ifndef TOOLS_PREPARE_OPTIONS_H
#define TOOLS_PREPARE_OPTIONS_H

#include "tools/prepare.h"

/* Fills *o with the defaults and the options given; the operands end up in
 * argv[0..*n_operands). Returns as options_parse() does. */
int prepare_options_parse(struct prepare_options *o, int argc, char **argv,
                          int *n_operands);

#endif
