/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/select_options.h - how inputs are read, and what of them gets in. */
#ifndef TOOLS_PREPARE_SELECT_OPTIONS_H
#define TOOLS_PREPARE_SELECT_OPTIONS_H

#include <stdint.h>

#include "ingest/readers.h"
#include "tools/cli/options.h"

enum metadata_mode { METADATA_KEEP, METADATA_NONE };

/* Their names on the command line and in files, in the enum's order, NULL-terminated. */
extern const char *const metadata_names[];

/* Strings are argv's. */
struct select_options {
    const char *image_field;
    const char *text_field, *id_field; /* of documents */
    int64_t max_doc_bytes;
    int input_format; /* 0: by suffix; else 1 + position in `readers` */
    enum metadata_mode metadata;
    int64_t max_metadata;
    int64_t max_member;
    double max_reject_rate;
    int64_t limit; /* 0: none */
    const char *name;
    int64_t name_depth;
    const char *formats[N_READERS + 2]; /* names of input_format's values */
};

struct select_options select_options_default(void);

/* Fills the list with the options that write to *o, under their heading. */
enum { N_SELECT_OPTIONS = 13 };
void select_options_list(struct select_options *o, struct option list[N_SELECT_OPTIONS]);

/* What readers want to know of them, all but unpack_memory; strings are these. */
struct reader_options select_options_reading(const struct select_options *o);

/* What the table cannot say; the image field's name becomes lower case. Returns
 * OPTIONS_OK, or OPTIONS_WRONG after explaining. */
int select_options_check(struct select_options *o);

#endif
