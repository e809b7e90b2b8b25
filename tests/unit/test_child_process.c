/* SPDX-License-Identifier: Apache-2.0
 * Commands as words; devices; processes that are started, stopped and have nothing of
 * ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/scratch_folder.h"
#include "tools/run/child_process.h"
#include "tools/run/command_words.h"
#include "tools/run/device_list.h"

/* The words with | behind each. */
static int split(char out[200], const char *text)
{
    const struct command_value values[] = {{"{i}", "7"}, {"{model}", "a 'b"}};
    char **words;
    const int rc = command_split(&words, text, values, 2);

    size_t len = 0;

    *out = '\0';
    for (size_t i = 0; words && words[i]; i++)
        len += (size_t)snprintf(out + len, 200 - len, "%s|", words[i]);
    free(words);
    return rc;
}

static void words_are_split(void **state)
{
    static const char *const cases[][2] = {
        {"a b", "a|b|"},
        {"  a\t\nb  ", "a|b|"},
        {"'a b' c", "a b|c|"},
        {"a' 'b\" \"c", "a b c|"},
        {"'' \"\"", "||"},
        {"a\\ b \\'c\\' \\\\", "a b|'c'|\\|"},
        {"\"a\\\"b\" 'a\\b'", "a\"b|a\\b|"},
        {"$HOME * `x` ~ ;", "$HOME|*|`x`|~|;|"},
        {"x{i}y '{i}' {i}{i} {j}", "x7y|7|77|{j}|"},
        {"--model {model} c", "--model|a 'b|c|"},
        {"a\\", "a\\|"},
    };
    char out[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(split(out, cases[i][0]), COMMAND_OK);
        assert_string_equal(out, cases[i][1]);
    }
    assert_int_equal(split(out, ""), COMMAND_EMPTY);
    assert_int_equal(split(out, " \t"), COMMAND_EMPTY);
    assert_int_equal(split(out, "a 'b"), COMMAND_OPEN_QUOTE);
    assert_int_equal(split(out, "a \"b'"), COMMAND_OPEN_QUOTE);
}

/* The names with commas. */
static const char *devices(const char *text, const char *visible, const char *root)
{
    static char out[2000];
    struct device_list d;
    const char *wrong = device_list_make(&d, text, visible, root);

    size_t len = 0;

    *out = '\0';
    for (size_t i = 0; i < d.n && !wrong; i++)
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%s", i > 0 ? "," : "",
                                d.names[i]);
    return wrong ? wrong : out;
}

static void devices_are_found(void **state)
{
    (void)state;
    assert_string_equal(devices(NULL, NULL, "./"), "cpu");
    assert_string_equal(devices("auto", "", "./"), "cpu");
    assert_string_equal(devices("auto", "-1", "./"), "cpu");
    assert_string_equal(devices("auto", "3", "./"), "cuda:0");
    assert_string_equal(devices("auto", "2,GPU-8932f937,-1,4", "./"), "cuda:0,cuda:1");
    assert_string_equal(devices("auto", " 1 , 2 ", "./"), "cuda:0,cuda:1");
    assert_string_equal(devices("auto", "0,0", "./"), "cuda:0");
    assert_string_equal(devices("auto", "1, 10 ,1,2", "./"), "cuda:0,cuda:1");
    assert_string_equal(devices("auto", "NoDevFiles", "./"), "cpu");
    assert_string_equal(devices("auto", "0,1x,2", "./"), "cuda:0");
    assert_string_equal(devices("auto", "0,1 2", "./"), "cuda:0");
    assert_string_equal(devices("auto", "0,,1", "./"), "cuda:0");
    assert_string_equal(devices("auto", "0,", "./"), "cuda:0");
    assert_string_equal(devices("auto", "MIG-5c/1/0, GPU-89", "./"), "cuda:0,cuda:1");
    assert_string_equal(devices("0,3", "1", "./"), "cuda:0,cuda:3");
    assert_string_equal(devices("cpu", "1", "./"), "cpu");
    assert_string_equal(devices("cuda:1,xpu:0", NULL, "./"), "cuda:1,xpu:0");
    assert_non_null(strstr(devices("0,", NULL, "./"), "missing"));
    assert_non_null(strstr(devices("gpu0", NULL, "./"), "a name as cuda:0"));
    assert_non_null(strstr(devices("0,cuda:", NULL, "./"), "a name as cuda:0"));
    assert_non_null(strstr(devices("cuda:x,0", NULL, "./"), "a name as cuda:0"));
    assert_non_null(strstr(devices("a-name-without-an-end-to-it", NULL, "./"), "long"));
    assert_int_equal(mkdir("dev", 0700), 0);
    write_file("dev/nvidia0", "");
    write_file("dev/nvidia1", "");
    write_file("dev/nvidiactl", "");
    write_file("dev/nvidia-uvm", "");
    assert_string_equal(devices("auto", NULL, "./"), "cuda:0,cuda:1");
    assert_string_equal(devices("auto", "", "./"), "cpu");
    assert_string_equal(devices("auto", "1,2,0", "./"), "cuda:0"); /* there is no 2 */
    assert_int_equal(system("mkdir -p proc/driver/nvidia/gpus/0000:01:00.0"), 0);
    assert_string_equal(devices("auto", NULL, "./"), "cuda:0");
}

static void start(struct child_process *c, const char *script, bool in)
{
    char *argv[] = {"sh", "-c", (char *)script, NULL};
    const struct child_streams streams = {.in = in, .err = false};

    assert_int_equal(child_process_start(c, argv, &streams), 0);
}

static void read_all(int fd, char *out, size_t cap)
{
    size_t len = 0;
    ssize_t n;

    while ((n = read(fd, out + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
}

static void streams_are_its_own(void **state)
{
    struct child_process c;
    char text[200];

    (void)state;
    start(&c, "read x; echo \"<$x>\"; ps -o pgid= $$ >/dev/null 2>&1; exit 3", true);
    assert_int_equal(write(c.in, "hello\n", 6), 6);
    read_all(c.out, text, sizeof(text));
    assert_string_equal(text, "<hello>\n");
    child_process_stop(&c, 1000);
    assert_int_equal(c.pid, 0);
    assert_int_equal(c.out, -1);
}

/* Those without FD_CLOEXEC are not given to it either. */
static void has_no_descriptor_of_ours(void **state)
{
    const int leak = open("/dev/null", O_RDONLY);
    struct child_process c;
    char text[400];

    (void)state;
    assert_true(leak >= 0);
    start(&c, "ls /proc/$$/fd; true", true);
    read_all(c.out, text, sizeof(text));
    assert_string_equal(text, "0\n1\n2\n");
    child_process_stop(&c, 0);
    start(&c, "ls /proc/$$/fd; true", false);
    read_all(c.out, text, sizeof(text));
    assert_string_equal(text, "0\n1\n2\n");
    child_process_stop(&c, 0);
    close(leak);
}

static void memory_is_given(void **state)
{
    const int memory = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    char *argv[] = {"sh", "-c", "ls /proc/$$/fd; readlink /proc/$$/fd/3", NULL};
    const struct child_streams streams = {.memory = memory};
    struct child_process c;
    char text[400];

    (void)state;
    assert_true(memory > 2);
    assert_int_equal(child_process_start(&c, argv, &streams), 0);
    read_all(c.out, text, sizeof(text));
    assert_string_equal(text, "0\n1\n2\n3\n/dev/zero\n");
    child_process_stop(&c, 0);
    assert_true(fcntl(memory, F_GETFD) >= 0); /* it stays ours */
    close(memory);
}

static void signals_are_as_at_first(void **state)
{
    struct child_process c;
    char text[200];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    start(&c, "exec sed -n 's/^Sig[BI][lg][kn]://p' /proc/self/status", false);
    read_all(c.out, text, sizeof(text));
    child_process_stop(&c, 0);
    signal(SIGPIPE, SIG_DFL);
    char *end;
    assert_true(strtoull(text, &end, 16) == 0); /* blocked */
    assert_true((strtoull(end, NULL, 16) & UINT64_C(1) << (SIGPIPE - 1)) == 0);
}

static void exec_failures_are_told(void **state)
{
    char *missing[] = {"/nonexistent/encoder", NULL}, *folder[] = {"/tmp", NULL};
    const struct child_streams streams = {.in = true, .err = true};
    struct child_process c;

    (void)state;
    assert_int_equal(child_process_start(&c, missing, &streams), ENOENT);
    assert_int_equal(c.pid, 0);
    assert_int_equal(child_process_start(&c, folder, &streams), EACCES);
    assert_int_equal(c.in, -1);
    child_process_stop(&c, 0);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Not gone, or a zombie. */
static bool lives(pid_t pid)
{
    char path[40], stat[200] = "";
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (!f)
        return false;
    if (!fgets(stat, sizeof(stat), f))
        stat[0] = '\0';
    fclose(f);
    return strstr(stat, ") Z") == NULL;
}

static pid_t read_pid(int fd)
{
    char text[20] = "";
    ssize_t n = read(fd, text, sizeof(text) - 1);

    assert_true(n > 1);
    return (pid_t)strtol(text, NULL, 10);
}

/* What it started goes with it. */
static void a_group_is_stopped(void **state)
{
    struct child_process c;
    pid_t grandchild;
    double start_s;

    (void)state;
    start(&c, "sleep 100 & echo $!; wait", true);
    grandchild = read_pid(c.out);
    start_s = seconds();
    child_process_stop(&c, 10000);
    assert_true(seconds() - start_s < 5);
    for (int i = 0; i < 200 && lives(grandchild); i++)
        poll(NULL, 0, 10);
    assert_false(lives(grandchild));
}

/* Its end is seen though another holds its output, and what it left is stopped too. */
static void an_end_is_seen_at_once(void **state)
{
    struct child_process c;
    struct pollfd fd = {.events = POLLIN};
    pid_t left;
    int status;

    (void)state;
    start(&c, "sleep 100 & echo $!; read x; exit 7", true);
    left = read_pid(c.out);
    assert_false(child_process_has_ended(&c, &status));
    assert_int_equal(write(c.in, "\n", 1), 1);
    fd.fd = c.gone;
    assert_int_equal(poll(&fd, 1, 5000), 1);
    assert_true(child_process_has_ended(&c, &status));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    child_process_stop(&c, 0);
    assert_int_equal(c.gone, -1);
    for (int i = 0; i < 200 && lives(left); i++)
        poll(NULL, 0, 10);
    assert_false(lives(left));
}

static void who_ignores_sigterm_is_killed(void **state)
{
    struct child_process c;
    double start_s;

    (void)state;
    start(&c, "trap '' TERM; echo 1; while :; do sleep 0.01; done", true);
    read_pid(c.out);
    start_s = seconds();
    child_process_stop(&c, 100);
    assert_true(seconds() - start_s > 0.08 && seconds() - start_s < 5);
}

/* By the kernel: this process is killed at once, as by kill -9. */
static void dies_with_its_parent(void **state)
{
    int ends[2];
    pid_t parent, child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    parent = fork();
    if (parent == 0) {
        struct child_process c;
        char text[20];

        start(&c, "trap '' TERM; while :; do sleep 0.01; done", true);
        const int n = snprintf(text, sizeof(text), "%d\n", (int)c.pid);
        if (write(ends[1], text, (size_t)n) != n)
            _exit(1);
        raise(SIGKILL);
    }
    child = read_pid(ends[0]);
    waitpid(parent, NULL, 0);
    for (int i = 0; i < 500 && lives(child); i++)
        poll(NULL, 0, 10);
    assert_false(lives(child));
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split),
        cmocka_unit_test(devices_are_found),
        cmocka_unit_test(streams_are_its_own),
        cmocka_unit_test(has_no_descriptor_of_ours),
        cmocka_unit_test(memory_is_given),
        cmocka_unit_test(signals_are_as_at_first),
        cmocka_unit_test(exec_failures_are_told),
        cmocka_unit_test(a_group_is_stopped),
        cmocka_unit_test(an_end_is_seen_at_once),
        cmocka_unit_test(who_ignores_sigterm_is_killed),
        cmocka_unit_test(dies_with_its_parent),
    };

    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
