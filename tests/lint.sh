#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lint.sh - the house rules that a program can check.
#
# usage: [CC=cc] [LINT_VENV=build/venv-lint] [WAITING="RULE..."] tests/lint.sh [ROOT]
#
# Each rule is one function below; it prints "file:line: what is wrong" and lint adds the
# rule's name. The exit status is 1 if any rule was broken. The rules of WAITING are not judged:
# the tree does not keep them yet. Two rules need the packages of tests/requirements-lint.txt and
# say so where those are missing. tests/cli/lint.sh sees each rule fail once.
set -u

: "${CC:=cc}" "${LINT_VENV:=build/venv-lint}"
: "${WAITING=}"
tests=$(realpath "$(dirname "$0")")
LINT_VENV=$(realpath -m "$LINT_VENV")
cd "${1-.}" || exit 2
code=$(mktemp -d)
trap 'rm -rf "$code"' EXIT

built='shard/python/build/*' # pip's copy of the sources
c_files=$(find ingest vae_encode shard tools tests ! -path "$built" \
    \( -name '*.[ch]' -o -name '*.cc' \) 2>/dev/null | sort)
scripts=$(find .ci ingest vae_encode shard tools tests ! -path "$built" \
    \( -name '*.py' -o -name '*.sh' -o -path .ci/run \) 2>/dev/null | sort)

pages=$(find . -name '*.md' ! -path './build/*' ! -path "./$built" ! -path './venv/*' | sed 's|^\./||' | sort)

# $code/FILE is FILE without comments and what stands in quotes, line for line.
strip_comments()
{
    local file
    for file in $c_files; do
        mkdir -p "$code/$(dirname "$file")"
        awk '{
            out = ""
            for (i = 1; i <= length($0); i++) {
                c = substr($0, i, 1)
                two = substr($0, i, 2)
                if (inside) {
                    if (two == "*/") { inside = 0; i++ }
                } else if (two == "/*") {
                    inside = 1; i++
                } else if (two == "//") {
                    break
                } else if (c == "\"" || c == "\047") {
                    for (i++; i <= length($0) && substr($0, i, 1) != c; i++)
                        if (substr($0, i, 1) == "\\") i++
                    out = out c c
                } else {
                    out = out c
                }
            }
            print out
        }' "$file" >"$code/$file"
    done
}

# files_in FOLDER...: the C files below these folders.
files_in()
{
    local file folder
    for file in $c_files; do
        for folder; do
            case $file in "$folder"/*) echo "$file" ;; esac
        done
    done
}

# find_code PATTERN MESSAGE FILE...: where code, not comments or strings, matches.
find_code()
{
    local pattern=$1 message=$2
    shift 2
    [ $# -gt 0 ] || return
    (cd "$code" && grep -nHoE -- "$pattern" "$@" /dev/null) |
        sed -E "s|^([^:]*:[0-9]+):[^A-Za-z_]*(.*)|\1: $message: \2|"
}

# find_calls NAMES MESSAGE FILE...: calls of any function of a|b|c.
find_calls()
{
    local names=$1
    shift
    find_code "(^|[^A-Za-z0-9_])($names)[[:space:]]*\(" "$@"
}

# Dependencies point one way: ingest and shard need nothing of ours, vae_encode only the image.
rule_dependencies()
{
    grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' $c_files /dev/null | awk -F: '{
        split($1, path, "/")
        folder = path[1]
        header = $3
        sub(/^[^"]*"/, "", header)
        sub(/".*/, "", header)
        split(header, target, "/")
        if (folder == "tools" || folder == "tests" || target[1] == folder)
            next
        if (folder == "vae_encode" && header == "ingest/image.h")
            next
        print $1 ":" $2 ": " folder " must not include " header
    }'
}

# Who may include whom: tests/lint_includes.py explains each.
include_rule()
{
    printf '%s\n' $c_files | python3 "$tests/lint_includes.py" "$1"
}

rule_circles()
{
    include_rule circles
}

rule_arrows()
{
    include_rule arrows
}

rule_internal_headers()
{
    include_rule internal_headers
}

rule_header_words()
{
    include_rule header_words
}

# Who may reach into whom in the Python package: tests/lint_python.py explains each.
package=shard/python/latentmill
package_rule()
{
    [ ! -d "$package" ] || python3 "$tests/lint_python.py" "$1" "$package"
}

rule_private_members()
{
    package_rule private_members
}

rule_package_arrows()
{
    package_rule package_arrows
}

rule_python_circles()
{
    package_rule python_circles
}

# Only tools/ knows threads, stderr and the process's end.
rule_threads()
{
    local library
    library="$(files_in ingest vae_encode) $(files_in shard | grep -v '^shard/python/')"
    find_code '(^|[^A-Za-z0-9_])(pthread_[a-z_]*|thrd_[a-z_]*|stderr|perror)' \
        'only tools/ may use' $library
    find_calls 'exit|_exit|_Exit|quick_exit|abort|fork|signal|sigaction' \
        'only tools/ may call' $library
    grep -nHE '^#[[:space:]]*include[[:space:]]*<(pthread|threads|signal)\.h>' $library /dev/null |
        sed 's/#/ only tools\/ may use #/'
}

rule_file_size()
{
    local file lines
    for file in $c_files $scripts; do
        lines=$(wc -l <"$file")
        [ "$lines" -le 800 ] || echo "$file:$lines: longer than 800 lines: one concept a file"
    done
}

# A function runs from a line that is "{" to one that is "}".
rule_function_size()
{
    local file
    for file in $c_files; do
        awk -v file="$file" '
            /^{/ { start = NR }
            /^}/ {
                if (start && NR - start - 1 > 100)
                    print file ":" start ": function of " NR - start - 1 " lines: 100 at most"
                start = 0
            }' "$file"
    done
}

rule_todo()
{
    grep -nHE '(^|[^A-Za-z])(TO''DO|FIX''ME|X''XX)([^A-Za-z|]|$)' $c_files $scripts /dev/null |
        grep -vE '#[0-9]+' |
        sed -E 's/^([^:]*:[0-9]+):.*/\1: needs the number of an issue, #N/'
}

compile_header()
{
    $CC -std=c11 -D_GNU_SOURCE -I. -isystem "$python_include" -Wall -Wextra -Werror -fsyntax-only -x c "$1" >/dev/null 2>&1 ||
        echo "$1:1: does not compile alone"
}

rule_headers()
{
    python_include=$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')
    export -f compile_header
    export CC python_include
    printf '%s\n' $c_files | grep '\.h$' | xargs -r -n 1 -P "$(nproc)" bash -c 'compile_header "$1"' -
}

rule_spdx()
{
    local file
    for file in $c_files $scripts Makefile; do
        head -n 2 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
            echo "$file:1: no SPDX line at its head"
    done
}

rule_rooted_includes()
{
    local file line header
    grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' $c_files /dev/null |
        while IFS=: read -r file line header; do
            header=${header#*\"}
            header=${header%%\"*}
            case $header in
            *..*) ;;
            */*) [ -f "$header" ] && continue ;;
            esac
            echo "$file:$line: include from the root: $header"
        done
    grep -nHoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<(ingest|vae_encode|shard|tools|tests)/' \
        $c_files /dev/null | sed 's/$/ stands in quotes/'
}

# Functions that overrun, keep hidden state, or cannot report an error.
rule_forbidden()
{
    find_calls 'strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|alloca|rand|srand|tmpnam|mktemp' \
        'forbidden function' $c_files
}

# Each can fail for want of memory, and then something would be missing from what is written:
# no such call is a statement of its own, also behind (void).
rule_dropped_result()
{
    local calls='json_(object_(set|update)|array_(set|append|insert|extend)|unpack|dump)[a-z_]*'
    calls+='|EVP_(Digest|MD_CTX_copy|Q_digest)[A-Za-z_]*|SHA(1|256)[A-Za-z_]*'
    calls+='|v?asprintf|posix_memalign|setvbuf'
    local file
    for file in $(files_in ingest vae_encode shard tools); do
        awk -v file="$file" -v call="^[[:space:]]*([(]void[)][[:space:]]*)?($calls)[[:space:]]*[(]" '
            match($0, call) && before ~ /([;:{})]|else|do)[[:space:]]*$/ {
                name = substr($0, 1, RLENGTH - 1)
                gsub(/[[:space:]]|[(]void[)]/, "", name)
                print file ":" NR ": the result is dropped: " name
            }
            /[^[:space:]]/ && !/^[[:space:]]*#/ { before = $0 }' "$code/$file"
    done
}

# glibc picks its transcendental functions by the CPU, so their bits are not ours.
rule_libm()
{
    local f='sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|exp|exp2|expm1|log|log2|log10|log1p|pow|cbrt|hypot|erf'
    f+='|sincos|asinh|acosh|atanh|exp10|erfc|lgamma|tgamma'
    find_calls "($f)[fl]?" 'its bits depend on the machine' $(files_in ingest vae_encode shard)
    grep -nHE -- '-ffast-math|-Ofast|-ffp-contract=fast' Makefile | sed 's/: */: unsafe: /2'
}

# Only what calls libjpeg may jump: it reports errors so.
rule_longjmp()
{
    find_calls 'setjmp|sigsetjmp|longjmp|siglongjmp' \
        'only ingest/image/decode_jpeg.c and vae_encode/pixels/picture_jpeg.c may call' \
        $(files_in ingest vae_encode shard tools |
            grep -vE '^(ingest/image/decode_jpeg|vae_encode/pixels/picture_jpeg)\.c$')
}

# No file tells where somebody built it.
rule_paths()
{
    grep -nHE '(^|[^A-Za-z0-9_$}./])/(home|root|work|Users)/[A-Za-z]' \
        $c_files $scripts Makefile $pages /dev/null |
        sed -E 's/^([^:]*:[0-9]+):.*/\1: path of one machine/'
}

# A page names files that are there: by their path, or by a name that some file has. NAME is the
# reader's.
rule_page_files()
{
    local page line file
    [ -n "$pages" ] || return
    grep -noHE '`[A-Za-z0-9_./-]+\.(c|h|cc|py|sh|md)`' $pages | tr -d '`' | grep -v NAME |
        while IFS=: read -r page line file; do
            [ -e "$file" ] || [ -e "$(dirname "$page")/$file" ] ||
                printf '%s\n' $c_files $scripts $pages | grep -qE "(^|/)${file//./\\.}$" ||
                echo "$page:$line: no such file: $file"
        done
}

rule_names()
{
    local file
    for file in $c_files; do
        case $(basename "$file") in
        util.* | utils.* | common.* | misc.* | helpers.*)
            echo "$file:1: a noun of its own, please: this name says nothing" ;;
        esac
    done
    # status.[ch] is each folder's own list of errors.
    printf '%s\n' $c_files | grep -v '/status\.[ch]$' | awk '{
        name = $0
        sub(/.*\//, "", name)
        if (name in seen)
            print $0 ":1: named like " seen[name]
        seen[name] = $0
    }'
}

# A file that the Makefile does not name is dead, or a test that never runs.
rule_listed()
{
    local file
    for file in $c_files $(printf '%s\n' $scripts | grep -E '^tests/(python/test_|cli/)'); do
        case $file in
        *.h | *.inc.c | tests/cli/expect.sh | tests/golden/*) continue ;;
        esac
        grep -qF "$file" Makefile || echo "$file:1: not in the Makefile"
    done
}

# What has a line for each command has all of them: tests/lint_commands.py.
rule_command_lists()
{
    python3 "$tests/lint_commands.py"
}

# has_tool NAME: a program of the environment, or a word that the rule was not judged.
has_tool()
{
    [ -x "$LINT_VENV/bin/$1" ] && return
    echo "SKIP lint: no $LINT_VENV/bin/$1: tests/venv.sh makes it of packages from PyPI" >&2
    return 1
}

# One release of clang-format for everybody: others break some lines elsewhere.
rule_format()
{
    has_tool clang-format || return
    printf '%s\n' $c_files | xargs -r -n 50 -P "$(nproc)" \
        "$LINT_VENV/bin/clang-format" --dry-run -Werror -ferror-limit=1 2>&1 |
        sed -nE 's/^([^:]+:[0-9]+):[0-9]+: error: .*/\1: not as clang-format has it/p' | sort -t: -u -k 1,1
}

rule_types()
{
    [ -d "$package" ] && has_tool mypy || return
    "$LINT_VENV/bin/mypy" --strict --config-file shard/python/pyproject.toml \
        --cache-dir "$LINT_VENV/cache" --no-error-summary --hide-error-context "$package" |
        grep -F ': error: '
}

strip_comments
broken=0
for rule in $(declare -F | sed -n 's/^declare -f \(rule_\)/\1/p'); do
    case " $WAITING " in *" ${rule#rule_} "*) continue ;; esac
    while IFS= read -r line; do
        echo "$line [${rule#rule_}]"
        broken=$((broken + 1))
    done < <($rule)
done
[ -z "$WAITING" ] || echo "lint: not judged yet: $WAITING"
[ $broken = 0 ] || echo "lint: $broken places break a rule"
[ $broken = 0 ]
