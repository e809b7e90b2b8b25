# SPDX-License-Identifier: Apache-2.0
# What the program says before it works: help, version, wrong commands.
. tests/cli/expect.sh

run latentmill --version
expect_status 0
expect_match stdout '^latentmill [0-9]+\.[0-9]+'
expect_stderr </dev/null

run latentmill
expect_status 2
expect_stdout </dev/null
expect_match stderr '^usage: latentmill COMMAND'

run latentmill --help
expect_status 0
expect_match stdout '^usage: latentmill COMMAND'
expect_stderr </dev/null

run latentmill grind
expect_status 2
expect_stdout </dev/null
expect_stderr <<'END'
error: no command named 'grind' (see latentmill --help)
END
