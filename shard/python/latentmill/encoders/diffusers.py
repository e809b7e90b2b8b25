# SPDX-License-Identifier: Apache-2.0
"""diffusers' image autoencoders for `latentmill prepare`: `--encoder diffusers:DIR` starts

    python -m latentmill.encoders.diffusers --model DIR --device cuda:0

DIR is a folder with config.json and safetensors, or a pipeline's with such a folder vae/ in it; nothing
is downloaded. Latents are raw: the posterior's mean (its mode), and the log-variance on request,
never a sample, unscaled and unpatchified, (C, H, W). The hello has the scale and shift with which the
model's own pipelines make of them what a diffusion model sees: latent = (raw - shift) * scale.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .protocol import Array, Opening, Refused, header_array
from .torch_encoder import TorchEncoder, parser, read_json, serve_options, sha256, weight_files

Pair = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # scale, shift


def _scaling_factor(config: Any) -> Pair:
    """Of AutoencoderKL (Stable Diffusion, SDXL, FLUX.1) and AutoencoderTiny."""
    scale, shift = float(config.scaling_factor), float(config.get("shift_factor") or 0)
    if config.get("latents_mean") is None and config.get("latents_std") is None:
        return np.array([scale]), np.array([shift])
    if shift != 0:
        raise Refused("config.json has both shift_factor and latents_mean: which one is it?")
    per_channel, mean = _mean_std(config, config.latent_channels)
    return scale * per_channel, mean


def _mean_std(config: Any, channels: int) -> Pair:
    mean, std = np.array(config.latents_mean, float), np.array(config.latents_std, float)
    if mean.shape != (channels,) or std.shape != (channels,) or not (std > 0).all():
        raise Refused(f"config.json: latents_mean and latents_std must be lists of {channels} numbers, std above 0")
    return 1 / std, mean


def _of_kl(model: Any, stated: dict[str, Any]) -> Pair:
    return _scaling_factor(model.config)


def _of_dc(model: Any, stated: dict[str, Any]) -> Pair:
    # diffusers takes 1.0 where it is missing, which is no DC-AE's.
    if stated.get("scaling_factor") is None:
        raise Refused("config.json has no scaling_factor, and it is not 1.0 of itself: write there what the model "
                      "was trained with (0.41407 of dc-ae-f32c32-sana)")
    return np.array([float(stated["scaling_factor"])]), np.array([0.0])


def _of_video(model: Any, stated: dict[str, Any]) -> Pair:
    return _mean_std(model.config, model.config.z_dim)


def _of_flux2(model: Any, stated: dict[str, Any]) -> Pair:
    """Statistics of patches; their channels are in the order (c, row, column)."""
    dims = (model.config.latent_channels, *model.config.patch_size)
    mean, variance = model.bn.running_mean.double().numpy(), model.bn.running_var.double().numpy()
    return 1 / np.sqrt(variance + model.config.batch_norm_eps).reshape(dims), mean.reshape(dims)


@dataclass(frozen=True)
class _Family:
    posterior: bool
    """encode() gives a distribution."""
    video: bool
    """Images are videos of one frame."""
    channels: str
    """The config's member."""
    halvings: Callable[[Any], int]
    """How often a side is halved, of the config."""
    scaling: Callable[[Any, dict[str, Any]], Pair]
    """Of the model in fp32 and what its config.json says."""
    patch: Callable[[Any], int] = lambda config: 1
    """Pixels of a side that are put together first, of the config."""


def _halvings_of_blocks(config: Any) -> int:
    return len(config.block_out_channels) - 1


def _halvings_of_video(config: Any) -> int:
    return len(config.dim_mult) - 1


_FAMILIES = {
    "AutoencoderKL": _Family(True, False, "latent_channels", _halvings_of_blocks, _of_kl),
    "AutoencoderKLFlux2": _Family(True, False, "latent_channels", _halvings_of_blocks, _of_flux2),
    "AutoencoderKLQwenImage": _Family(True, True, "z_dim", _halvings_of_video, _of_video),
    "AutoencoderKLWan": _Family(True, True, "z_dim", _halvings_of_video, _of_video,
                                lambda config: config.get("patch_size") or 1),
    "AutoencoderDC": _Family(False, False, "latent_channels",
                             lambda config: len(config.encoder_block_out_channels) - 1, _of_dc),
    "AutoencoderTiny": _Family(False, False, "latent_channels",
                               lambda config: len(config.encoder_block_out_channels) - 1, _of_kl),
}


class DiffusersEncoder(TorchEncoder):
    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        folder = options.model
        if not (folder / "config.json").exists() and (folder / "vae" / "config.json").exists():
            folder /= "vae"
        self._stated = read_json(folder / "config.json")
        if self._stated.get("force_upcast") and options.dtype == "float16":
            print(f"warning: {folder}/config.json has force_upcast: in float16 this network may overflow, which rejects "
                  "images as not_finite; --dtype bfloat16 has the range", file=sys.stderr)
        name = self._stated.get("_class_name")
        if name not in _FAMILIES:
            raise Refused(f"{folder}/config.json: _class_name {name!r}, not one of {', '.join(_FAMILIES)}")
        self._name, self._family = name, _FAMILIES[name]
        self._weights = weight_files(folder, "diffusion_pytorch_model")
        model = self._load(folder)
        self._config = model.config
        self._scale, self._shift = self._family.scaling(model, self._stated)
        self._model = self.place(model)
        self._model.encoder = self.compiled(self._model.encoder)
        self._logvar = False

    def _load(self, folder: Any) -> Any:
        os.environ["HF_HUB_OFFLINE"] = "1"
        import diffusers
        kind = getattr(diffusers, self._name, None)
        if kind is None:
            raise Refused(f"diffusers {diffusers.__version__} has no {self._name}: pip install -U diffusers")
        diffusers.utils.logging.set_verbosity_error()  # it warns of what is judged below
        diffusers.utils.logging.disable_progress_bar()
        model, found = kind.from_pretrained(folder, torch_dtype=self.torch.float32, local_files_only=True,
                                            use_safetensors=True, low_cpu_mem_usage=False, output_loading_info=True)
        missing = [key for key in found["missing_keys"] if not key.startswith(("decoder.", "post_quant_conv."))]
        if missing:  # they would be random
            raise Refused(f"{folder}: the weights lack {missing[0]} and {len(missing) - 1} more")
        self._decodes = not found["missing_keys"]
        if model.config.get("in_channels", 3) != 3 * self._family.patch(model.config) ** 2:
            raise Refused(f"{folder}: an encoder of {model.config.in_channels} channels, not of RGB")
        model.disable_tiling()
        model.disable_slicing()
        return model

    @property
    def numerics(self) -> str:
        import diffusers
        return f"{super().numerics} diffusers-{diffusers.__version__}"

    @property
    def _f(self) -> int:
        f: int = 2 ** self._family.halvings(self._config) * self._family.patch(self._config)
        return f

    def describe(self, opening: Opening) -> dict[str, Any]:
        self.prepare(opening)
        self._logvar = opening.moments == "mean+logvar"
        if self._logvar and not self._family.posterior:
            raise Refused(f"{self._name} has no posterior: --moments mean")
        # Where statistics are of patches, a side holds whole ones.
        multiple = self._f * (self._scale.shape[1] if self._scale.ndim == 3 else 1)
        for size in opening.sizes:
            if any(side % multiple for side in size):
                raise Refused(f"{size[0]}x{size[1]}: this model's sides are multiples of {multiple}")
        channels = self._config[self._family.channels]
        dims = [[channels, height // self._f, width // self._f] for width, height in opening.sizes]
        encoder = {
            "kind": "latent", "of": "image", "family": self._name, "weights_sha256": sha256(self._weights),
            # Not where it was saved, nor by which release.
            "config": {key: value for key, value in self._stated.items() if key[0] != "_" or key == "_class_name"},
            "input": {"range": [-1, 1], "multiple": multiple}, "outputs": [],
            "numerics": self.numerics, "reproducible": False, "channels": channels, "f": self._f,
            "scale": header_array(self._scale, "the model's scale"),
            "shift": header_array(self._shift, "the model's shift"),
        }
        tensors = [{"output": 0, "logvar": logvar, "dims": dims} for logvar in (False, True)[:1 + self._logvar]]
        return {"encoder": encoder, "tensors": tensors, "decode": self._decodes, **self.run_members()}

    def compute(self, pixels: Any) -> list[Any]:
        x = self.as_range(pixels)
        if self._family.video:
            x = x[:, :, None]
        found = self._model.encode(x)
        if not self._family.posterior:
            return [found.latent if "latent" in found else found.latents]
        posterior = found.latent_dist
        made = [posterior.mean, posterior.logvar] if self._logvar else [posterior.mean]
        return [tensor[:, :, 0] for tensor in made] if self._family.video else made

    def decode(self, values: Array) -> npt.NDArray[np.uint8]:
        with self.torch.inference_mode():
            z = self.from_array(values).to(self.dtype)
            x = self._model.decode(z[:, :, None] if self._family.video else z).sample
            x = x[:, :, 0] if self._family.video else x
            rgb = (x.float() / 2 + 0.5).clamp(0, 1).mul(255).round().permute(0, 2, 3, 1)
            array: npt.NDArray[np.uint8] = rgb.to(self.torch.uint8).cpu().numpy()
            return array


def main() -> None:
    serve_options(parser("latentmill.encoders.diffusers", batch=16, wait_ms=200), DiffusersEncoder)


if __name__ == "__main__":
    main()
