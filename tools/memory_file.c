/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/memory_file.h"

#include <stdlib.h>

int memory_file_open(struct memory_file *m)
{
    *m = (struct memory_file){0};
    m->file = open_memstream(&m->bytes, &m->len);
    return m->file != NULL ? 0 : -1;
}

int memory_file_flush(struct memory_file *m)
{
    return fflush(m->file) == 0 && !ferror(m->file) ? 0 : -1;
}

void memory_file_close(struct memory_file *m)
{
    if (m->file != NULL)
        fclose(m->file);
    free(m->bytes);
    *m = (struct memory_file){0};
}
