# SPDX-License-Identifier: Apache-2.0
# tests/lint.sh itself: a clean tree passes, and each rule fails on a planted violation. Those
# that need packages from PyPI are in lint_tools.sh.
. tests/cli/expect.sh

export WAITING='format types'
tree=$T/tree

# Writes standard input to a file of the tree, below its head. $words: who may include a header.
plant()
{
    mkdir -p "$tree/$(dirname "$1")"
    case $1 in
    *.h) printf '/* SPDX-License-Identifier: Apache-2.0\n * %s - %s. */\n' "$1" "${words-public: it}" ;;
    *.c) echo '/* SPDX-License-Identifier: Apache-2.0 */' ;;
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
expect_stdout <<<'lint: not judged yet: format types'

plant vae_encode/graph.c <<<'#include "ingest/crop.h"'
refused dependencies 'vae_encode/graph\.c:2'
plant shard/block.c <<<'#include "ingest/image.h"'
refused dependencies 'shard/block\.c:2'
plant ingest/crop.c <<<'#include "tools/flags.h"'
plant tools/flags.h <<<'int main_count;'
refused dependencies 'ingest/crop\.c:2'

# A circle is between modules: each of these headers is fine alone.
plant ingest/image.h <<<'#include "ingest/crop.h"'
plant ingest/crop.c <<<'#include "ingest/image.h"'
refused circles 'ingest/crop\.c:2'
plant ingest/crop.c <<<'#include "ingest/fit.h"'
plant ingest/fit.h <<<'#include "ingest/image.h"'
plant ingest/image.h <<<'#include "ingest/crop.h"'
run tests/lint.sh "$tree"
expect_status 1
expect_match stdout '^ingest/crop.c:2: a circle of 3: ingest/crop -> ingest/fit, ingest/fit -> ingest/image, ingest/image -> ingest/crop \[circles\]$'
clean_tree

# A command's headers are its own, and nothing that commands share includes one.
commands()
{
    clean_tree
    plant Makefile <<<"tools/main.c tools/dump/print.c tools/export/export.c tools/store/names.c $(cat "$tree/Makefile")"
    plant tools/commands.h <<<'int dump(void);'
    plant tools/dump/columns.h <<<'int columns;'
    plant tools/store/names.h <<<'int names;'
    printf '#include "tools/%s"\n' commands.h dump/columns.h store/names.h | plant tools/dump/print.c
    printf '#include "tools/%s"\n' commands.h store/names.h | plant tools/export/export.c
    plant tools/store/names.c <<<'#include "tools/store/names.h"'
}
commands
run tests/lint.sh "$tree"
expect_status 0
for file in tools/export/export.c tools/store/names.c tools/main.c; do
    commands
    plant $file <<<'#include "tools/dump/columns.h"'
    refused arrows "$file:2"
done
commands
plant tools/store/names.c <<<'#include "tools/commands.h"'
refused arrows 'tools/store/names\.c:2'

words='the lines, internal to ingest/' plant ingest/lines.h <<<'int lines;'
plant ingest/crop.c <<<'#include "ingest/lines.h"'
plant tests/unit/test_lines.h <<<'#include "ingest/lines.h"'
run tests/lint.sh "$tree"
expect_status 0
plant tools/main.c <<<'#include "ingest/lines.h"'
refused internal_headers 'tools/main\.c:2'
words='the crop' plant ingest/crop.h <<<'int crop(void);'
refused header_words 'ingest/crop\.h:1'

# The Python package: what begins with an underscore is its class's own, and folders need those
# before them alone.
package=shard/python/latentmill
package()
{
    clean_tree
    for folder in sources planning batches; do
        plant $package/$folder/__init__.py <<<'"""It. Internal to latentmill."""'
    done
    plant $package/reader.py <<<'from . import _shard
class Reader:
    def __init__(self) -> _shard._None: self._file = _shard.open(*self.__slots__)'
    plant $package/planning/order.py <<<'from ..sources.shard import Shard
def order(shard: Shard): return shard._replace(name="")'
}
package
run tests/lint.sh "$tree"
expect_status 0
plant $package/record.py <<<'def record(reader): return reader._file'
refused private_members "$package/record\.py:2"
package
plant $package/record.py <<<'from .reader import _open'
refused private_members "$package/record\.py:2"
package
plant $package/sources/shard.py <<<'class Shard:
    def __init__(self, dataset): self._step = self._dataset._step'
refused private_members "$package/sources/shard\.py:3"
for wrong in 'from ..planning.order import order' 'from ..batches import fetch' 'from .. import planning' \
    'from latentmill.batches.walk import Walk' 'import latentmill.planning.order'; do
    package
    plant $package/planning/order.py <<<'order = 0' # no circle besides
    plant $package/sources/shard.py <<<"$wrong"
    refused package_arrows "$package/sources/shard\.py:2"
done
package
plant $package/record.py <<<'from .reader import reader'
plant $package/reader.py <<<'from . import record'
refused python_circles "$package/reader\.py:1"
package
plant $package/planning/__init__.py <<<'"""It."""'
refused package_arrows "$package/planning/__init__\.py:1"
package
plant $package/common/__init__.py <<<'"""It. Internal to latentmill."""'
refused package_arrows "$package/common/__init__\.py:1"

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
plant tools/main.c <<<'#include "ingest/../ingest/crop.h"'
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

printf '`ingest/crop.h`, `block.c` and `crop.c` of ingest/.\n' >"$tree/README.md"
run tests/lint.sh "$tree"
expect_status 0
printf '`crop.c` and\n`ingest/clip.c`\n' >"$tree/README.md"
refused page_files 'README\.md:2'

plant tools/util.h <<<'int a;'
refused names 'tools/util\.h:1'
plant tools/crop.h <<<'int a;'
refused names 'tools/crop\.h:1'

plant tests/unit/test_crop.c <<<'int a;'
refused listed 'tests/unit/test_crop\.c:1'
plant tests/cli/crop.sh <<<'true'
refused listed 'tests/cli/crop\.sh:1'

# A command is in all that has a line for each.
listed_command()
{
    clean_tree
    plant tools/main.c <<<'int index_main(void);
static const struct { const char *name; int (*main)(void); const char *help; } commands[] = {
    {"index", index_main, "it"},
};'
    plant CONTRIBUTING.md <<<'## Rooms
    tools/  index/
## Tests'
    plant tools/README.md <<<'## index'
    plant tests/faults/allocations.py <<<'CASES = {"index": (None, ["index", "OUT"])}'
}
listed_command
run tests/lint.sh "$tree"
expect_status 0
plant CONTRIBUTING.md <<<'## Rooms
## Tests
index/'
refused command_lists 'tools/main\.c:4'
listed_command
plant tools/README.md <<<'index'
refused command_lists 'tools/main\.c:4'
listed_command
plant tests/faults/allocations.py <<<'CASES = {"index": (None, ["dump", "OUT"])}'
refused command_lists 'tools/main\.c:4'
