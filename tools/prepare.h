/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare.h - what one `latentmill prepare` was asked to do. */
#ifndef TOOLS_PREPARE_H
#define TOOLS_PREPARE_H

#include "tools/image_options.h"
#include "tools/latent_options.h"
#include "tools/run_options.h"
#include "tools/select_options.h"
#include "tools/text_options.h"

/* The command line, defaults filled in: each component's options. */
struct prepare_options {
    struct image_options image;
    struct latent_options latent;
    struct text_options text;
    struct select_options select;
    struct run_options run;
};

/* Fills *o with the defaults and the options given; the operands end up in
 * argv[0..*n_operands). Returns as options_parse() does. */
int prepare_options_parse(struct prepare_options *o, int argc, char **argv,
                          int *n_operands);

#endif
