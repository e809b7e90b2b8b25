# SPDX-License-Identifier: Apache-2.0
# What the program says before it works: help, version, wrong commands.
. tests/cli/expect.sh

run latentmill --version
expect_status 0
expect_match stdout '^latentmill [0-9]+\.[0-9]+'
expect_stderr </dev/null
cp "$T/.stdout" "$T/version"
run latentmill --help
expect_status 0
commands=$(sed -nE 's/^  ([a-z]+) +[a-z].*/\1/p' "$T/.stdout")
expect "its help names the commands" grep -qx prepare <<<"$commands"
for command in "" $commands; do
    for option in -V --version; do
        run latentmill $command $option
        expect_status 0
        expect_stdout "$T/version"
        expect_stderr </dev/null
    done
done
# An option's value is its own, and what looks like the option is unknown.
run latentmill prepare --out -V
expect_status 2
expect_stderr <<'END'
error: no input given (see --help)
END
run latentmill prepare -v
expect_status 2
expect_stderr <<'END'
error: unknown option -v (see --help)
END

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

# Names and files from outside must not drive the terminal.
run latentmill $'gr\e[31m\xc2\x9bi\xff\nnd\\'
expect_status 2
expect_stderr <<'END'
error: no command named 'gr\u001b[31m\u009bi\xff\nnd\' (see latentmill --help)
END

mkdir "$T/vae"
printf '{\033[31m' >"$T/vae/config.json"
ln -s "$PWD/vae_encode/default/diffusion_pytorch_model.safetensors" "$T/vae"
run latentmill prepare --out "$T/out" --vae "$T/vae" tests/data/scenes-000.tar
expect_status 2
expect_match stderr 'near '"'"'\\u001b'

run latentmill dump $'none\e[31m.lms'
expect_status 2
expect_match stderr '^error: none\\u001b\[31m\.lms: '
