/* SPDX-License-Identifier: Apache-2.0
 * tools/run/input_list.c - expand the operands and derive NAMEs, all before any work
 * starts.
 */
#include "tools/run/input_list.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/cli/exit_code.h"
#include "tools/run/input_advice.h"
#include "tools/run/list_file.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"

/* MAX_TEXT are the bytes of all inputs' texts. */
enum { MAX_INPUTS = 10000000, MAX_TEXT = 1 << 30 };

static int out_of_memory(void)
{
    fputs("error: out of memory while listing the inputs\n", stderr);
    return EXIT_FAILED;
}

static int over_limit(const struct input_list *list, const char *what)
{
    if (list->reading)
        return usage_error("@%s, line %zu: %s: give them in several runs",
                           list->reading->path, list->reading->number, what);
    return usage_error("%s: give them in several runs", what);
}

static int check_limits(const struct input_list *list, uint64_t n)
{
    if (list->n + n > MAX_INPUTS)
        return over_limit(list, "more than 10,000,000 inputs");
    if (list->text_bytes > MAX_TEXT)
        return over_limit(list, "the inputs' paths and commands are longer than 1 GiB");
    return 0;
}

/* Takes `text` on success only. */
static int list_add(struct input_list *list, enum input_kind kind, char *text)
{
    struct input in = {.kind = kind, .text = text};
    int rc;

    list->text_bytes += strlen(text) + 1;
    rc = check_limits(list, 1);
    if (rc != 0)
        return rc;
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        struct input *grown = realloc(list->inputs, cap * sizeof(*grown));

        if (!grown)
            return out_of_memory();
        list->inputs = grown;
        list->cap = cap;
    }
    if (list->reading) {
        in.list = list->reading->path;
        in.line = list->reading->number;
    }
    list->inputs[list->n++] = in;
    return 0;
}

static int add_text(struct input_list *list, const char *text)
{
    enum input_kind kind = INPUT_PATH;
    char *copy;
    int rc;

    if (strcmp(text, "-") == 0) {
        kind = INPUT_STDIN;
    } else if (strncmp(text, "pipe:", 5) == 0) {
        kind = INPUT_PIPE;
        text += 5;
    }
    copy = strdup(text);
    if (!copy)
        return out_of_memory();
    rc = list_add(list, kind, copy);
    if (rc)
        free(copy);
    return rc;
}

/* A `{...}` of a pattern: a range {0007..0120} or alternatives {a,b}. */
struct brace {
    const char *open, *close;
    bool range;
    unsigned long first, last;
    int width; /* zero-padded digits, as bash does it */
};

static bool parse_range(struct brace *b)
{
    char *end;
    const char *from = b->open + 1;
    const char *dots = strstr(from, "..");

    if (!dots || dots > b->close || !isdigit((unsigned char)*from) ||
        !isdigit((unsigned char)dots[2]) || dots - from > 9 || b->close - dots > 11)
        return false;
    b->first = strtoul(from, &end, 10);
    if (end != dots)
        return false;
    b->last = strtoul(dots + 2, &end, 10);
    b->range = true;
    if (*from == '0' || dots[2] == '0')
        b->width =
            (int)(dots - from > b->close - dots - 2 ? dots - from : b->close - dots - 2);
    return end == b->close;
}

/* Finds the first brace that is a pattern. Commands keep their {a,b} for the shell. */
static bool find_brace(const char *text, struct brace *b)
{
    bool command = strncmp(text, "pipe:", 5) == 0;

    for (const char *open = strchr(text, '{'); open; open = strchr(open + 1, '{')) {
        *b = (struct brace){.open = open, .close = strchr(open, '}')};
        if (!b->close)
            return false;
        if (parse_range(b))
            return true;
        b->range = false;
        if (!command && memchr(open, ',', (size_t)(b->close - open)))
            return true;
    }
    return false;
}

typedef int (*expanded_fn)(struct input_list *list, const char *text);

static int expand(struct input_list *list, const char *text, expanded_fn add);

static int expand_with(struct input_list *list, const char *text, const struct brace *b,
                       const char *middle, int middle_len, expanded_fn add)
{
    char *joined;
    int rc;

    if (asprintf(&joined, "%.*s%.*s%s", (int)(b->open - text), text, middle_len, middle,
                 b->close + 1) < 0)
        return out_of_memory();
    rc = expand(list, joined, add);
    free(joined);
    return rc;
}

static int expand_range(struct input_list *list, const char *text, const struct brace *b,
                        expanded_fn add)
{
    bool down = b->first > b->last;
    unsigned long n = down ? b->first - b->last : b->last - b->first;
    int rc = check_limits(list, (uint64_t)n + 1);

    for (unsigned long i = 0; i <= n && rc == 0; i++) {
        char number[24];
        int len = snprintf(number, sizeof(number), "%0*lu", b->width,
                           down ? b->first - i : b->first + i);

        rc = expand_with(list, text, b, number, len, add);
    }
    return rc;
}

/* Calls add() with every text that the pattern `text` stands for, left to right. */
static int expand(struct input_list *list, const char *text, expanded_fn add)
{
    struct brace b;
    int rc = 0;

    if (!find_brace(text, &b))
        return add(list, text);
    if (b.range)
        return expand_range(list, text, &b, add);
    for (const char *p = b.open + 1; rc == 0; p++) {
        size_t len = strcspn(p, ",}");

        rc = expand_with(list, text, &b, p, (int)len, add);
        p += len;
        if (*p == '}')
            break;
    }
    return rc;
}

/* One input a line, taken as it is: no braces, no lists. Blank lines are skipped. */
static int add_list_file(struct input_list *list, const char *path)
{
    struct list_file *l;
    int rc = list_file_open(&l, path);

    list->reading = l;
    while (rc == 0 && (rc = list_file_next(l)) == 0 && l->len > 0)
        rc = add_text(list, l->line);
    list->reading = NULL;
    list_file_close(l);
    return rc;
}

/* NAME of a path: its last `depth` components, without the suffix. NULL: no memory. */
static char *name_of_path(const char *path, int depth)
{
    const char *start = path + strlen(path);
    const struct reader *reader;
    char *name, *out;

    while (start > path && depth > 0) {
        const char *end = start;

        while (start > path && start[-1] != '/')
            start--;
        if (start < end && !(end - start == 1 && *start == '.'))
            depth--;
        if (depth > 0 && start > path)
            start--;
    }
    name = out = malloc(strlen(start) + 1);
    if (!name)
        return NULL;
    /* Runs of slashes and "." components do not count. */
    for (const char *p = start; *p;) {
        size_t len = strcspn(p, "/");

        if (len > 0 && !(len == 1 && *p == '.')) {
            if (out > name)
                *out++ = '/';
            memcpy(out, p, len);
            out += len;
        }
        p += len + (p[len] == '/');
    }
    *out = '\0';
    name[input_stem_length(name, readers, N_READERS, &reader)] = '\0';
    return name;
}

/* --name: as many names as there are inputs. */
static int name_by_option(struct input_list *list, const char *pattern)
{
    struct input_list names = {0};
    int rc = expand(&names, pattern, add_text);

    if (rc == 0 && names.n != list->n)
        rc = usage_error("--name '%s' gives %zu name%s for %zu input%s", pattern, names.n,
                         plural_s(names.n), list->n, plural_s(list->n));
    for (size_t i = 0; rc == 0 && i < list->n; i++) {
        list->inputs[i].name = names.inputs[i].text;
        names.inputs[i].text = NULL;
    }
    input_list_free(&names);
    return rc;
}

static int name_inputs(struct input_list *list, const struct input_options *o)
{
    int rc = o->name ? name_by_option(list, o->name) : 0;

    for (size_t i = 0; rc == 0 && i < list->n; i++) {
        struct input *in = &list->inputs[i];

        if (!o->name && in->kind != INPUT_PATH)
            rc = usage_error("%s%s: this input needs a name for its outputs: --name NAME",
                             input_prefix(in), in->text);
        else if (!o->name && !(in->name = name_of_path(in->text, o->name_depth)))
            rc = out_of_memory();
        else if (!input_name_check(in->name))
            rc = EXIT_USAGE;
    }
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct input *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* Finds two inputs of one NAME. Returns 0, 1 with *a and *b set, or -1: no memory. */
static int find_equal_names(struct input_list *list, struct input **a, struct input **b)
{
    struct input **sorted = malloc((list->n + 1) * sizeof(struct input *));
    int found = 0;

    if (!sorted)
        return -1;
    for (size_t i = 0; i < list->n; i++)
        sorted[i] = &list->inputs[i];
    qsort(sorted, list->n, sizeof(struct input *), by_name);
    for (size_t i = 1; i < list->n && !found; i++) {
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0) {
            *a = sorted[i - 1];
            *b = sorted[i];
            found = 1;
        }
    }
    free(sorted);
    return found;
}

/* The smallest --name-depth that tells the two paths apart, or 0. */
static int depth_that_helps(const struct input *a, const struct input *b, int depth)
{
    for (int d = depth + 1; d <= 64; d++) {
        char *x = name_of_path(a->text, d);
        char *y = name_of_path(b->text, d);
        bool differ = x && y && strcmp(x, y) != 0;

        free(x);
        free(y);
        if (differ)
            return d;
    }
    return 0;
}

static int check_distinct(struct input_list *list, const struct input_options *o)
{
    struct input *a, *b;
    int found = find_equal_names(list, &a, &b), depth;

    if (found < 0)
        return out_of_memory();
    if (!found)
        return 0;
    depth = o->name || a->kind != INPUT_PATH || b->kind != INPUT_PATH
                ? 0
                : depth_that_helps(a, b, o->name_depth);
    if (depth)
        return usage_error("%s and %s would both be named '%s': --name-depth %d tells "
                           "them apart",
                           a->text, b->text, a->name, depth);
    return usage_error("%s and %s would both be named '%s': give each input once, or "
                       "distinct names with --name",
                       a->text, b->text, a->name);
}

static int check_file(struct input *in, bool any_kind)
{
    struct stat st;

    if (stat(in->text, &st) != 0)
        return input_refuse_missing(in, errno);
    if (S_ISDIR(st.st_mode))
        return input_refuse_folder(in);
    in->regular = S_ISREG(st.st_mode);
    in->bytes = in->regular ? (uint64_t)st.st_size : 0;
    return any_kind ? 0 : input_refuse_kind(in);
}

/* Where --input-format says what all of them are, suffixes say nothing. */
static int check_files(struct input_list *list, const struct input_options *o)
{
    bool stdin_used = false;
    int rc = 0;

    for (size_t i = 0; i < list->n && rc == 0; i++) {
        struct input *in = &list->inputs[i];

        if (in->kind == INPUT_STDIN && stdin_used)
            rc = usage_error("'-' can be given only once");
        stdin_used |= in->kind == INPUT_STDIN;
        if (in->kind == INPUT_PATH)
            rc = check_file(in, o->format > 0);
    }
    return rc;
}

/* A stream has no suffix, and is a tar unless the option says otherwise. */
static void find_readers(struct input_list *list, const struct input_options *o)
{
    for (size_t i = 0; i < list->n; i++) {
        struct input *in = &list->inputs[i];

        if (o->format > 0)
            in->reader = readers[o->format - 1];
        else if (in->kind == INPUT_PATH)
            input_stem_length(in->text, readers, N_READERS, &in->reader);
        else
            in->reader = readers[0];
    }
}

bool input_list_has(const struct input_list *list, bool images)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->inputs[i].reader->has_images == images)
            return true;
    return false;
}

int input_list_expand(struct input_list *list, int n, char **operands,
                      const struct input_options *options)
{
    int rc = 0;

    *list = (struct input_list){0};
    for (int i = 0; i < n && rc == 0; i++)
        rc = operands[i][0] == '@' ? add_list_file(list, operands[i] + 1)
                                   : expand(list, operands[i], add_text);
    if (rc == 0 && list->n == 0)
        rc = usage_error("no input given (see --help)");
    find_readers(list, options);
    if (rc == 0)
        rc = check_files(list, options);
    if (rc == 0)
        rc = name_inputs(list, options);
    if (rc == 0)
        rc = check_distinct(list, options);
    return rc;
}

void input_list_free(struct input_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->inputs[i].text);
        free(list->inputs[i].name);
    }
    free(list->inputs);
    *list = (struct input_list){0};
}
