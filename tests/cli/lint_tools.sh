# SPDX-License-Identifier: Apache-2.0
# tests/lint.sh: the rules that clang-format and mypy judge.
. tests/cli/expect.sh

: "${LINT_VENV:=build/venv-lint}"
export LINT_VENV WAITING=
tests/venv.sh "$LINT_VENV" tests/requirements-lint.txt
[ -e "$LINT_VENV/complete" ] || skip "no $LINT_VENV: tests/venv.sh makes it of packages from PyPI"

tree=$T/tree
package=shard/python/latentmill
mkdir -p "$tree/tools" "$tree/$package"
cp .clang-format "$tree"
cp shard/python/pyproject.toml "$tree/shard/python"
echo '# SPDX-License-Identifier: Apache-2.0 of tools/main.c' >"$tree/Makefile"

# A line of each language, below its head.
write()
{
    printf '/* SPDX-License-Identifier: Apache-2.0 */\n%s\n' "$1" >"$tree/tools/main.c"
    printf '# SPDX-License-Identifier: Apache-2.0\n%s\n' "$2" >"$tree/$package/__init__.py"
}

good='int main(int argc, char **argv);' typed='def name(of: bytes) -> str: return of.decode()'
write "$good" "$typed"
run tests/lint.sh "$tree"
expect_status 0
expect_stdout </dev/null

write 'int main(int argc,char **argv);' "$typed"
run tests/lint.sh "$tree"
expect_status 1
expect_match stdout '^tools/main.c:2: not as clang-format has it \[format\]$'
expect_match stdout '^lint: 1 places break a rule$'

for wrong in 'def name(of): return of' 'def name(of: bytes) -> str: return of' 'import nowhere'; do
    write "$good" "$wrong"
    run tests/lint.sh "$tree"
    expect_status 1
    expect_match stdout "^$package/__init__.py:2: error: .* \\[types\\]$"
    expect_match stdout '^lint: 1 places break a rule$'
done

# Those that the package may lack are taken as they come.
write "$good" 'import diffusers, torch.utils.data'
run tests/lint.sh "$tree"
expect_status 0

# Without the packages the others are judged, and it is said.
write 'int main(int argc,char **argv);' "$typed"
run env LINT_VENV="$T/none" tests/lint.sh "$tree"
expect_status 0
expect_match stderr '^SKIP lint: no .*/bin/clang-format'
expect_match stderr '^SKIP lint: no .*/bin/mypy'
