/* SPDX-License-Identifier: Apache-2.0
 * tools/print.h - print text from outside so that it does no harm.
 *
 * Both take any bytes. Write errors stay in the FILE. */
#ifndef TOOLS_PRINT_H
#define TOOLS_PRINT_H

#include <stddef.h>
#include <stdio.h>

/* For a terminal: control characters (C0, DEL, C1), the marks that turn the direction of
 * writing, and line separators as \n, \t, \r, \u202e ..., a backslash as two, bytes that
 * are not UTF-8 as \xff. Returns the number of characters printed. */
size_t print_escaped(FILE *out, const char *text, size_t len);

/* As a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void print_json_string(FILE *out, const char *text, size_t len);

#endif
