/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/options.h - a subcommand's options as a table.
 *
 * `--name value`, `--name=value`, `--flag`, `--help`, `--version`; operands may stand
 * between options;
 * `--` ends the options. A wrong option is explained on stderr before any work starts. */
#ifndef TOOLS_CLI_OPTIONS_H
#define TOOLS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,   /* bool *, set to true */
    OPTION_STRING, /* const char **, not empty */
    OPTION_INT,    /* int64_t *, min <= value <= max */
    OPTION_BYTES,  /* int64_t *, min <= value <= max; suffixes K, M, G or KiB, MiB, GiB */
    OPTION_REAL,   /* double *, finite, min <= value <= max */
    OPTION_CHOICE, /* OPTION_ENUM(field), or int *: position in choices */
    OPTION_LIST,   /* struct option_list *: each value that is given, in turn */
    OPTION_HEADING /* no option: `help` stands above the options that follow */
};

struct option {
    const char *name; /* without the dashes */
    enum option_type type;
    void *value;                /* holds the default before parsing; kept if not given */
    const char *arg;            /* "N", "FILE"; NULL for a flag or a choice */
    const char *help;           /* may hold newlines */
    const char *const *choices; /* NULL-terminated */
    int64_t min, max;
};

enum { OPTION_LIST_MOST = 1024 };

/* A choice's value: the address of an enum, whose type is that which gcc and clang give
 * one without negative numbers; where it is another, this does not compile. */
#define OPTION_ENUM(field) _Generic((field), unsigned : &(field))

/* What was given of options that may be repeated, by the name of the option, in the order
 * of the command line; several options may share one. Lent by argv. */
struct option_list {
    size_t n;
    struct {
        const char *option, *value;
    } given[OPTION_LIST_MOST];
};

struct option_table {
    const char *usage; /* "latentmill prepare --out DIR [OPTION]... INPUT..." */
    const char *about; /* a few lines, printed by --help */
    const struct option *options;
    size_t n_options;
};

enum { OPTIONS_OK = 0, OPTIONS_HELP = 1, OPTIONS_WRONG = -1 };

/* Parses argv[1..argc). Returns OPTIONS_OK with the operands in argv[0..*n_operands),
 * OPTIONS_HELP after printing the help or the version to stdout, or OPTIONS_WRONG after
 * explaining. */
int options_parse(const struct option_table *table, int argc, char **argv,
                  int *n_operands);

/* Gives an option other than a flag the value that `text` says. Returns OPTIONS_OK, or
 * OPTIONS_WRONG after explaining. */
int options_set(const struct option *o, const char *text);

/* --version or -V. */
bool options_are_version(const char *word);

/* "error: ..." on stderr, one line. Returns EXIT_USAGE, so that a caller can return it.
 */
__attribute__((format(printf, 1, 2))) int usage_error(const char *fmt, ...);

/* "error: ...: " and what the errno value `error` means, of a file that could not be
 * used. Returns EXIT_USAGE where its name is wrong (no such file, a folder in its place),
 * else EXIT_FAILED: trying again may help. */
__attribute__((format(printf, 2, 3))) int file_error(int error, const char *fmt, ...);

#endif
