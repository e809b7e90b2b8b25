/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/list_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/exit_code.h"
#include "tools/cli/options.h"

int list_file_open(struct list_file **out, const char *path)
{
    struct list_file *l = *out = malloc(sizeof(*l));
    int error;

    if (!l) {
        fputs("error: out of memory while reading a list\n", stderr);
        return EXIT_FAILED;
    }
    l->path = path;
    l->number = l->len = 0;
    l->bytes = 0;
    l->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (l->file)
        return 0;
    error = errno;
    free(l);
    *out = NULL;
    return file_error(error, "@%s", path);
}

static int wrong(const struct list_file *l, const char *what)
{
    return usage_error("@%s, line %zu: %s", l->path, l->number, what);
}

/* The bytes of one line; *ended at the end of the file. */
static int read_line(struct list_file *l, int *ended)
{
    int c;

    l->len = 0;
    l->number++;
    while ((c = getc_unlocked(l->file)) != EOF && c != '\n') {
        if (c == '\0')
            return wrong(l, "has a NUL byte; a list is text in UTF-8, one input a line");
        if (l->len == LIST_LINE_BYTES)
            return wrong(l, "is longer than 64 KiB; a list has one input a line");
        l->line[l->len++] = (char)c;
    }
    if (c == EOF && ferror(l->file))
        return file_error(errno, "@%s", l->path);
    *ended = c == EOF;
    l->bytes += l->len + 1;
    return l->bytes > LIST_BYTES ? wrong(l, "the list is longer than 1 GiB") : 0;
}

int list_file_next(struct list_file *l)
{
    static const char mark[] = "\xef\xbb\xbf";
    int ended = 0, rc;

    do {
        rc = read_line(l, &ended);
        if (rc != 0)
            return rc;
        while (l->len > 0 && l->line[l->len - 1] == '\r')
            l->len--;
        if (l->number == 1 && l->len >= 3 && memcmp(l->line, mark, 3) == 0)
            memmove(l->line, l->line + 3, l->len -= 3);
    } while (l->len == 0 && !ended);
    l->line[l->len] = '\0';
    return 0;
}

void list_file_close(struct list_file *l)
{
    if (l && l->file != stdin)
        fclose(l->file);
    free(l);
}
