# SPDX-License-Identifier: Apache-2.0
"""What the encoders that ship refuse of their command line, before they need PyTorch, and what they say without it."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import package
import numpy as np

from encoder_child import Child, EncoderError
from latentmill.encoders.protocol import Refused, header_array
from latentmill.encoders.torch_encoder import parser

if package.PRELOADED:  # what is started here imports the package, too
    os.environ["LD_PRELOAD"] = package.PRELOADED

INSTALL = "pip install './shard/python[encoders]'"


def refused(module, folder, *options):
    """The words of the refusal; nothing else is said."""
    command = [sys.executable, "-m", f"latentmill.encoders.{module}", "--model", str(folder), *options]
    log = pathlib.Path(folder, "log")
    try:
        with log.open("w") as stderr, Child(command, stderr=stderr):
            raise AssertionError("not refused")
    except EncoderError as error:
        assert (error.request, error.code) == (0, 3) and log.read_text() == "", (error, log.read_text())
        return str(error)


def words_of(*options):
    try:
        return parser("x", 16, 200).parse_args(["--model", "x", *options])
    except Refused as error:
        return str(error)


def check_options(folder):
    assert "argument --dtype: invalid choice: 'fp17'" in refused("diffusers", folder, "--dtype", "fp17")
    assert "unrecognized arguments: --fast (python3 -m" in refused("transformers", folder, "--fast")
    for batch in "0", "4097", "many", "-1":
        assert f"argument --batch: '{batch}' is not 1 to 4096" in words_of(f"--batch={batch}")
    assert "--wait-ms: '60001' is not 0 to 60000" in words_of("--wait-ms", "60001")
    assert [words_of("--dtype", name).dtype for name in ("fp32", "bf16", "fp16", "tf32")] == \
        ["float32", "bfloat16", "float16", "tf32"]
    text = refused("diffusers", folder)  # where PyTorch is not
    assert text.startswith("No module named 'torch'") and text.endswith(INSTALL), text
    shown = subprocess.run([sys.executable, "-m", "latentmill.encoders.diffusers", "--help"],
                           capture_output=True, text=True, check=True)
    assert "--channels-last" in shown.stdout and shown.stderr == ""


def check_family(folder):
    assert refused("transformers", folder, "--family", "siglip") == \
        f"{folder}/config.json: model_type 'dinov2' is none of siglip's"
    assert "torch" in refused("transformers", folder, "--family", "dinov2")


def check_arrays():
    assert header_array(np.array([0.1, 2]), "x") == [0.1, 2.0]
    assert header_array(np.arange(65, dtype="<u4"), "x")["dims"] == [65]
    assert set(header_array(np.zeros((1, 2)), "x")) == {"dims", "fp32"}
    for bad in float("nan"), float("inf"), 1e39:
        try:
            with np.errstate(over="ignore"):
                header_array(np.array([bad]), "the scale")
            raise AssertionError(bad)
        except Refused as error:
            assert str(error) == "the scale: not finite"


with tempfile.TemporaryDirectory() as top:
    pathlib.Path(top, "torch.py").write_text('raise ModuleNotFoundError("No module named \'torch\'")\n')
    pathlib.Path(top, "config.json").write_text(json.dumps({"model_type": "dinov2"}))
    os.environ["PYTHONPATH"] = f"{top}:{os.path.abspath(package.BUILD)}/python"
    check_options(top)
    check_family(top)
    check_arrays()
