/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_text.c - a section's JSON for people: a line for each value, a table
 * for each array of objects. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench_section.h"
#include "tools/cli/print.h"

enum { CELL_CAP = 128, INDENT = 2 };

static void format_value(const json_t *v, char cell[CELL_CAP])
{
    double x = json_number_value(v);

    if (json_is_string(v))
        snprintf(cell, CELL_CAP, "%s", json_string_value(v));
    else if (json_is_integer(v))
        snprintf(cell, CELL_CAP, "%lld", (long long)json_integer_value(v));
    else if (!json_is_real(v))
        snprintf(cell, CELL_CAP, "%s", json_is_true(v) ? "yes" : "-");
    else if (fabs(x) >= 1000)
        snprintf(cell, CELL_CAP, "%.0f", x);
    else
        snprintf(cell, CELL_CAP, fabs(x) < 1e-3 && x != 0 ? "%.2e" : "%.4g", x);
}

static void print_cell(FILE *out, const json_t *v, int width)
{
    char cell[CELL_CAP];
    int pad;

    format_value(v, cell);
    pad = width - (int)strlen(cell);
    if (!json_is_string(v))
        fprintf(out, "%*s", pad > 0 ? pad : 0, "");
    print_escaped(out, cell, strlen(cell));
    if (json_is_string(v))
        fprintf(out, "%*s", pad > 0 ? pad : 0, "");
}

static int column_width(const json_t *rows, const char *key)
{
    size_t width = strlen(key), i;
    const json_t *row;

    json_array_foreach(rows, i, row)
    {
        char cell[CELL_CAP];

        format_value(json_object_get(row, key), cell);
        if (strlen(cell) > width)
            width = strlen(cell);
    }
    return (int)width;
}

/* The first row's keys are the columns. */
static void print_table(FILE *out, const json_t *rows)
{
    json_t *first = json_array_get(rows, 0), *v;
    const char *key;
    const json_t *row;
    size_t i;

    fprintf(out, "%*s", INDENT, "");
    json_object_foreach(first, key, v) fprintf(
        out, json_is_string(v) ? "  %-*s" : "  %*s", column_width(rows, key), key);
    fputc('\n', out);
    json_array_foreach(rows, i, row)
    {
        fprintf(out, "%*s", INDENT, "");
        json_object_foreach(first, key, v)
        {
            fputs("  ", out);
            print_cell(out, json_object_get(row, key), column_width(rows, key));
        }
        fputc('\n', out);
    }
}

void bench_print_text(const char *heading, json_t *section)
{
    const char *key;
    json_t *v;
    FILE *out = stdout;
    int width = 0;

    fprintf(out, "%s\n", heading);
    json_object_foreach(section, key,
                        v) if (!json_is_array(v) && (int)strlen(key) > width) width =
        (int)strlen(key);
    json_object_foreach(section, key, v)
    {
        if (json_is_array(v)) {
            print_table(out, v);
        } else {
            fprintf(out, "%*s%-*s  ", INDENT, "", width, key);
            print_cell(out, v, 0);
            fputc('\n', out);
        }
    }
    fputc('\n', out);
    print_flush();
}
