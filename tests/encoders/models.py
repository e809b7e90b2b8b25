# SPDX-License-Identifier: Apache-2.0
"""Small autoencoders with random weights, one of each class that ships, in folders of diffusers' own
making. Import skips where diffusers is not installed."""
import os
import pathlib
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "python"))
os.environ["HF_HUB_OFFLINE"] = "1"

try:
    import diffusers
    import torch
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

import numpy as np
import package
from PIL import Image
from diffusers.image_processor import VaeImageProcessor

from encoder_child import float_of
from latentmill.encoders.diffusers import DiffusersEncoder
from latentmill.encoders.protocol import BF16, Opening
from latentmill.encoders.torch_encoder import parser

BOUND = 1e-5  # of differences between two runs of one network, of its largest value
KL = {"block_out_channels": (8, 16, 16), "norm_num_groups": 4, "layers_per_block": 1, "sample_size": 32,
      "down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3}
VIDEO = {"base_dim": 8, "z_dim": 4, "dim_mult": [1, 1, 2], "num_res_blocks": 1,
         "temperal_downsample": [False, True], "latents_mean": [0.5, -0.25, 0.125, -1.5],
         "latents_std": [2.0, 0.75, 1.25, 3.0]}
DC = {"latent_channels": 8, "attention_head_dim": 4, "encoder_block_types": ("ResBlock", "ResBlock", "EfficientViTBlock"),
      "decoder_block_types": ("ResBlock", "ResBlock", "EfficientViTBlock"),
      "encoder_block_out_channels": (8, 8, 16), "decoder_block_out_channels": (8, 8, 16),
      "encoder_layers_per_block": (1, 1, 1), "decoder_layers_per_block": (1, 1, 1),
      "encoder_qkv_multiscales": ((), (), (5,)), "decoder_qkv_multiscales": ((), (), (5,)), "scaling_factor": 0.41407}
TINY = {"encoder_block_out_channels": (8, 8, 8, 8), "decoder_block_out_channels": (8, 8, 8, 8),
        "num_encoder_blocks": (1, 1, 1, 1), "num_decoder_blocks": (1, 1, 1, 1)}

# name: (class, its arguments, f, multiple of sides)
MODELS = {
    "sd": ("AutoencoderKL", {**KL, "latent_channels": 4, "scaling_factor": 0.13025}, 4, 4),
    "playground": ("AutoencoderKL", {**KL, "latent_channels": 4, "scaling_factor": 0.5, "latents_std": VIDEO["latents_std"],
                                     "latents_mean": VIDEO["latents_mean"]}, 4, 4),
    "flux": ("AutoencoderKL", {**KL, "latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159,
                               "use_quant_conv": False, "use_post_quant_conv": False}, 4, 4),
    "flux2": ("AutoencoderKLFlux2", {**KL, "latent_channels": 8}, 4, 8),
    "qwen": ("AutoencoderKLQwenImage", VIDEO, 4, 4),
    "wan": ("AutoencoderKLWan", {**VIDEO, "scale_factor_spatial": 4}, 4, 4),
    "wan22": ("AutoencoderKLWan", {**VIDEO, "dim_mult": [1, 2, 2], "is_residual": True, "in_channels": 12, "out_channels": 12, "patch_size": 2,
                                   "scale_factor_spatial": 8}, 8, 8),
    "dc": ("AutoencoderDC", DC, 4, 4),
    "tiny": ("AutoencoderTiny", {**TINY, "latent_channels": 4}, 8, 8),
}


def make(name, folder):
    """The model, saved to folder/name."""
    kind, arguments, _, _ = MODELS[name]
    torch.manual_seed(sum(map(ord, name)))
    model = getattr(diffusers, kind)(**arguments).eval().requires_grad_(False)
    if name == "flux2":
        model.bn.running_mean.normal_(0, 0.5)
        model.bn.running_var.uniform_(1e-4, 3)
    if name == "dc":  # zero when they are made, so that blocks would do nothing
        for module in model.modules():
            if module.__class__.__name__ == "RMSNorm" and module.weight is not None:
                module.weight.uniform_(0.5, 1.5)
    model.save_pretrained(pathlib.Path(folder, name))
    return model


def command(folder, *options):
    """Starts the child."""
    code = f"import sys; sys.path.insert(0, {os.path.abspath(package.BUILD + '/python')!r}); " \
           "from latentmill.encoders.diffusers import main; main()"
    return [sys.executable, "-c", code, "--model", str(folder), *options]


class Here:
    """What encoder_child.Child is, without a process, which takes many seconds to start."""

    def __init__(self, folder, *options, **opening):
        asked = {"label": "test", "child": 0, "children": 1, "dtype": "fp32", "moments": "mean", **opening}
        self.encoder = DiffusersEncoder(parser("test", 8, 50).parse_args(["--model", str(folder), *options]))
        self.hello = self.encoder.describe(Opening(**asked))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def encode(self, rgb, n):
        made = [self.encoder.encode(self.encoder.receive(rgb[i:i + n])) for i in range(0, len(rgb), n)]
        whole = [np.concatenate(parts) for parts in zip(*made)]
        return [float_of("bf16", one.tobytes()).reshape(one.shape) if one.dtype == BF16 else one for one in whole]

    def decode(self, values, width, height):
        made = self.encoder.decode(values)
        assert made.shape[1:] == (height, width, 3)
        return made


def images(n, width, height):
    rng = np.random.default_rng(n * width)
    coarse = rng.integers(0, 256, (n, height // 8, width // 8, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    noise = rng.integers(0, 64, (n, height, width, 3), np.uint8)
    return (coarse // 2 + noise).astype(np.uint8)


def preprocessed(rgb):
    return VaeImageProcessor(vae_scale_factor=8, do_resize=False).preprocess([Image.fromarray(one) for one in rgb])


def near(found, expected, bound=BOUND):
    expected = expected.numpy() if torch.is_tensor(expected) else expected
    assert found.shape == expected.shape, (found.shape, expected.shape)
    error = np.abs(found - expected).max()
    assert error <= bound * max(1, np.abs(expected).max()), error
