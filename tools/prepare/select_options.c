/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/prepare/select_options.h"

#include <stdbool.h>
#include <string.h>

#include "ingest/text/utf8.h"

const char *const metadata_names[] = {"keep", "none", NULL};

struct select_options select_options_default(void)
{
    const struct reader_options reading = reader_options_default();

    return (struct select_options){.text_field = reading.text_field,
                                   .id_field = reading.id_field,
                                   .max_doc_bytes = (int64_t)reading.max_doc_bytes,
                                   .name_depth = 1,
                                   .max_metadata = (int64_t)reading.max_metadata,
                                   .max_member = (int64_t)reading.max_member_bytes,
                                   .max_reject_rate = 0.5};
}

/* "auto", then the readers. */
static void list_formats(const char *names[N_READERS + 2])
{
    names[0] = "auto";
    for (int i = 0; i < N_READERS; i++)
        names[1 + i] = readers[i]->name;
    names[1 + N_READERS] = NULL;
}

void select_options_list(struct select_options *o, struct option list[N_SELECT_OPTIONS])
{
    static const int64_t gib = (int64_t)1 << 30;
    const struct option options[] = {
        {.type = OPTION_HEADING, .help = "Selection"},
        {"image-field", OPTION_STRING, &o->image_field, "EXT",
         "the member that is the image (jpg, jpeg, png, webp, else by magic bytes)", NULL,
         0, 0},
        {"input-format", OPTION_CHOICE, &o->input_format, NULL,
         "of all inputs (auto: as a path's suffix says, else tar)", o->formats, 0, 0},
        {"text-field", OPTION_STRING, &o->text_field, "NAME",
         "a document's member that is its text (text)", NULL, 0, 0},
        {"id-field", OPTION_STRING, &o->id_field, "NAME",
         "a document's member that is its key, else the line's number is (id)", NULL, 0,
         0},
        {"max-doc-bytes", OPTION_BYTES, &o->max_doc_bytes, "BYTES",
         "longer lines are too_long (4M)", NULL, 1, DOCUMENT_MAX_BYTES},
        {"metadata", OPTION_CHOICE, OPTION_ENUM(o->metadata), NULL,
         "the pairs' JSON, and that of documents without their text (keep)",
         metadata_names, 0, 0},
        {"max-metadata", OPTION_BYTES, &o->max_metadata, "BYTES",
         "longer JSON is dropped and counted (64K)", NULL, 0, 1 << 20},
        {"max-member", OPTION_BYTES, &o->max_member, "BYTES",
         "longer images are too_many_bytes (64M); captions are beyond 1M", NULL, 1,
         2 * gib},
        {"max-reject-rate", OPTION_REAL, &o->max_reject_rate, "R",
         "an input with a higher share of rejects gives exit status 42\n"
         "and, from 100 samples on, no shard (0.5)",
         NULL, 0, 1},
        {"limit", OPTION_INT, &o->limit, "N", "read only N samples of each input", NULL,
         1, INT64_MAX},
        {"name", OPTION_STRING, &o->name, "NAME",
         "what the outputs are called, needed for '-' and pipe:;\n"
         "a brace pattern for several inputs",
         NULL, 0, 0},
        {"name-depth", OPTION_INT, &o->name_depth, "N",
         "components of the path that make the name (1)", NULL, 1, 64},
    };

    _Static_assert(sizeof(options) == N_SELECT_OPTIONS * sizeof(*options), "its number");
    list_formats(o->formats);
    memcpy(list, options, sizeof(options));
}

struct reader_options select_options_reading(const struct select_options *o)
{
    return (struct reader_options){.keep_metadata = o->metadata == METADATA_KEEP,
                                   .max_metadata = (size_t)o->max_metadata,
                                   .limit = (uint64_t)o->limit,
                                   .image_field = o->image_field,
                                   .max_member_bytes = (size_t)o->max_member,
                                   .text_field = o->text_field,
                                   .id_field = o->id_field,
                                   .max_doc_bytes = (size_t)o->max_doc_bytes};
}

/* Fields are compared in lower case, and the configuration must not tell JPG from jpg.
 * The text is argv's, which a program may change. */
static void fold_case(const char *text)
{
    for (char *c = (char *)text; c && *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
}

/* The text's member names the text in its record, so it keeps a name's limits. */
static bool is_member_name(const char *name)
{
    enum { MOST = 1000 };

    return utf8_valid(name, strlen(name)) && strlen(name) <= MOST;
}

int select_options_check(struct select_options *o)
{
    const char *field_problem;

    fold_case(o->image_field);
    field_problem = o->image_field ? reader_image_field_problem(o->image_field) : NULL;
    if (field_problem)
        usage_error("--image-field %s: %s", o->image_field, field_problem);
    else if (!is_member_name(o->text_field) || !is_member_name(o->id_field))
        usage_error("--text-field and --id-field: UTF-8 of at most 1000 bytes");
    else if (strcmp(o->text_field, o->id_field) == 0)
        usage_error("--text-field and --id-field are the same");
    else
        return OPTIONS_OK;
    return OPTIONS_WRONG;
}
