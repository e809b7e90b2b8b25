#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/packages.sh - have the packages that a target of the Makefile needs.
#
# usage: tests/packages.sh [--missing] build|check|ci
#
# Asks for each thing itself (pkg-config, command -v), so a library built by hand counts and
# nothing is asked of apt where all is there. What is missing is installed as root or through
# sudo; where neither works, or with --missing, the command to type is printed and the exit
# status is 1.
set -u

# One line for each package: the groups that need it, its name, how to see that it is there.
# The names are those of Debian 12 and 13 and of Ubuntu 22.04 and later.
table="
build,check,ci  gcc                   command -v cc
build,check,ci  g++                   command -v c++
build,check,ci  libc6-dev             test -e /usr/include/stdio.h
build,check,ci  make                  command -v make
build,check,ci  pkg-config            command -v pkg-config
build,check,ci  libjpeg-dev           pkg-config --exists libjpeg
build,check,ci  libwebp-dev           pkg-config --exists libwebp libwebpdemux
build,check,ci  libspng-dev           pkg-config --exists spng
build,check,ci  libzstd-dev           pkg-config --exists libzstd
build,check,ci  liblzma-dev           pkg-config --exists liblzma
build,check,ci  libbz2-dev            has_header bzlib.h
build,check,ci  zlib1g-dev            pkg-config --exists zlib
build,check,ci  liblcms2-dev          pkg-config --exists lcms2
build,check,ci  libssl-dev            pkg-config --exists libcrypto
build,check,ci  libxxhash-dev         pkg-config --exists libxxhash
build,check,ci  libjansson-dev        pkg-config --exists jansson
build,check,ci  libpcre2-dev          pkg-config --exists libpcre2-8
build,check,ci  libutf8proc-dev       pkg-config --exists libutf8proc
build,check,ci  libsentencepiece-dev  has_header sentencepiece_processor.h
check,ci        libcmocka-dev         pkg-config --exists cmocka
check,ci        python3               command -v python3
check,ci        python3-dev           has_python_header
check,ci        python3-venv          python3 -c 'import ensurepip, venv'
check,ci        jq                    command -v jq
check,ci        zstd                  command -v zstd
check,ci        ca-certificates       test -e /etc/ssl/certs/ca-certificates.crt
ci              clang                 command -v clang
ci              libclang-rt-dev       clang_has_runtime
ci              git                   command -v git
"

# SentencePiece's own .pc file names a package that Debian 13 does not require with it, and
# libbz2 has none on Debian 12.
has_header()
{
    c++ -E -include "$1" -x c++ /dev/null
}

has_python_header()
{
    test -e "$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"
}

clang_has_runtime()
{
    local dir
    dir=$(clang -print-resource-dir 2>/dev/null) || return 1
    compgen -G "$dir/lib/*/libclang_rt.asan*.a" >/dev/null
}

missing_packages()
{
    local group=$1 groups package probe
    while read -r groups package probe; do
        case ",$groups," in
        *",$group,"*) eval "$probe" >/dev/null 2>&1 || echo "$package" ;;
        esac
    done <<<"$table" | sort -u
}

# Ubuntu 22.04 has no libclang-rt-dev: its clang brings the run-time libraries itself.
known_to_apt()
{
    local package
    for package; do
        apt-cache show "$package" >/dev/null 2>&1 && echo "$package"
    done
}

# The prefix that makes a command run as root: nothing, or sudo where it may ask or need not.
as_root=()
can_be_root()
{
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo >/dev/null || return 1
    as_root=(sudo)
    [ -t 0 ] || sudo -n true 2>/dev/null
}

only_tell=
if [ "${1-}" = --missing ]; then
    only_tell=yes
    shift
fi
group=${1-}
case $group in
build | check | ci) ;;
*)
    echo "usage: tests/packages.sh [--missing] build|check|ci" >&2
    exit 2
    ;;
esac

missing=$(echo $(missing_packages "$group"))
[ -n "$missing" ] || exit 0

if [ -z "$only_tell" ] && command -v apt-get >/dev/null && can_be_root; then
    echo "installing missing packages: $missing"
    "${as_root[@]}" apt-get update -q >/dev/null
    # Set on the command because the environment does not pass through sudo.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
        --no-install-recommends $(known_to_apt $missing) >/dev/null </dev/null
    missing=$(echo $(missing_packages "$group"))
    [ -n "$missing" ] || exit 0
fi
echo "Packages are missing. Type this and try again:" >&2
echo "    sudo apt-get install -y --no-install-recommends $missing" >&2
exit 1
