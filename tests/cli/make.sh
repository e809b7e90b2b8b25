# SPDX-License-Identifier: Apache-2.0
# The Makefile: what is installed can be removed, and only tests need the test library.
. tests/cli/expect.sh

# Nothing is built here: -o takes the program as it is.
quiet_make()
{
    env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory -s BUILD="$BUILD" "$@"
}

run quiet_make -o all install DESTDIR="$T/root" PREFIX=/usr
expect_status 0
expect "it is installed" cmp "$BUILD/latentmill" "$T/root/usr/bin/latentmill"
touch "$T/root/usr/bin/other"
run quiet_make uninstall DESTDIR="$T/root" PREFIX=/usr
expect_status 0
expect "it is gone" test ! -e "$T/root/usr/bin/latentmill"
expect "others are not" test -e "$T/root/usr/bin/other"
run quiet_make uninstall DESTDIR="$T/root" PREFIX=/usr
expect_status 0

# links PROGRAM: the commands that make it, from nothing.
links()
{
    quiet_make BUILD="$T/build" -n "$T/build/tests/$1" | grep -- " -o $T/build/tests/$1 "
}
run links unit/test_key
expect_match stdout ' -lcmocka'
for program in tests/programs/*.c; do
    run links "programs/$(basename "$program" .c)"
    expect_status 0
    expect "$program links without cmocka" [ -z "$(grep cmocka "$T/.stdout")" ]
done
