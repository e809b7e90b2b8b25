#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/venv.sh - the virtual environments of the Python tests.
#
# usage: tests/venv.sh DIR [REQUIREMENTS]
#
# Leaves DIR/complete behind once everything in REQUIREMENTS (default tests/requirements.txt) is
# installed; the file is a copy, so that a changed list is installed again. Without a
# network it says so and ends with 0: tests/run.sh then skips the Python tests one by one.
# Another list than the default is installed by uv, which resolves it in seconds, with PyTorch's
# build for CPUs where its index can be reached; and what is in LIST-beside.txt, if that is there,
# into DIR/beside, without dependencies.
set -u

venv=$1
default=$(dirname "$0")/requirements.txt
wanted=${2:-$default}
beside=${wanted%.txt}-beside.txt

pip()
{
    "$venv/bin/pip" --disable-pip-version-check --retries 1 --timeout 20 install -q "$@"
}

uv()
{
    "$venv/bin/uv" pip install -q --python "$venv/bin/python" "$@"
}

install()
{
    python3 -m venv --clear "$venv" || return 1
    if [ "$wanted" = "$default" ]; then
        pip -r "$wanted"
    else
        pip uv && { UV_HTTP_RETRIES=0 uv -r "$wanted" --torch-backend cpu || uv -r "$wanted"; } &&
            { [ ! -e "$beside" ] || uv -r "$beside" --no-deps --target "$venv/beside"; }
    fi
}

all()
{
    cat "$wanted"
    [ ! -e "$beside" ] || cat "$beside"
}

all | cmp -s - "$venv/complete" && exit 0
echo "making $venv for the Python tests"
mkdir -p "$(dirname "$venv")"
log=$venv.log
if install >"$log" 2>&1; then
    all >"$venv/complete"
else
    echo "The Python tests will be skipped: pip failed (no network?), see $log"
fi
