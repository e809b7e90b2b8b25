#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/venv.sh - a virtual environment for Python tests.
#
# usage: tests/venv.sh DIR [REQUIREMENTS]
#
# Leaves DIR/complete behind once everything in REQUIREMENTS (tests/requirements.txt) is
# installed; the file is a copy of it, so that a changed list is installed again. Without a
# network it says so and ends with 0: tests/run.sh then skips the Python tests one by one.
set -u

venv=$1
wanted=${2-$(dirname "$0")/requirements.txt}

cmp -s "$wanted" "$venv/complete" && exit 0
echo "making $venv for the Python tests"
mkdir -p "$(dirname "$venv")"
log=$venv.log
if python3 -m venv --clear "$venv" >"$log" 2>&1 &&
    "$venv/bin/pip" --disable-pip-version-check --retries 1 --timeout 20 \
        install -q -r "$wanted" >>"$log" 2>&1; then
    cp "$wanted" "$venv/complete"
else
    echo "The Python tests will be skipped: pip failed (no network?), see $log"
fi
