#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/venv.sh - the virtual environments of the Python tests.
#
# usage: tests/venv.sh DIR [REQUIREMENTS]
#
# Leaves DIR/complete behind once everything in REQUIREMENTS (default tests/requirements.txt) is
# installed; the file is a copy, so that a changed list is installed again. Without a
# network it says so and ends with 0: tests/run.sh then skips the Python tests one by one, and
# tests/lint.sh two of its rules.
# Where LIST-beside.txt is there, what is in it is installed into DIR/beside, without dependencies,
# and LIST by uv, which resolves it in seconds, with PyTorch's build for CPUs where its index can
# be reached.
set -u

venv=$1
wanted=${2:-$(dirname "$0")/requirements.txt}
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
    if [ ! -e "$beside" ]; then
        pip -r "$wanted"
    else
        pip uv && { UV_HTTP_RETRIES=0 uv -r "$wanted" --torch-backend cpu || uv -r "$wanted"; } &&
            uv -r "$beside" --no-deps --target "$venv/beside"
    fi
}

all()
{
    cat "$wanted"
    [ ! -e "$beside" ] || cat "$beside"
}

all | cmp -s - "$venv/complete" && exit 0
echo "making $venv of $wanted"
mkdir -p "$(dirname "$venv")"
log=$venv.log
if install >"$log" 2>&1; then
    all >"$venv/complete"
else
    echo "What needs $venv will be skipped: pip failed (no network?), see $log"
fi
