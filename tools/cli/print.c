/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/text/utf8.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/memory_file.h"

/* Would change what a terminal or a reader sees around it. */
static bool disturbs(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c ||
           code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* A character of n bytes; n == 0: a byte that is not UTF-8. */
static size_t print_one(FILE *out, const char *bytes, size_t n, uint32_t code)
{
    int printed;

    if (n == 0)
        printed = fprintf(out, "\\x%02x", (unsigned char)bytes[0]);
    else if (code == '\n')
        printed = fprintf(out, "\\n");
    else if (code == '\t')
        printed = fprintf(out, "\\t");
    else if (code == '\r')
        printed = fprintf(out, "\\r");
    else if (code == '\\')
        printed = fprintf(out, "\\\\");
    else if (disturbs(code))
        printed = fprintf(out, "\\u%04" PRIx32, code);
    else
        printed = fwrite(bytes, 1, n, out) == n ? 1 : 0;
    return printed > 0 ? (size_t)printed : 0;
}

size_t print_escaped(FILE *out, const char *text, size_t len)
{
    size_t printed = 0;

    for (size_t at = 0; at < len;) {
        uint32_t code = 0;
        const size_t n = utf8_decode(text + at, len - at, &code);
        printed += print_one(out, text + at, n, code);
        at += n > 0 ? n : 1;
    }
    return printed;
}

static void print_line(FILE *out, const char *text)
{
    while (*text) {
        const size_t n = strcspn(text, "\\");
        print_escaped(out, text, n);
        text += n;
        if (*text == '\\')
            putc(*text++, out);
    }
    putc('\n', out);
}

static void message(const char *kind, const char *fmt, va_list ap)
{
    struct memory_file line = {0};
    char *text = NULL;
    int rc = -1;

    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    else
        rc = memory_file_open(&line);
    if (rc == 0) {
        fputs(kind, line.file);
        print_line(line.file, text);
        rc = memory_file_flush(&line);
    }
    if (rc == 0)
        fwrite(line.bytes, 1, line.len, stderr);
    else
        fputs("error: out of memory for a message\n", stderr);
    memory_file_close(&line);
    free(text);
}

int print_out_of_memory(void)
{
    fputs("error: out of memory\n", stderr);
    return EXIT_FAILED;
}

void print_error_line(const char *fmt, va_list ap)
{
    message("error: ", fmt, ap);
}

void print_to_stderr(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    message("", fmt, ap);
    va_end(ap);
}

void print_json_string(FILE *out, const char *text, size_t len)
{
    putc('"', out);
    for (size_t at = 0; at < len;) {
        uint32_t code = 0;
        const size_t n = utf8_decode(text + at, len - at, &code);
        if (n == 0)
            fputs("\xef\xbf\xbd", out);
        else if (code == '"' || code == '\\')
            fprintf(out, "\\%c", (int)code);
        else if (code == '\n')
            fputs("\\n", out);
        else if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
            fprintf(out, "\\u%04" PRIx32, code);
        else
            fwrite(text + at, 1, n, out);
        at += n > 0 ? n : 1;
    }
    putc('"', out);
}

int print_flush(void)
{
    /* Of stdout, which itself remembers only that there was an error. */
    static int error;

    if (error == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        error = errno != 0 ? errno : EIO;
    return error;
}

int print_finish(void)
{
    const int error = print_flush();

    if (error == 0 || error == EPIPE)
        return EXIT_DONE;
    print_to_stderr("error: standard output: %s", strerror(error));
    return EXIT_FAILED;
}
