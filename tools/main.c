/* SPDX-License-Identifier: Apache-2.0
 * tools/main.c - the program: find the subcommand and run it. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "shard/tokenizer/tokenizer.h"
#include "shard/version.h"
#include "tools/commands.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/options.h"

static const struct {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"prepare", prepare_main,
     "image-caption pairs and text in, shards of latents and tokens out"},
    {"dump", dump_main, "print what is in a shard"},
    {"index", index_main, "list all shards of a data set in one file, for trainers"},
    {"export", export_main, "shards into MDS or WebDataset, for loaders people run"},
    {"bench", bench_main, "measure this machine"},
};

static void print_usage(FILE *out)
{
    fputs("usage: latentmill COMMAND [OPTION]... (latentmill COMMAND --help)\n\n"
          "Data preparation and tokenization for Transfusion-style models.\n\n",
          out);
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\n--help (-h) and --version (-V) may also stand behind a command.\n"
          "\nExit status: 0 done, 1 failed, 2 wrong usage or configuration, 42 an input "
          "is\n"
          "bad, 75 interrupted (run the same command again).\n",
          out);
}

/* A file opened later must not become standard output or error: what is said there would
 * end up in it. Where one of the three is closed, using it stays an error, but for
 * stderr's, which is lost. */
static bool hold_standard_streams(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDWR};

    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", modes[fd]) < 0)
            return false;
    return true;
}

/* On any thread, so without the work that exit() does. */
static void end_process(void)
{
    static const char words[] = "error: out of memory\n";

    const ssize_t n = write(STDERR_FILENO, words, sizeof(words) - 1);

    (void)n; /* there is nobody else to tell */
    _exit(EXIT_FAILED);
}

static void *allocate(size_t size)
{
    void *p = malloc(size);

    if (p == NULL && size > 0)
        end_process();
    return p;
}

/* jansson reads on without the character that it had no memory for, and protobuf, which
 * SentencePiece is built on, tears down what it had not yet built. Called before any
 * other thread runs, this makes both end the process with exit status 1 and a word on
 * stderr instead. What that loses is what a kill loses: the units in hand. */
static void no_memory_ends_process(void)
{
    json_set_alloc_funcs(allocate, free);
    tokenizer_on_no_memory(end_process);
}

int main(int argc, char **argv)
{
    if (!hold_standard_streams())
        return EXIT_FAILED;
    no_memory_ends_process();
    /* Names are UTF-8 whatever the environment says; numbers keep their point. */
    setlocale(LC_CTYPE, "C.UTF-8");
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return EXIT_DONE;
    }
    if (options_are_version(argv[1])) {
        puts(LATENTMILL_SOFTWARE);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].main(argc - 1, argv + 1);
    return usage_error("no command named '%s' (see latentmill --help)", argv[1]);
}
