/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/scratch_folder.h - a folder of its own for a test program's files, which is
 * the working folder meanwhile. For unit tests. */
#ifndef TESTS_SCRATCH_FOLDER_H
#define TESTS_SCRATCH_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char scratch_folder[40];

/* For a program or for each of its tests. */
static inline int scratch_set_up(void **state)
{
    (void)state;
    snprintf(scratch_folder, sizeof(scratch_folder), "/tmp/latentmill-test-XXXXXX");
    return mkdtemp(scratch_folder) && chdir(scratch_folder) == 0 ? 0 : -1;
}

static inline int scratch_tear_down(void **state)
{
    char command[sizeof(scratch_folder) + 20];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", scratch_folder);
    return chdir("/") != 0 || system(command) != 0;
}

static inline void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

#endif
