/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/input_advice.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/exit_code.h"
#include "tools/cli/options.h"
#include "tools/cli/shell_word.h"
#include "tools/cli/url.h"

static int out_of_memory(void)
{
    fputs("error: out of memory while listing the inputs\n", stderr);
    return EXIT_FAILED;
}

/* "PATH: ...", behind the list and the line that it stands in. */
__attribute__((format(printf, 2, 3))) static int refuse(const struct input *in,
                                                        const char *fmt, ...)
{
    char *text;
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0)
        return out_of_memory();
    if (in->list)
        usage_error("@%s, line %zu: %s: %s", in->list, in->line, in->text, text);
    else
        usage_error("%s: %s", in->text, text);
    free(text);
    return EXIT_USAGE;
}

/* What to say of a scheme or a suffix, and NULL or the command that reads it behind
 * `pipe:`. In both %1$s is the path as a word for a shell, as often as they name it. */
struct advice {
    const char *match, *words, *command;
};

static const struct advice schemes[] = {
    {"s3", "S3 is read through a command", "aws s3 cp %1$s -"},
    {"gs", "a bucket is read through a command", "gcloud storage cat %1$s"},
    {"http", "a URL is read through a command", "curl -fsSL %1$s"},
    {"https", "a URL is read through a command", "curl -fsSL %1$s"},
    {"hf",
     "the Hugging Face hub is not read; download first: hf download OWNER/NAME "
     "--repo-type dataset --local-dir FOLDER (hf is from pip install "
     "huggingface_hub), and give the files in FOLDER",
     NULL},
    {"file", "give the path alone, without 'file://'", NULL},
};

#define PACK "tar --sort=name --hard-dereference --dereference -cf x.tar -C "
#define BY_PANDAS(call)                                                                  \
    "python3 -c \"import pandas, sys; pandas." call "(sys.argv[1]).to_json("             \
    "sys.argv[1] + '.jsonl', orient='records', lines=True)\" %1$s"
#define BY_CSV(dialect)                                                                  \
    "python3 -c \"import csv, json; csv.field_size_limit(1 << 30); "                     \
    "[print(json.dumps(r)) "                                                             \
    "for r in csv.DictReader(open(0, newline='', encoding='utf-8-sig')" dialect          \
    ")]\" < "                                                                            \
    "%1$s > %1$s.jsonl"
#define AS_JSONL                                                                         \
    " makes JSON Lines of it (--text-field COLUMN where its text is not in 'text'); "    \
    "pictures are read from tars"
#define IMAGE "is an image; pack the folder of images and captions: " PACK "FOLDER ."
#define UNPACK "is not read packed so; give it through a command"

static const struct advice kinds[] = {
    {".parquet", "parquet is not read: " BY_PANDAS("read_parquet") AS_JSONL, NULL},
    {".feather", "feather is not read: " BY_PANDAS("read_feather") AS_JSONL, NULL},
    {".arrow",
     "Arrow is not read: python3 -c \"import datasets, sys; "
     "datasets.Dataset.from_file(sys.argv[1]).to_json(sys.argv[1] + '.jsonl')\" "
     "%1$s" AS_JSONL,
     NULL},
    {".csv", "CSV is not read: " BY_CSV("") AS_JSONL, NULL},
    {".tsv", "TSV is not read: " BY_CSV(", delimiter='\\t'") AS_JSONL, NULL},
    {".json",
     "say --input-format jsonl if each line is an object; of an array, jq -c "
     "'.[]' %1$s > %1$s.jsonl makes JSON Lines",
     NULL},
    {".ndjson", "say --input-format jsonl to read it as JSON Lines", NULL},
    {".txt",
     "plain text is not read: @%1$s takes it as a list of inputs; documents are "
     "JSON Lines, {\"text\": ...} in each line",
     NULL},
    {".zip", "zip is not read: unzip -d x %1$s && " PACK "x . makes a tar of it", NULL},
    {".7z", "7z is not read: 7z x -ox %1$s && " PACK "x . makes a tar of it", NULL},
    {".rar", "rar is not read: unrar x %1$s x/ && " PACK "x . makes a tar of it", NULL},
    {".lz4", UNPACK, "lz4 -dc %1$s"},
    {".lzma", UNPACK, "xz -dc %1$s"},
    {".lzo", UNPACK, "lzop -dc %1$s"},
    {".br", UNPACK, "brotli -dc %1$s"},
    {".Z", UNPACK, "gzip -dc %1$s"},
    {".jpg", IMAGE, NULL},
    {".jpeg", IMAGE, NULL},
    {".png", IMAGE, NULL},
    {".webp", IMAGE, NULL},
    {".lms", "is a shard, which prepare wrote; it reads what shards are made from", NULL},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* "pipe:COMMAND" with the path in it, as a word: the path is one of the command's shell,
 * and all of it one of the user's. Gives memory, or NULL. */
static char *pipe_word(const char *command, const char *path_word)
{
    char *format, *text, *word;

    if (asprintf(&format, "pipe:%s", command) < 0)
        return NULL;
    if (asprintf(&text, format, path_word) < 0)
        text = NULL;
    free(format);
    word = text ? shell_word(text) : NULL;
    free(text);
    return word;
}

static int refuse_with(const struct input *in, const struct advice *advice)
{
    const char *format = strstr(in->text, ".jsonl") ? " --input-format jsonl" : "";
    char *path = shell_word(in->text), *text = NULL, *word = NULL;
    int rc;

    if (path && asprintf(&text, advice->words, path) < 0)
        text = NULL;
    if (path && advice->command)
        word = pipe_word(advice->command, path);
    if (!text || (advice->command && !word))
        rc = out_of_memory();
    else if (word)
        rc = refuse(in, "%s: --name NAME %s%s", text, word, format);
    else
        rc = refuse(in, "%s", text);
    free(word);
    free(text);
    free(path);
    return rc;
}

static int refuse_url(const struct input *in, size_t scheme_len)
{
    for (size_t i = 0; i < COUNT(schemes); i++)
        if (strlen(schemes[i].match) == scheme_len &&
            strncmp(in->text, schemes[i].match, scheme_len) == 0)
            return refuse_with(in, &schemes[i]);
    return refuse(in,
                  "no URL of this kind is read; 'pipe:COMMAND' with --name NAME reads "
                  "what a command prints");
}

int input_refuse_missing(const struct input *in, int error)
{
    size_t scheme_len = url_scheme_length(in->text);

    if (error != ENOENT && error != ENOTDIR)
        return in->list
                   ? file_error(error, "@%s, line %zu: %s", in->list, in->line, in->text)
                   : file_error(error, "%s", in->text);
    if (scheme_len > 0)
        return refuse_url(in, scheme_len);
    if (in->list && in->text[0] == '#')
        return refuse(in, "%s (a list has no comments)", strerror(error));
    if (in->list && strpbrk(in->text, "*?[{"))
        return refuse(in, "%s (lines of a list are paths as they are, no patterns)",
                      strerror(error));
    if (strpbrk(in->text, "*?["))
        return refuse(in,
                      "%s; the shell expands such a pattern where it is not quoted "
                      "and files match it (part-{00000..00099}.tar works quoted too)",
                      strerror(error));
    return refuse(in, "%s", strerror(error));
}

int input_refuse_folder(const struct input *in)
{
    static const struct advice folder = {
        .words = "is a folder; pack its images and captions, " PACK "%1$s ., and give "
                 "x.tar (or name the tars or .jsonl files in it)"};

    return refuse_with(in, &folder);
}

/* Length of `path` without a suffix of the compressions that are read. */
static size_t plain_length(const char *path)
{
    static const char *const packed[] = {".gz", ".zst", ".bz2", ".xz"};
    size_t len = strlen(path);

    for (size_t i = 0; i < COUNT(packed); i++) {
        size_t n = strlen(packed[i]);

        if (len > n && strcmp(path + len - n, packed[i]) == 0)
            return len - n;
    }
    return len;
}

int input_refuse_kind(const struct input *in)
{
    size_t len = plain_length(in->text);

    for (size_t i = 0; i < COUNT(kinds); i++) {
        size_t n = strlen(kinds[i].match);

        if (len > n && strncasecmp(in->text + len - n, kinds[i].match, n) == 0)
            return refuse_with(in, &kinds[i]);
    }
    return 0;
}
