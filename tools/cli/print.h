/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/print.h - words for people: text from outside is printed so that it does no
 * harm.
 *
 * Printing takes any bytes. Write errors stay in the FILE; a command that prints on
 * stdout asks for them with print_finish(). */
#ifndef TOOLS_CLI_PRINT_H
#define TOOLS_CLI_PRINT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* For a terminal: control characters (C0, DEL, C1), the marks that turn the direction of
 * writing, and line separators as \n, \t, \r, \u202e ..., a backslash as two, bytes that
 * are not UTF-8 as \xff. Returns the number of characters printed. */
size_t print_escaped(FILE *out, const char *text, size_t len);

/* One line on stderr, in one write: escaped as above, but backslashes stay as they are,
 * since messages are full of paths. fmt has no line feed. The second puts "error: " in
 * front. */
__attribute__((format(printf, 1, 2))) void print_to_stderr(const char *fmt, ...);
__attribute__((format(printf, 1, 0))) void print_error_line(const char *fmt, va_list ap);

/* "error: out of memory"; returns EXIT_FAILED. */
int print_out_of_memory(void);

/* As a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void print_json_string(FILE *out, const char *text, size_t len);

/* Flushes stdout: between the pieces of a long output, so that its reader has them now.
 * Returns 0, or the errno of the first failure; EPIPE: the reader has gone. SIGPIPE must
 * be ignored, as monitor_exit_on_signals() does, or it ends the process instead. */
int print_flush(void);

/* The end of a command that prints on stdout. EXIT_DONE: all of it is written, or its
 * reader has gone, as `head` does; EXIT_FAILED after explaining on stderr. */
int print_finish(void);

/* What a noun ends with behind the number n. Static. */
static inline const char *plural_s(uint64_t n)
{
    return n == 1 ? "" : "s";
}

#endif
