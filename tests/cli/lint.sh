# SPDX-License-Identifier: Apache-2.0
# tests/lint.sh itself: a clean tree passes, and each rule fails on a planted violation.
. tests/cli/expect.sh

tree=$T/tree

# Writes standard input to a file of the tree, below an SPDX line.
plant()
{
    mkdir -p "$tree/$(dirname "$1")"
    case $1 in
    *.[ch]) echo '/* SPDX-License-Identifier: Apache-2.0 */' ;;
    *) echo '# SPDX-License-Identifier: Apache-2.0' ;;
    esac >"$tree/$1"
    cat >>"$tree/$1"
}

clean_tree()
{
    rm -rf "$tree"
    plant Makefile <<<"SRC := ingest/crop.c vae_encode/graph.c shard/block.c tools/main.c"
    plant ingest/image.h <<<"int image_width(void); /* never exit(), nor strcpy() */"
    plant ingest/crop.h <<<"int crop(void);"
    plant ingest/crop.c <<<'#include "ingest/crop.h"'
    plant vae_encode/graph.c <<<'#include "ingest/image.h"'
    plant shard/block.c <<<'static const char *const word = "abort()"; // exit(1)'
    plant tools/main.c <<<'#include "ingest/crop.h"'
    plant shard/python/build/csrc/shard/block.c <<<'' # as pip leaves it
}

# refused RULE PLACE: the tree, as it is now, breaks this rule and no other, in this place.
refused()
{
    run tests/lint.sh "$tree"
    expect_status 1
    expect_match stdout "^$2: .* \\[$1\\]$"
    expect_match stdout '^lint: 1 places break a rule$'
    clean_tree
}

clean_tree
run tests/lint.sh "$tree"
expect_status 0
expect_stdout </dev/null

plant vae_encode/graph.c <<<'#include "ingest/crop.h"'
refused dependencies 'vae_encode/graph\.c:2'
plant shard/block.c <<<'#include "ingest/image.h"'
refused dependencies 'shard/block\.c:2'
plant ingest/crop.c <<<'#include "tools/main.h"'
plant tools/main.h <<<'int main_count;'
refused dependencies 'ingest/crop\.c:2'

plant ingest/crop.c <<<'int f(void *m) { return pthread_mutex_lock(m); }'
refused threads 'ingest/crop\.c:2'
plant vae_encode/graph.c <<<'void f(void) { abort(); }'
refused threads 'vae_encode/graph\.c:2'
plant shard/block.c <<<'void f(void) { fputs("x", stderr); }'
refused threads 'shard/block\.c:2'
plant shard/block.c <<<'#include <threads.h>'
refused threads 'shard/block\.c:2'

yes 'int a;' | head -n 800 | plant tools/main.c
refused file_size 'tools/main\.c:801'

{ printf 'int f(void)\n{\n'; yes '    ;' | head -n 101; echo '}'; } | plant tools/main.c
refused function_size 'tools/main\.c:3'

plant tools/main.c <<<'/* TO''DO: finish */'
refused todo 'tools/main\.c:2'
plant tools/main.c <<<'/* TO''DO(#12): finish */'
run tests/lint.sh "$tree"
expect_status 0

plant ingest/crop.h <<<'size_t crop(void);'
refused headers 'ingest/crop\.h:1'

echo 'int a;' >"$tree/tools/main.c"
refused spdx 'tools/main\.c:1'

plant ingest/crop.c <<<'#include "crop.h"'
run tests/lint.sh "$tree"
expect_status 1
expect_match stdout '^ingest/crop\.c:2: .* \[rooted_includes\]$'
clean_tree
plant tools/main.c <<<'#include "tools/../ingest/crop.h"'
refused rooted_includes 'tools/main\.c:2'

plant tools/main.c <<<'void f(char *a, const char *b) { strcpy(a, b); }'
refused forbidden 'tools/main\.c:2'
plant tools/main.c <<<'int f(const char *a) { return atoi(a); }'
refused forbidden 'tools/main\.c:2'

printf '%s\n' 'void f(json_t *o)' '{' '    if (o)' '        json_object_set_new(o, "a", json_null());' '}' |
    plant tools/main.c
refused dropped_result 'tools/main\.c:5'
printf '%s\n' 'void f(void *c)' '{' '    (void)EVP_DigestUpdate(c, "a", 1);' '}' | plant tools/main.c
refused dropped_result 'tools/main\.c:4'
printf '%s\n' 'int f(json_t *o)' '{' '    return o &&' '           json_array_append_new(o, json_null()) == 0;' '}' |
    plant tools/main.c
run tests/lint.sh "$tree"
expect_status 0

plant ingest/crop.c <<<'double f(double x) { return sin(x); }'
refused libm 'ingest/crop\.c:2'
echo 'CFLAGS += -ffast-math' >>"$tree/Makefile"
refused libm 'Makefile:3'

plant tools/main.c <<<'int f(void *b) { return setjmp(b); }'
refused longjmp 'tools/main\.c:2'

plant tests/run.sh <<<'cat /ho''me/somebody/data.txt'
refused paths 'tests/run\.sh:2'

plant tools/util.h <<<'int a;'
refused names 'tools/util\.h:1'
plant tools/crop.h <<<'int a;'
refused names 'tools/crop\.h:1'

plant tests/unit/test_crop.c <<<'int a;'
refused listed 'tests/unit/test_crop\.c:1'
plant tests/cli/crop.sh <<<'true'
refused listed 'tests/cli/crop\.sh:1'
