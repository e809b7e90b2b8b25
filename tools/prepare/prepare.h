/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/prepare.h - what one `latentmill prepare` was asked to do. */
#ifndef TOOLS_PREPARE_PREPARE_H
#define TOOLS_PREPARE_PREPARE_H

#include "tools/cli/encoder_options.h"
#include "tools/cli/run_options.h"
#include "tools/prepare/select_options.h"
#include "tools/cli/text_options.h"

/* The command line, defaults filled in: each component's options. */
struct prepare_options {
    struct image_options image;     /* `size` and `resize` are each encoder's own */
    struct option_list given;       /* for encoders */
    struct process_options process; /* `processes` and `args` are each encoder's own */
    struct encoder_requests encoders;
    struct text_options text;
    struct select_options select;
    struct run_options run;
};

/* Fills *o, which is not to be moved, with the defaults and the options given; the
 * operands end up in argv[0..*n_operands). Returns as options_parse() does. */
int prepare_options_parse(struct prepare_options *o, int argc, char **argv,
                          int *n_operands);

#endif
