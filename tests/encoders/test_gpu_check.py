# SPDX-License-Identifier: Apache-2.0
"""tools/gpu_check.sh as the pages name it, on the CPU: with a model and a device alone, and with options."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from models import make

import package

ENVIRONMENT = {**os.environ, "SIZE": "64", "SECONDS_EACH": "1", "PROGRAM": f"{package.BUILD}/latentmill",
               "LATENTMILL_PYTHON": sys.executable, "PYTHONPATH": os.path.abspath(f"{package.BUILD}/python")}


def check(*words):
    done = subprocess.run(["tools/gpu_check.sh", *map(str, words)], env=ENVIRONMENT, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done
    for line in (r"^AutoencoderTiny torch-.* on cpu$", r"^latents: .* \(bound ", r"^loop: [1-9].* images/s in batches of ",
                 r"^memory: ", r"^prepare: [1-9][0-9.]* images/s, [1-9][0-9]* % of the loop$"):
        assert re.search(line, done.stdout, re.MULTILINE), (line, done)


with tempfile.TemporaryDirectory() as top:
    make("tiny", top)
    model = pathlib.Path(top, "tiny")
    check(model, "cpu")
    check(model, "cpu", "--batch", "4", "--dtype", "bfloat16")
    nothing = subprocess.run(["tools/gpu_check.sh", model, "cuda:77"], env=ENVIRONMENT, capture_output=True, text=True,
                             check=False)
    assert nothing.returncode == 1 and nothing.stderr.startswith("error: --device cuda:77: "), nothing
    assert "Traceback" not in nothing.stderr, nothing
    bare = {**ENVIRONMENT, "PYTHONPATH": "/nowhere", "LATENTMILL_PYTHON": "/usr/bin/python3"}
    nothing = subprocess.run(["tools/gpu_check.sh", model], env=bare, capture_output=True, text=True, check=False)
    assert nothing.returncode == 1 and re.fullmatch(r"error: No module named .*pip install .*\n", nothing.stderr), nothing
