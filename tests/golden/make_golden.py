# SPDX-License-Identifier: Apache-2.0
"""Make the golden latents and pictures of this folder with PyTorch and diffusers.

usage: make_golden.py [CASE...]

Run it from the project's root; needs torch, diffusers, numpy and safetensors, and for TAESD
the weights below LATENTMILL_SHARED (default ../shared). A case gives

    CASE.json       diffusers' config, the golden images' sizes, and the encoder's tensors: shape
                    and name in each naming (diffusers, old: before 0.18, ldm)
    CASE-WxH.f32    mean, then log-variance where there is one: (C, h, w) fp32 each

and CASE-decoder.json and CASE-decoder-WxH.f32, (3, H, W) fp32, are the same of its decoder.
Images, latents and weights are not stored: all are a function of integers that
tests/unit/vae_case.c has as well. Weights are multiples of a power of two with 8 significant bits, and so the same
numbers in F32, F16 and BF16. diffusers computes in double precision.
"""
import json
import os
import re
import sys

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("LATENTMILL_SHARED", "../shared")
DEFAULT = "vae_encode/default"


def kl(channels, layers, groups, latent, attention=(), **more):
    down = ["AttnDownEncoderBlock2D" if i in attention else "DownEncoderBlock2D" for i in range(len(channels))]
    return {"_class_name": "AutoencoderKL", "block_out_channels": channels, "down_block_types": down,
            "layers_per_block": layers, "norm_num_groups": groups, "latent_channels": latent, **more}


# name: (config, sizes, gains on single tensors)
KL_CASES = {
    "sd": (kl([128, 256, 512, 512], 2, 32, 4, scaling_factor=0.18215), [(64, 64), (256, 256)], {}),
    "noquant": (kl([32, 64], 1, 32, 16, use_quant_conv=False, scaling_factor=0.3611, shift_factor=0.1159),
                [(32, 32)], {}),
    "odd": (kl([15, 35, 20], 3, 5, 3, mid_block_add_attention=False, latents_mean=[0.5, -0.25, 0.125],
               latents_std=[2, 4, 0.5], scaling_factor=0.5), [(40, 24)], {}),
    "attention": (kl([32, 64, 64], 2, 32, 4, attention=(1, 2), scaling_factor=0.25), [(32, 48)], {}),
    "clamp": (kl([16, 32], 1, 8, 8, scaling_factor=1.0), [(16, 16)], {"quant_conv.bias": 512}),
}
TAESD_CASES = {"taesd": (4, (64, 64)), "taef1": (16, (64, 64))}
# name: sizes of the decoders' pictures
DECODER_CASES = {"sd": [(64, 48)], "noquant": [(32, 32)], "odd": [(40, 24)], "attention": [(32, 48)],
                 "default": [(32, 48)], "taesd": [(48, 32)], "taef1": [(48, 32)]}


def splitmix(seed, n):
    x = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def fnv1a(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def weights(name, shape, gain):
    k = (splitmix(fnv1a(name), int(np.prod(shape))) >> np.uint64(56)).astype(np.int64) - 128
    if len(shape) == 1 and name.endswith(".weight"):  # of a norm
        values = 1 + (k // 4) / 128
    elif len(shape) == 1:
        values = k / 1024
    else:
        fan_in, bound = int(np.prod(shape[1:])), 1.0
        while 3 < fan_in * bound * bound:
            bound /= 2
        values = k / 128 * bound
    return torch.from_numpy((values * gain).reshape(shape))


def image(width, height):
    noise = (splitmix(fnv1a("image"), width * height * 3) >> np.uint64(58)).astype(np.int64)
    y, x, c = np.indices((height, width, 3))
    wave = (5 * x + 3 * y + 85 * c) % 511
    wave = np.where(wave < 256, wave, 510 - wave)
    return ((3 * wave + 4 * noise.reshape(wave.shape)) // 4).astype(np.uint8)


def latent(channels, width, height):
    k = (splitmix(fnv1a("latent"), channels * height * width) >> np.uint64(56)).astype(np.int64) - 128
    return torch.from_numpy((k / 32).reshape(1, channels, height, width))


def as_input(rgb):
    return torch.from_numpy(rgb.astype(np.float64) / 127.5 - 1).permute(2, 0, 1)[None]


def old_name(name):
    for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        name = name.replace(f".{new}.", f".{old}.")
    return name


def ldm_name(name, n_blocks):
    name = re.sub(r"up_blocks\.(\d+)", lambda m: f"up.{n_blocks - 1 - int(m[1])}", name)
    name = re.sub(r"up\.(\d+)\.resnets\.(\d+)", r"up.\1.block.\2", name)
    name = re.sub(r"up\.(\d+)\.attentions\.(\d+)", r"up.\1.attn.\2", name)
    name = re.sub(r"up\.(\d+)\.upsamplers\.0", r"up.\1.upsample", name)
    name = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d+)\.attentions\.(\d+)", r"down.\1.attn.\2", name)
    name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("conv_norm_out", "norm_out")
    name = name.replace("conv_shortcut", "nin_shortcut").replace("group_norm", "norm")
    for new, ldm in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
        name = name.replace(f".{new}.", f".{ldm}.")
    return name


def write(case, size, *tensors):
    path = os.path.join(HERE, f"{case}-{size[0]}x{size[1]}.f32")
    np.concatenate([t.float().numpy().ravel() for t in tensors]).astype("<f4").tofile(path)
    print(path, *(f"{t.mean():.4f} +- {t.std():.4f}" for t in tensors), flush=True)


def encode_kl(case, vae, sizes):
    for size in sizes:
        with torch.inference_mode():
            posterior = vae.double().encode(as_input(image(*size))).latent_dist
        write(case, size, posterior.mean, posterior.logvar)


def decode(case, vae, channels, sizes):
    f = 2 ** (len(vae.config.block_out_channels) - 1)
    for width, height in sizes:
        with torch.inference_mode():
            picture = vae.double().decode(latent(channels, width // f, height // f)).sample
        write(f"{case}-decoder", (width, height), picture)


def make_half(case, parts, config, sizes, gains):
    """The tensors of one half of an AutoencoderKL; returns the network."""
    n = len(config["block_out_channels"])
    types = {"down_block_types": ["DownEncoderBlock2D"] * n, "up_block_types": ["UpDecoderBlock2D"] * n}
    vae = AutoencoderKL.from_config({**types, **config}).eval()
    names = [k for k in vae.state_dict() if k.startswith(parts)]
    shapes = {k: list(vae.state_dict()[k].shape) for k in names}
    vae.load_state_dict({k: weights(k, shapes[k], gains.get(k, 1)) for k in names}, strict=False)
    lines = [json.dumps({"name": k, "old": old_name(k), "ldm": ldm_name(k, n), "shape": shapes[k],
                         "gain": gains.get(k, 1)}) for k in names]
    with open(os.path.join(HERE, f"{case}.json"), "w") as f:
        f.write(f'{{"config": {json.dumps(config)},\n"sizes": {json.dumps(sizes)},\n"tensors": [\n')
        f.write(",\n".join(lines) + "\n]}\n")
    return vae


def make_kl(case):
    config, sizes, gains = KL_CASES[case]
    encode_kl(case, make_half(case, ("encoder.", "quant_conv."), config, sizes, gains), sizes)
    if case not in DECODER_CASES:
        return
    sizes = DECODER_CASES[case]
    config = dict(config)
    types = reversed(config.pop("down_block_types"))
    config["up_block_types"] = [t.replace("DownEncoder", "UpDecoder") for t in types]
    if "use_quant_conv" in config:
        config["use_post_quant_conv"] = config.pop("use_quant_conv")
    vae = make_half(f"{case}-decoder", ("decoder.", "post_quant_conv."), config, sizes, {})
    decode(case, vae, config["latent_channels"], sizes)


def make_default():
    vae = AutoencoderKL.from_pretrained(DEFAULT).eval()
    encode_kl("default", vae, [(64, 96)])
    decode("default", vae, 8, DECODER_CASES["default"])


def taesd(case):
    """diffusers' network with TAESD's own weights."""
    channels, _ = TAESD_CASES[case]
    encoder = load_file(f"{SHARED}/data/weights/{case}_encoder.safetensors")
    decoder = load_file(f"{SHARED}/data/weights/{case}_decoder.safetensors")
    vae = AutoencoderTiny(latent_channels=channels).eval()
    vae.encoder.load_state_dict({f"layers.{k}": v for k, v in encoder.items()})
    # its own files count the squashing as layer 0
    numbered = [(k.partition("."), v) for k, v in decoder.items()]
    vae.decoder.load_state_dict({f"layers.{int(k[0]) - 1}.{k[2]}": v for k, v in numbered})
    return vae


def make_taesd(case):
    channels, size = TAESD_CASES[case]
    vae = taesd(case)
    with torch.inference_mode():
        write(case, size, vae.double().encode(as_input(image(*size))).latents)
    decode(case, vae, channels, DECODER_CASES[case])


if __name__ == "__main__":
    for wanted in sys.argv[1:] or [*KL_CASES, "default", *TAESD_CASES]:
        if wanted == "default":
            make_default()
        elif wanted in TAESD_CASES:
            make_taesd(wanted)
        else:
            make_kl(wanted)
