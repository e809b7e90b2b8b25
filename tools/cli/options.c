/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/options.c - parse options by table, and print the table as help. */
#include "tools/cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/version.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/print.h"

int usage_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_error_line(fmt, ap);
    va_end(ap);
    return EXIT_USAGE;
}

static bool is_of_the_name(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ELOOP:
    case ENAMETOOLONG:
        return true;
    default:
        return false;
    }
}

int file_error(int error, const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    print_to_stderr("error: %s: %s", text ? text : "a file", strerror(error));
    free(text);
    return is_of_the_name(error) ? EXIT_USAGE : EXIT_FAILED;
}

static int wrong(const struct option *o, const char *text, const char *want)
{
    usage_error("--%s %s: %s", o->name, text, want);
    return OPTIONS_WRONG;
}

static void print_arg(const struct option *o, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    if (o->type == OPTION_CHOICE) {
        for (size_t i = 0; o->choices[i] && len < cap; i++)
            len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? "|" : "",
                                    o->choices[i]);
    } else if (o->arg) {
        snprintf(out, cap, "%s", o->arg);
    }
}

static void print_help(const struct option_table *table)
{
    printf("usage: %s\n\n%s\n", table->usage, table->about);
    for (size_t i = 0; i < table->n_options; i++) {
        const struct option *o = &table->options[i];
        char arg[160], left[200];

        if (o->type == OPTION_HEADING) {
            printf("\n%s:\n", o->help);
            continue;
        }
        print_arg(o, arg, sizeof(arg));
        snprintf(left, sizeof(left), "--%s%s%s", o->name, arg[0] ? " " : "", arg);
        printf("  %-26s", left);
        if (strlen(left) > 25)
            printf("\n  %-26s", "");
        for (const char *c = o->help; *c; c++) {
            putchar(*c);
            if (*c == '\n')
                printf("  %-26s", "");
        }
        putchar('\n');
    }
}

/* How far the number before `suffix` is shifted, or -1. */
static int unit_shift(const char *suffix)
{
    static const struct {
        const char *suffix;
        int shift;
    } units[] = {{"", 0},     {"K", 10}, {"KiB", 10}, {"M", 20},
                 {"MiB", 20}, {"G", 30}, {"GiB", 30}};

    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (strcmp(suffix, units[i].suffix) == 0)
            return units[i].shift;
    return -1;
}

static int parse_integer(const struct option *o, const char *text)
{
    bool bytes = o->type == OPTION_BYTES;
    char want[120], *end;
    long long v;
    int shift;

    snprintf(want, sizeof(want), "a whole number from %lld to %lld%s", (long long)o->min,
             (long long)o->max, bytes ? ", or with K, M or G" : "");
    errno = 0;
    v = strtoll(text, &end, 10);
    if (end == text || errno || v < 0)
        return wrong(o, text, want);
    shift = bytes ? unit_shift(end) : *end ? -1 : 0;
    if (shift < 0 || v > (INT64_MAX >> shift) || (v << shift) < o->min ||
        (v << shift) > o->max)
        return wrong(o, text, want);
    *(int64_t *)o->value = (int64_t)(v << shift);
    return OPTIONS_OK;
}

static int parse_real(const struct option *o, const char *text)
{
    char want[80], *end;
    double v = strtod(text, &end);

    snprintf(want, sizeof(want), "a number from %lld to %lld", (long long)o->min,
             (long long)o->max);
    if (end == text || *end || !isfinite(v) || v < (double)o->min || v > (double)o->max)
        return wrong(o, text, want);
    *(double *)o->value = v;
    return OPTIONS_OK;
}

static int parse_choice(const struct option *o, const char *text)
{
    char names[200], want[220];

    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(text, o->choices[i]) == 0) {
            *(unsigned *)o->value = (unsigned)i;
            return OPTIONS_OK;
        }
    }
    print_arg(o, names, sizeof(names));
    snprintf(want, sizeof(want), "must be one of %s", names);
    return wrong(o, text, want);
}

static int add_to_list(const struct option *o, const char *text)
{
    struct option_list *list = o->value;

    if (!*text)
        return wrong(o, "''", "must not be empty");
    if (list->n == OPTION_LIST_MOST)
        return wrong(o, text, "is one too many");
    list->values[list->n++] = text;
    return OPTIONS_OK;
}

static int parse_value(const struct option *o, const char *text)
{
    switch (o->type) {
    case OPTION_STRING:
        if (!*text)
            return wrong(o, "''", "must not be empty");
        *(const char **)o->value = text;
        return OPTIONS_OK;
    case OPTION_INT:
    case OPTION_BYTES:
        return parse_integer(o, text);
    case OPTION_REAL:
        return parse_real(o, text);
    case OPTION_LIST:
        return add_to_list(o, text);
    default:
        return parse_choice(o, text);
    }
}

static const struct option *find(const struct option_table *table, const char *name,
                                 size_t len)
{
    for (size_t i = 0; i < table->n_options; i++) {
        const struct option *o = &table->options[i];

        if (o->type != OPTION_HEADING && strlen(o->name) == len &&
            memcmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

/* Parses the option at argv[*i] and moves *i to the last word it used. */
static int parse_one(const struct option_table *table, int argc, char **argv, int *i)
{
    const char *name = argv[*i] + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] ? name + len + 1 : NULL;
    const struct option *o = find(table, name, len);

    if (!o) {
        usage_error("unknown option --%.*s (see --help)", (int)len, name);
        return OPTIONS_WRONG;
    }
    if (o->type == OPTION_FLAG) {
        if (value)
            return wrong(o, value, "takes no value");
        *(bool *)o->value = true;
        return OPTIONS_OK;
    }
    if (!value) {
        if (*i + 1 >= argc) {
            usage_error("--%s needs a value", o->name);
            return OPTIONS_WRONG;
        }
        value = argv[++*i];
    }
    return parse_value(o, value);
}

bool options_are_version(const char *word)
{
    return strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0;
}

int options_parse(const struct option_table *table, int argc, char **argv,
                  int *n_operands)
{
    bool ended = false;
    int n = 0;

    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        int rc;

        if (ended || word[0] != '-' || word[1] == '\0') {
            argv[n++] = word;
        } else if (strcmp(word, "--") == 0) {
            ended = true;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(table);
            return OPTIONS_HELP;
        } else if (options_are_version(word)) {
            puts(LATENTMILL_SOFTWARE);
            return OPTIONS_HELP;
        } else if (word[1] != '-') {
            usage_error("unknown option %s (see --help)", word);
            return OPTIONS_WRONG;
        } else if ((rc = parse_one(table, argc, argv, &i)) != OPTIONS_OK) {
            return rc;
        }
    }
    *n_operands = n;
    return OPTIONS_OK;
}
