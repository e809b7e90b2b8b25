/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/readers.h"

#include <string.h>

#include "ingest/text/utf8.h"

const struct reader *const readers[N_READERS] = {&reader_tar, &reader_jsonl};

struct reader_options reader_options_default(void)
{
    return (struct reader_options){.keep_metadata = true,
                                   .max_metadata = 64 << 10,
                                   .unpack_memory = 384 << 20,
                                   .max_member_bytes = 64 << 20,
                                   .text_field = "text",
                                   .id_field = "id",
                                   .max_doc_bytes = 4 << 20};
}

const char *reader_image_field_problem(const char *field)
{
    if (!utf8_valid(field, strlen(field)))
        return "is not UTF-8";
    if (field[0] == '\0' || field[0] == '.' || strchr(field, '/'))
        return "what follows a name's first dot is meant, as in 'jpg'";
    return NULL;
}
