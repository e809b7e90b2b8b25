# SPDX-License-Identifier: Apache-2.0
"""The golden networks through the child's code: its latents are those of tests/golden/, which the built-in engine's
are compared with too."""
import json
import os
import pathlib
import sys
import tempfile

from models import Here
import numpy as np
import torch
from diffusers import AutoencoderKL

sys.path.insert(0, "tests/golden")
import make_golden

LIMIT = 1e-4  # that of tests/unit/test_vae_golden.c
CASES = {"odd": (40, 24), "attention": (32, 48), "clamp": (16, 16), "sd": (64, 64)}


def save_kl(case, folder):
    """The encoder alone: a decoder is not missed."""
    stated = json.loads(pathlib.Path(f"tests/golden/{case}.json").read_text())
    config = {**stated["config"]}
    n = len(config["block_out_channels"])
    vae = AutoencoderKL.from_config({"up_block_types": ["UpDecoderBlock2D"] * n, **config})
    vae.load_state_dict({t["name"]: make_golden.weights(t["name"], t["shape"], t["gain"]) for t in stated["tensors"]},
                        strict=False)
    vae.decoder = torch.nn.Identity()
    vae.post_quant_conv = None
    vae.save_pretrained(folder)


def golden(case, size, n):
    path = f"tests/golden/{case}-{size[0]}x{size[1]}.f32"
    return np.split(np.fromfile(path, "<f4"), n)


def check(case, size, folder, parts):
    with Here(folder, sizes=[size], moments="mean+logvar" if parts == 2 else "mean") as child:
        assert child.hello["decode"] is (parts == 1)
        rgb = make_golden.image(*size)
        found = child.encode(np.stack([rgb, 255 - rgb, rgb]), 2)
    assert len(found) == parts
    for made, expected in zip(found, golden(case, size, parts)):
        for one in (made[0], made[2]):
            error = np.abs(one.ravel() - expected).max()
            assert error <= LIMIT, (case, error)
    print(case, "is the same", flush=True)


def check_taesd(top):
    shared = os.environ.get("LATENTMILL_SHARED", "../shared")
    if not pathlib.Path(shared, "data/weights").is_dir():
        print("ok 2 # SKIP no TAESD weights")
        return
    for case, (_, size) in make_golden.TAESD_CASES.items():
        make_golden.taesd(case).save_pretrained(top / case)
        check(case, size, top / case, 1)


with tempfile.TemporaryDirectory() as name:
    for key, wanted in CASES.items():
        save_kl(key, pathlib.Path(name, key))
        check(key, wanted, pathlib.Path(name, key), 2)
    print("ok 1 - AutoencoderKL")
    check_taesd(pathlib.Path(name))
