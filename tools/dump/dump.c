/* SPDX-License-Identifier: Apache-2.0
 * tools/dump/dump.c - `latentmill dump`: print what is in a shard.
 *
 * Reads only what it prints: text frames alone with --latents none, nothing behind the
 * last sample of --limit, only the blocks that the index gives for --key and --name. What
 * is damaged is named on stderr, the samples of one frame together, and the rest is
 * printed; the exit status then is 1, or 2 where only an operand is wrong (not there, no
 * shards), or 42 where a folder only lacks something (data_set.h); that `prepare` has
 * units unfinished is no fault. A reader of the output
 * that goes away ends the program quietly. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/reader.h"
#include "tools/commands.h"
#include "tools/dump/dump_sample.h"
#include "tools/dump/dump_tokenizer.h"
#include "tools/cli/exit_code.h"
#include "tools/view/loss.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/cli/shard_operands.h"
#include "tools/store/store.h"

struct dump {
    int64_t limit; /* samples still to print */
    const char *key, *name;
    bool json, header, incomplete, verbose;
    enum dump_latents latents;

    struct dump_tokenizer tokenizer;
    size_t n_printed;
    bool failed;
    bool wrong_operand;
};

/* A shard that is being printed. */
struct source {
    const char *path;
    struct shard_reader *reader;
    const struct tokenizer *tokenizer;
    bool announced;
    struct loss loss; /* of one frame */
};

static int parse(struct dump *d, int argc, char **argv, int *n_operands)
{
    static const char *const latents[] = {"stats", "none", "full", NULL};
    const struct option options[] = {
        {"limit", OPTION_INT, &d->limit, "N", "print at most N samples of all files",
         NULL, 1, INT64_MAX},
        {"key", OPTION_STRING, &d->key, "K", "print only samples with this key", NULL, 0,
         0},
        {"name", OPTION_STRING, &d->name, "NAME", "print only samples of this unit", NULL,
         0, 0},
        {"json", OPTION_FLAG, &d->json, NULL, "one JSON object a line", NULL, 0, 0},
        {"header", OPTION_FLAG, &d->header, NULL,
         "print each shard's header as JSON, and no samples", NULL, 0, 0},
        {"latents", OPTION_CHOICE, OPTION_ENUM(d->latents), NULL,
         "of latents: their statistics (default), only the\n"
         "shape (and they are not read), or all values too",
         latents, 0, 0},
        {"incomplete", OPTION_FLAG, &d->incomplete, NULL,
         "what a DIR lacks is no fault (exit status 0)", NULL, 0, 0},
        {"verbose", OPTION_FLAG, &d->verbose, NULL,
         "name each sample that damage has cost, not only\n"
         "the first and the last one of a frame",
         NULL, 0, 0},
    };
    const struct option_table table = {
        "latentmill dump [OPTION]... FILE|DIR...",
        "Print the samples of shards (.lms). A DIR stands for the finished shards below "
        "it.\n",
        options, sizeof(options) / sizeof(options[0])};

    return options_parse(&table, argc, argv, n_operands);
}

/* On stderr, behind what stdout has got so far. */
__attribute__((format(printf, 2, 3))) static void complain(struct dump *d,
                                                           const char *fmt, ...)
{
    va_list ap;

    print_flush();
    va_start(ap, fmt);
    print_error_line(fmt, ap);
    va_end(ap);
    d->failed = true;
}

/* A shard is announced before its first sample, so that a search prints only what it
 * found. Returns false where memory is short. */
static bool announce(struct dump *d, struct source *s)
{
    if (s->announced || d->json)
        return true;
    s->announced = true;
    if (d->n_printed > 0)
        putchar('\n');
    const struct shard_header *h = shard_reader_header(s->reader);
    dump_text_shard(stdout, s->path, h, shard_reader_count(s->reader));
    if (dump_tokenizer_find(&d->tokenizer, s->path, h, &s->tokenizer) == 0) {
        d->failed |= d->tokenizer.damaged;
        return true;
    }
    complain(d, "%s: out of memory", s->path);
    return false;
}

static void print_record(struct dump *d, struct source *s,
                         const struct shard_record *record)
{
    if (!announce(d, s))
        return;
    struct dump_sample sample = {.view =
                                     record_view(shard_reader_header(s->reader), record),
                                 .tokenizer = s->tokenizer,
                                 .latents = d->latents};
    int rc = dump_sample_read(&sample);
    if (rc == 0)
        rc = d->json ? dump_json_sample(stdout, &sample)
                     : dump_text_sample(stdout, &sample);
    if (rc < 0)
        complain(d, "%s: out of memory", s->path);
    dump_sample_clear(&sample);
    d->n_printed++;
    d->limit--;
    print_flush();
}

static bool more_wanted(const struct dump *d)
{
    return d->limit > 0 && !ferror(stdout);
}

/* Says of the samples lost so far how many and which. */
static void tell_loss(struct dump *d, struct source *s)
{
    char *text = s->loss.n > 0 ? loss_text(&s->loss, "--verbose") : NULL;

    if (text)
        complain(d, "%s", text);
    else if (s->loss.n > 0)
        complain(d, "out of memory");
    free(text);
    loss_clear(&s->loss);
}

/* A frame's damage costs this sample, which the index may still name. */
static void lose(struct dump *d, struct source *s, const struct shard_record *record)
{
    const char *why = shard_reader_why(s->reader);

    if (d->verbose || !loss_fits(&s->loss, why))
        tell_loss(d, s);
    if (loss_add(&s->loss, why, record) < 0)
        complain(d, "out of memory");
}

/* Prints record `i`. Returns whether another may be read. */
static bool print_at(struct dump *d, struct source *s, uint64_t i)
{
    struct shard_record record;
    int rc = shard_reader_at(s->reader, i, &record);

    if (rc == SHARD_OK)
        print_record(d, s, &record);
    else if (rc == SHARD_EDAMAGED)
        lose(d, s, &record);
    else
        complain(d, "%s", shard_reader_why(s->reader));
    return rc == SHARD_OK || rc == SHARD_EDAMAGED;
}

/* SHARD_OK: --key and --name want record `i`; SHARD_NOT_FOUND: they don't. */
static int wanted(const struct dump *d, struct shard_reader *r, uint64_t i)
{
    struct shard_record record;

    if (d->key == NULL && d->name == NULL)
        return SHARD_OK;
    int rc = shard_reader_identify(r, i, &record);
    if (rc != SHARD_OK)
        return rc;
    return (d->name == NULL || strcmp(d->name, record.name) == 0) &&
                   (d->key == NULL || strcmp(d->key, record.key) == 0)
               ? SHARD_OK
               : SHARD_NOT_FOUND;
}

static void print_records(struct dump *d, struct source *s)
{
    const uint64_t n = shard_reader_count(s->reader);

    for (uint64_t i = 0; i < n && more_wanted(d); i++) {
        int rc = wanted(d, s->reader, i);
        if (rc < 0)
            complain(d, "%s", shard_reader_why(s->reader));
        if (rc < 0 || (rc == SHARD_OK && !print_at(d, s, i)))
            break;
    }
    tell_loss(d, s);
}

static void print_header(const struct shard_reader *r)
{
    size_t len;
    const char *json = shard_reader_header_json(r, &len);

    fwrite(json, 1, len, stdout);
    putchar('\n');
    print_flush();
}

static void dump_file(struct dump *d, const char *path)
{
    struct source s = {.path = path};

    int rc = shard_reader_open_from(&s.reader, store_at(path)->input, path);
    if (rc < 0) {
        complain(d, "%s", shard_reader_why(s.reader));
    } else if (d->header) {
        print_header(s.reader);
    } else {
        shard_reader_text_only(s.reader, d->latents == DUMP_LATENTS_NONE);
        print_records(d, &s);
        /* A shard without samples has been looked at too. */
        if (d->name == NULL && d->key == NULL && more_wanted(d))
            announce(d, &s);
    }
    shard_reader_close(s.reader);
}

/* `lacking`: a folder has lost something. */
static int finish(struct dump *d, bool lacking)
{
    if (print_flush() == EPIPE)
        return EXIT_DONE;
    d->failed |= print_finish() != EXIT_DONE;
    if (d->n_printed == 0 && !d->failed && !d->wrong_operand && !d->header &&
        (d->key || d->name))
        complain(d, "no such sample");
    if (d->failed)
        return EXIT_FAILED;
    if (d->wrong_operand)
        return EXIT_USAGE;
    return lacking && !d->incomplete ? EXIT_BAD_INPUT : EXIT_DONE;
}

int dump_main(int argc, char **argv)
{
    struct dump d = {.limit = INT64_MAX};
    struct shard_operands shards = {0};
    int n_operands;

    int rc = parse(&d, argc, argv, &n_operands);
    if (rc != OPTIONS_OK)
        return rc == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
    if (n_operands == 0)
        return usage_error("dump needs a FILE or a DIR (see latentmill dump --help)");
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < n_operands; i++) {
        rc = shard_operands_add(&shards, argv[i]);
        d.wrong_operand |= rc == EXIT_USAGE;
        d.failed |= rc == EXIT_FAILED;
    }
    for (size_t i = 0; i < shards.files.n && more_wanted(&d); i++)
        dump_file(&d, shards.files.paths[i]);
    const bool lacking = shards.n_lacking > shards.n_unfinished;
    shard_operands_clear(&shards);
    dump_tokenizer_clear(&d.tokenizer);
    return finish(&d, lacking);
}
