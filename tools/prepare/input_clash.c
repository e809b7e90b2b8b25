/* SPDX-License-Identifier: Apache-2.0
 *
 * Two paths are one file's where they have one name in one folder, whose links are
 * followed. Few inputs are called as an output is, so only those are looked at closely.
 */
#include "tools/prepare/input_clash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/options.h"
#include "tools/store/publish.h"

static int out_of_memory(void)
{
    return file_error(ENOMEM, "the inputs' names");
}

struct unit_name {
    const char *base; /* the last component of an input's NAME, lent */
    const struct input *input;
};

struct clash {
    const struct input_list *list;
    const char *out, *log;
    struct unit_name *names; /* all units', sorted; NULL: not needed so far */
};

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool ends(const char *text, size_t len, const char *with)
{
    size_t n = strlen(with);

    return len > n && memcmp(text + len - n, with, n) == 0;
}

/* The folder of dir/path (dir NULL: of path) without links. Gives memory, or NULL with
 * errno. */
static char *real_folder(const char *dir, const char *path)
{
    int len = (int)(base_of(path) - path);
    char *folder, *real;

    if (asprintf(&folder, "%s%s%.*s%s", dir ? dir : "", dir ? "/" : "", len, path,
                 len > 0 || dir ? "" : ".") < 0)
        return NULL;
    real = realpath(folder, NULL);
    free(folder);
    return real;
}

/* Whether x, and y below dir, are in one folder. 1, 0, or -1: no memory. */
static int same_folder(const char *x, const char *dir, const char *y)
{
    char *a, *b = NULL;
    int same;

    errno = 0;
    a = real_folder(NULL, x);
    if (a)
        b = real_folder(dir, y);
    same = a && b && strcmp(a, b) == 0;
    if ((!a || !b) && errno == ENOMEM)
        same = -1;
    free(a);
    free(b);
    return same;
}

/* dataset.json, and the tokenizer that is placed beside it. */
static bool is_folders_own(const char *file)
{
    const size_t len = strlen(file);

    return strcmp(file, "dataset.json") == 0 ||
           (strncmp(file, "tokenizer-", 10) == 0 &&
            (ends(file, len, ".model") || ends(file, len, ".json") ||
             ends(file, len, ".tiktoken")));
}

/* How much of a file's name is the unit's whose output it may be, a temporary one too; 0:
 * no output is called so. */
static size_t unit_length(const char *file)
{
    const char *temporary = strstr(file, ".tmp.");
    size_t len = temporary ? (size_t)(temporary - file) : strlen(file);

    return publication_base_length(&publication_shards, file, len);
}

static int by_base(const void *a, const void *b)
{
    return strcmp(((const struct unit_name *)a)->base,
                  ((const struct unit_name *)b)->base);
}

/* Returns 0, or -1: no memory. */
static int sort_names(struct clash *c)
{
    size_t n = c->list->n;

    if (c->names)
        return 0;
    c->names = malloc(n * sizeof(*c->names));
    if (!c->names)
        return -1;
    for (size_t i = 0; i < n; i++)
        c->names[i] =
            (struct unit_name){base_of(c->list->inputs[i].name), &c->list->inputs[i]};
    qsort(c->names, n, sizeof(*c->names), by_base);
    return 0;
}

/* Of those units that are called as the first `len` bytes of the file's name. */
static int check_units(struct clash *c, const struct input *in, size_t len)
{
    const char *file = base_of(in->text);
    size_t low = 0, high = c->list->n;

    if (sort_names(c) != 0)
        return out_of_memory();
    while (low < high) {
        size_t i = (low + high) / 2;
        int order = strncmp(c->names[i].base, file, len);

        if (order < 0)
            low = i + 1;
        else
            high = i;
    }
    for (; low < c->list->n && strncmp(c->names[low].base, file, len) == 0; low++) {
        const struct input *other = c->names[low].input;
        int same = strlen(c->names[low].base) != len
                       ? 0
                       : same_folder(in->text, c->out, other->name);

        if (same < 0)
            return out_of_memory();
        if (same)
            return usage_error("%s: this run writes a file of that name for %s%s; name "
                               "another --out, or move the input",
                               in->text, input_prefix(other), other->text);
    }
    return 0;
}

static int check_input(struct clash *c, const struct input *in)
{
    const char *file = base_of(in->text);
    size_t len = unit_length(file);
    int same = 0;

    if (c->log && strcmp(base_of(c->log), file) == 0) {
        same = same_folder(in->text, NULL, c->log);
        if (same > 0)
            return usage_error("%s: is an input and --log %s; name another --log",
                               in->text, c->log);
    }
    if (same == 0 && is_folders_own(file)) {
        same = same_folder(in->text, c->out, "");
        if (same > 0)
            return usage_error("%s: is called as --out %s's own files are; name another "
                               "--out, or move the input",
                               in->text, c->out);
    }
    if (same < 0)
        return out_of_memory();
    return len > 0 ? check_units(c, in, len) : 0;
}

int input_clash_check(const struct input_list *list, const char *out, const char *log)
{
    struct clash c = {.list = list, .out = out, .log = log};
    int rc = 0;

    for (size_t i = 0; i < list->n && rc == 0; i++)
        if (list->inputs[i].kind == INPUT_PATH)
            rc = check_input(&c, &list->inputs[i]);
    free(c.names);
    return rc;
}
