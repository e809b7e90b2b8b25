/* SPDX-License-Identifier: Apache-2.0
 * What operands stand for and what inputs are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/cli/exit_code.h"
#include "tools/run/input_list.h"

static char folder[] = "/tmp/latentmill-input-XXXXXX";

static void touch(const char *name, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    touch("part-08.tar", "12345");
    touch("part-09.tar", "");
    touch("part-10.tar", "");
    touch("x.tgz", "");
    touch("y.tar.zst", "");
    touch("plain", "");
    touch("d.jsonl", "");
    touch("e.jsonl.bz2", "");
    touch("f.jsonl.x", "");
    touch("g.tgz.gz", "");
    touch(".tar", "");
    touch(".tgz", "");
    touch(".tar.gz", "");
    touch("list.txt", "part-08.tar\n\npipe:cat {1..3}.tar\r\n");
    return mkdir("a", 0777) || mkdir("b", 0777) || mkdir("a/s", 0777) ||
                   mkdir("b/s", 0777)
               ? -1
               : (touch("a/s/0.tar", ""), touch("b/s/0.tar", ""), 0);
}

static int tear_down(void **state)
{
    char command[300];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return chdir("/") != 0 || system(command) != 0;
}

/* Expands up to four operands; errors go to stderr, where the test's runner hides them.
 */
static int expand(struct input_list *list, const struct input_options *o, char *a,
                  char *b)
{
    char *operands[] = {a, b};

    return input_list_expand(list, b ? 2 : 1, operands, o);
}

static const struct input_options plain = {.name = NULL, .name_depth = 1};

static void ranges_are_padded_and_named(void **state)
{
    struct input_list list;

    (void)state;
    assert_int_equal(expand(&list, &plain, "part-{08..10}.tar", NULL), 0);
    assert_int_equal(list.n, 3);
    assert_string_equal(list.inputs[0].text, "part-08.tar");
    assert_string_equal(list.inputs[0].name, "part-08");
    assert_true(list.inputs[0].regular);
    assert_int_equal(list.inputs[0].bytes, 5);
    assert_string_equal(list.inputs[2].text, "part-10.tar");
    input_list_free(&list);
}

static void alternatives_and_suffixes(void **state)
{
    struct input_list list;

    (void)state;
    assert_int_equal(expand(&list, &plain, "{x.tgz,y.tar.zst,plain}", NULL), 0);
    assert_int_equal(list.n, 3);
    assert_string_equal(list.inputs[0].name, "x");
    assert_string_equal(list.inputs[1].name, "y");
    assert_string_equal(list.inputs[2].name, "plain");
    input_list_free(&list);
}

/* Of all inputs that are named otherwise, and of streams, the first reader. */
static void suffixes_name_the_reader(void **state)
{
    const struct input_options jsonl = {.name_depth = 1, .format = 2};
    const struct input_options streams = {.name = "n{1..2}", .name_depth = 1};
    struct input_list list;

    (void)state;
    assert_int_equal(expand(&list, &plain, "{x.tgz,y.tar.zst,plain}",
                            "{d.jsonl,e.jsonl.bz2,f.jsonl.x,g.tgz.gz}"),
                     0);
    assert_int_equal(list.n, 7);
    for (size_t i = 0; i < list.n; i++)
        assert_ptr_equal(list.inputs[i].reader,
                         i == 3 || i == 4 ? &reader_jsonl : &reader_tar);
    assert_string_equal(list.inputs[3].name, "d");
    assert_string_equal(list.inputs[4].name, "e");
    assert_string_equal(list.inputs[5].name, "f.jsonl.x");
    assert_string_equal(list.inputs[6].name, "g.tgz.gz");
    assert_true(input_list_has(&list, true) && input_list_has(&list, false));
    input_list_free(&list);
    assert_int_equal(expand(&list, &jsonl, "{x.tgz,plain}", NULL), 0);
    assert_ptr_equal(list.inputs[0].reader, &reader_jsonl);
    assert_false(input_list_has(&list, true));
    input_list_free(&list);
    assert_int_equal(expand(&list, &streams, "-", "pipe:cat d.jsonl"), 0);
    assert_ptr_equal(list.inputs[1].reader, &reader_tar);
    assert_false(input_list_has(&list, false));
    input_list_free(&list);
}

/* Whatever the order in the table. */
static void the_longest_suffix_counts(void **state)
{
    static const struct reader brief = {.suffix = ".jsonl", .short_suffix = ".jz"};
    static const struct reader longer = {.suffix = ".images.jsonl"};
    static const struct reader *const table[] = {&brief, &longer};
    static const struct reader *const turned[] = {&longer, &brief};
    const struct reader *reader;

    (void)state;
    assert_int_equal(input_stem_length("x.images.jsonl.gz", table, 2, &reader), 1);
    assert_ptr_equal(reader, &longer);
    assert_int_equal(input_stem_length("x.images.jsonl", turned, 2, &reader), 1);
    assert_ptr_equal(reader, &longer);
    assert_int_equal(input_stem_length("x.y.jsonl.zst", turned, 2, &reader), 3);
    assert_ptr_equal(reader, &brief);
    assert_int_equal(input_stem_length("x.jz", turned, 2, &reader), 1);
    assert_ptr_equal(reader, &brief);
    assert_int_equal(input_stem_length("x.tar", turned, 2, &reader), 5);
    assert_ptr_equal(reader, &longer);
}

static void lists_are_literal(void **state)
{
    struct input_list list;
    const struct input_options two = {.name = "n{1..2}", .name_depth = 1};

    (void)state;
    assert_int_equal(expand(&list, &two, "@list.txt", NULL), 0);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.inputs[0].name, "n1");
    assert_int_equal(list.inputs[1].kind, INPUT_PIPE);
    assert_string_equal(list.inputs[1].text, "cat {1..3}.tar");
    assert_string_equal(list.inputs[1].name, "n2");
    input_list_free(&list);
}

/* Where a line of a list is at fault, that is remembered. */
static void lines_of_lists_are_numbered(void **state)
{
    struct input_list list;

    (void)state;
    touch("marked.txt", "\xef\xbb\xbfpart-08.tar\r\n\n\npart-09.tar");
    assert_int_equal(expand(&list, &plain, "x.tgz", "@marked.txt"), 0);
    assert_int_equal(list.n, 3);
    assert_null(list.inputs[0].list);
    assert_string_equal(list.inputs[1].text, "part-08.tar");
    assert_string_equal(list.inputs[1].list, "marked.txt");
    assert_int_equal(list.inputs[1].line, 1);
    assert_string_equal(list.inputs[2].text, "part-09.tar");
    assert_int_equal(list.inputs[2].line, 4);
    input_list_free(&list);
}

static void commands_keep_their_braces_but_for_ranges(void **state)
{
    struct input_list list;
    const struct input_options two = {.name = "{p,q}", .name_depth = 1};

    (void)state;
    assert_int_equal(expand(&list, &two, "pipe:echo {a,b} {3..4}", NULL), 0);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.inputs[0].text, "echo {a,b} 3");
    assert_string_equal(list.inputs[1].text, "echo {a,b} 4");
    assert_string_equal(list.inputs[1].name, "q");
    input_list_free(&list);
}

static void equal_names_need_depth(void **state)
{
    struct input_list list;
    const struct input_options deep = {.name = NULL, .name_depth = 3};

    (void)state;
    assert_int_equal(expand(&list, &plain, "a/s/0.tar", "b/s/0.tar"), EXIT_USAGE);
    input_list_free(&list);
    assert_int_equal(expand(&list, &deep, "./a//s/./0.tar", "b/s/0.tar"), 0);
    assert_string_equal(list.inputs[0].name, "a/s/0");
    assert_string_equal(list.inputs[1].name, "b/s/0");
    input_list_free(&list);
}

static void what_cannot_be_an_input(void **state)
{
    static char *const wrong[] = {"missing.tar",  "a",     "-",          "pipe:cat x",
                                  "@missing.txt", ".tar",  ".tgz",       ".tar.gz",
                                  "s3://b/x.tar", "*.tar", "@/dev/zero", "@a"};
    struct input_list list;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_int_equal(expand(&list, &plain, wrong[i], NULL), EXIT_USAGE);
        input_list_free(&list);
    }
    assert_int_equal(expand(&list, &plain, "plain", "plain"), EXIT_USAGE);
    input_list_free(&list);
}

static void what_cannot_be_a_name(void **state)
{
    char longest[182];

    (void)state;
    memset(longest, 'n', sizeof(longest));
    longest[181] = '\0';
    assert_false(input_name_check(longest));
    longest[180] = '\0';
    assert_true(input_name_check(longest));
    assert_true(input_name_check("a/b.c+0001"));
    assert_true(input_name_check("\xc3\xa4"));
    assert_false(input_name_check(""));
    assert_false(input_name_check("a//b"));
    assert_false(input_name_check("a/"));
    assert_false(input_name_check("/a"));
    assert_false(input_name_check("../a"));
    assert_false(input_name_check("a/."));
    assert_false(input_name_check("a\n"));
    assert_false(input_name_check("\xc2\x85"));
    assert_false(input_name_check("\xff"));
    assert_false(input_name_check("a+00001"));
    assert_false(input_name_check("b/a~0123abcd"));
    assert_true(input_name_check("a~0123abc"));
    assert_false(input_name_check("a.lms/b"));
    assert_false(input_name_check("dataset.json/b"));
    assert_true(input_name_check("a.lms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_padded_and_named),
        cmocka_unit_test(alternatives_and_suffixes),
        cmocka_unit_test(suffixes_name_the_reader),
        cmocka_unit_test(the_longest_suffix_counts),
        cmocka_unit_test(lists_are_literal),
        cmocka_unit_test(lines_of_lists_are_numbered),
        cmocka_unit_test(commands_keep_their_braces_but_for_ranges),
        cmocka_unit_test(equal_names_need_depth),
        cmocka_unit_test(what_cannot_be_an_input),
        cmocka_unit_test(what_cannot_be_a_name),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
