# SPDX-License-Identifier: Apache-2.0
"""list_pairs says of the shared archives of real photos what Python's tarfile and
WebDataset's rules say."""

import json
import os
import pathlib
import subprocess
import sys

import pairs_reference

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "tests/programs/list_pairs"
FOLDER = pathlib.Path(os.environ.get("LATENTMILL_SHARED", "../shared")) / "data/pairs"

archives = sorted(FOLDER.glob("*.tar"))
if not archives:
    print(f"no archives in {FOLDER}")
    sys.exit(77)
n_good = 0
for archive in archives:
    done = subprocess.run([PROGRAM, archive], stdout=subprocess.PIPE, check=True)
    *pairs, totals = [json.loads(line) for line in done.stdout.splitlines()]
    with open(archive, "rb") as file:
        expected, expected_totals = pairs_reference.read(file)
    for ours, theirs in zip(pairs, expected, strict=True):
        assert ours.pop("detail") == ""
        assert ours == theirs | {"key": theirs["key"].decode()}, ours["key"]
    assert not totals["damaged"] and totals.items() >= expected_totals.items(), totals
    n_good += len(pairs)
print(f"{len(archives)} archives, {n_good} pairs")
assert n_good >= 483
