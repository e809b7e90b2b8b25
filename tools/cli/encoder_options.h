/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/encoder_options.h - which encoders a run has, and the options that hold for
 * each of them.
 *
 *     --encoder [LABEL=]SCHEME:REST     may be repeated; --vae PATH is vae:PATH
 *     --size N                          for all of them
 *     --size LABEL=N                    for one, wherever it stands
 *
 * What stands behind the scheme's colon is taken as it is. */
#ifndef TOOLS_CLI_ENCODER_OPTIONS_H
#define TOOLS_CLI_ENCODER_OPTIONS_H

#include <stdbool.h>

#include "tools/cli/image_options.h"
#include "tools/cli/latent_options.h"
#include "tools/cli/options.h"

enum { ENCODERS_MAX = 16, ENCODER_LABEL_CAP = 65 };

struct child_hearer;

/* Of an encoder that works in processes of its own. */
struct process_options {
    int64_t processes;   /* 0: one for each device */
    const char *args;    /* more words of the command of one that ships; or NULL */
    const char *devices; /* of all: tools/run/device_list.h; NULL: auto */
    int64_t timeout;     /* seconds for an answer */
    int64_t restarts;    /* in a row, without an answer between */
    const struct child_hearer
        *hearer; /* of what they say; the program's, not the user's */
};

/* One encoder as it was asked for. */
struct encoder_request {
    char label[ENCODER_LABEL_CAP];
    char scheme[ENCODER_LABEL_CAP];
    const char *rest; /* NULL: the embedded model ("builtin") */
    /* as they hold for it: */
    struct image_options image;
    struct latent_options latent;
    struct process_options process;
    int64_t id_offset; /* token of code 0; -1: what the encoder or the vocabulary says */
    const struct option_list *given; /* by the user, for all encoders; lent */
};

/* In the order of the command line. */
struct encoder_requests {
    size_t n;
    bool assumed; /* none was named: the embedded VAE */
    struct encoder_request at[ENCODERS_MAX];
};

struct process_options process_options_default(void);

/* Fills the list with those that hold for all encoders, and write to *o. */
enum { N_PROCESS_OPTIONS = 3 };
void process_options_list(struct process_options *o,
                          struct option list[N_PROCESS_OPTIONS]);

/* Fills the list with the options that name encoders, which write to *given, and with
 * what is made of their tensors, under their heading. */
enum { N_ENCODER_OPTIONS = 6 + N_LATENT_OPTIONS };
void encoder_options_list(struct option_list *given,
                          struct option list[N_ENCODER_OPTIONS]);

/* Makes those of n options that may name one encoder write to *given, too. */
void encoder_options_collect(struct option_list *given, struct option *options, size_t n);

/* Makes requests of what was given, which is kept; other options, as for decoding, are
 * copied from `image` and `process`. Returns OPTIONS_OK, or OPTIONS_WRONG after
 * explaining. */
int encoder_options_resolve(const struct option_list *given,
                            const struct image_options *image,
                            const struct process_options *process,
                            struct encoder_requests *requests);

/* Whether --`option` was given for this encoder by its label. */
bool encoder_request_is_named(const struct encoder_request *r, const char *option);

#endif
