/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/input_advice.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/exit_code.h"
#include "tools/options.h"
#include "tools/url.h"

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

/* Both take the path as often as they name it. */
static const struct {
    const char *scheme, *words;
} schemes[] = {
    {"s3", "S3 is read through a command: --name NAME 'pipe:aws s3 cp \"%1$s\" -'"},
    {"gs", "a bucket is read through a command: --name NAME 'pipe:gcloud storage cat "
           "\"%1$s\"'"},
    {"http", "a URL is read through a command: --name NAME 'pipe:curl -fsSL \"%1$s\"'"},
    {"https", "a URL is read through a command: --name NAME 'pipe:curl -fsSL \"%1$s\"'"},
    {"hf", "the Hugging Face hub is not read; download first: hf download OWNER/NAME "
           "--repo-type dataset --local-dir FOLDER (hf is from pip install "
           "huggingface_hub), and give the files in FOLDER"},
    {"file", "give the path alone, without 'file://'"},
};

#define PACK "tar --sort=name -cf x.tar -C "
#define BY_PANDAS(call)                                                                  \
    "python3 -c \"import pandas; pandas." call "('%1$s').to_json('%1$s.jsonl', "         \
    "orient='records', lines=True)\""
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
#define UNPACK(command)                                                                  \
    "is not read packed so; give it through a command: --name NAME 'pipe:" command       \
    " %1$s'"

static const struct {
    const char *suffix, *words;
} kinds[] = {
    {".parquet", "parquet is not read: " BY_PANDAS("read_parquet") AS_JSONL},
    {".feather", "feather is not read: " BY_PANDAS("read_feather") AS_JSONL},
    {".arrow", "Arrow is not read: python3 -c \"import datasets; "
               "datasets.Dataset.from_file('%1$s').to_json('%1$s.jsonl')\"" AS_JSONL},
    {".csv", "CSV is not read: " BY_CSV("") AS_JSONL},
    {".tsv", "TSV is not read: " BY_CSV(", delimiter='\\t'") AS_JSONL},
    {".json", "say --input-format jsonl if each line is an object; of an array, jq -c "
              "'.[]' %1$s > %1$s.jsonl makes JSON Lines"},
    {".ndjson", "say --input-format jsonl to read it as JSON Lines"},
    {".txt", "plain text is not read: @%1$s takes it as a list of inputs; documents are "
             "JSON Lines, {\"text\": ...} in each line"},
    {".zip", "zip is not read: unzip -d x %1$s && " PACK "x . makes a tar of it"},
    {".7z", "7z is not read: 7z x -ox %1$s && " PACK "x . makes a tar of it"},
    {".rar", "rar is not read: unrar x %1$s x/ && " PACK "x . makes a tar of it"},
    {".lz4", UNPACK("lz4 -dc")},
    {".lzma", UNPACK("xz -dc")},
    {".lzo", UNPACK("lzop -dc")},
    {".br", UNPACK("brotli -dc")},
    {".Z", UNPACK("gzip -dc")},
    {".jpg", IMAGE},
    {".jpeg", IMAGE},
    {".png", IMAGE},
    {".webp", IMAGE},
    {".lms", "is a shard, which prepare wrote; it reads what shards are made from"},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* `words` with the path in it. */
static int refuse_with(const struct input *in, const char *words)
{
    const char *format = strstr(in->text, ".jsonl") ? " --input-format jsonl" : "";
    char *text;
    int rc;

    if (asprintf(&text, words, in->text) < 0)
        return out_of_memory();
    rc = refuse(in, "%s%s", text, strstr(words, "pipe:") ? format : "");
    free(text);
    return rc;
}

static int refuse_url(const struct input *in, size_t scheme_len)
{
    for (size_t i = 0; i < COUNT(schemes); i++)
        if (strlen(schemes[i].scheme) == scheme_len &&
            strncmp(in->text, schemes[i].scheme, scheme_len) == 0)
            return refuse_with(in, schemes[i].words);
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
    return refuse(in,
                  "is a folder; pack its images and captions, " PACK "%s ., and give "
                  "x.tar (or name the tars or .jsonl files in it)",
                  in->text);
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
        size_t n = strlen(kinds[i].suffix);

        if (len > n && strncasecmp(in->text + len - n, kinds[i].suffix, n) == 0)
            return refuse_with(in, kinds[i].words);
    }
    return 0;
}
