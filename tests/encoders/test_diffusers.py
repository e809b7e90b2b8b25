# SPDX-License-Identifier: Apache-2.0
"""The child with diffusers' autoencoders, each class with small random weights: its tensors are those of
diffusers' own code on the same images, and with the hello's scale and shift, used as shard/FORMAT.md says,
those that the model's own pipelines go on with. Two are asked in a child process, the others in this one."""
import base64
import hashlib
import json
import pathlib
import sys
import tempfile
import types

from models import BOUND, MODELS, Here, command, images, make, near, preprocessed
import diffusers
import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor
from diffusers.pipelines.flux import pipeline_flux_img2img
from diffusers.pipelines.flux2 import pipeline_flux2
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit

from encoder_child import Child

SIZES = [[48, 32], [32, 64]]
STORED = {"flux2": "bf16", "dc": "fp16", "wan": "fp16"}
PATCHED = pipeline_flux2.Flux2Pipeline


def is_video(name):
    return "dim_mult" in MODELS[name][1]


def decoded_by(name, model, z):
    return model.decode(z[:, :, None]).sample[:, :, 0] if is_video(name) else model.decode(z).sample


def reference(name, model, rgb):
    """Mean, log-variance or None, of diffusers."""
    x = preprocessed(rgb)
    if is_video(name):
        posterior = model.encode(x[:, :, None]).latent_dist
        return posterior.mode()[:, :, 0], posterior.logvar[:, :, 0]
    if name == "dc":
        return model.encode(x).latent, None
    if name == "tiny":
        return model.encode(x).latents, None
    posterior = model.encode(x).latent_dist
    return posterior.mode(), posterior.logvar


class AtMode:
    """A model of which a pipeline that samples gets the mode."""

    def __init__(self, model):
        self.model, self.config = model, model.config

    def encode(self, x):
        mode = self.model.encode(x).latent_dist.mode()
        return types.SimpleNamespace(latent_dist=types.SimpleNamespace(sample=lambda generator: mode))


def of_pipelines(name, model, rgb, mean):
    """What the model's own pipelines go on with."""
    x, config = preprocessed(rgb), model.config
    if name == "flux":
        pipeline = types.SimpleNamespace(vae=AtMode(model))
        return pipeline_flux_img2img.FluxImg2ImgPipeline._encode_vae_image(pipeline, x, None)
    if name == "flux2":
        pipeline = types.SimpleNamespace(vae=model, _patchify_latents=PATCHED._patchify_latents)
        return PATCHED._unpatchify_latents(PATCHED._encode_vae_image(pipeline, x, None))
    if name == "qwen":
        pipeline = types.SimpleNamespace(vae=model, latent_channels=config.z_dim)
        return pipeline_qwenimage_edit.QwenImageEditPipeline._encode_vae_image(pipeline, x[:, :, None], None)[:, :, 0]
    if name.startswith("wan"):  # WanImageToVideoPipeline.prepare_latents
        latents_mean = torch.tensor(config.latents_mean).view(1, -1, 1, 1)
        return (mean - latents_mean) * (1.0 / torch.tensor(config.latents_std).view(1, -1, 1, 1))
    if name == "playground":  # StableDiffusionXLImg2ImgPipeline.prepare_latents
        latents_mean, latents_std = (torch.tensor(config[key]).view(1, -1, 1, 1) for key in ("latents_mean", "latents_std"))
        return (mean - latents_mean) * config.scaling_factor / latents_std
    return mean * config.scaling_factor


def array(value):
    if isinstance(value, list):
        return np.array(value, np.float32).reshape(-1, 1, 1)
    return np.frombuffer(base64.b64decode(value["fp32"], validate=True), "<f4").reshape(value["dims"])


def normalized(encoder, raw):
    """shard/FORMAT.md's formula over the grid."""
    n, _, height, width = raw.shape
    scale, shift = array(encoder["scale"]), array(encoder["shift"])
    p = scale.shape[-1]
    over = [np.tile(one, (1, height // p, width // p)) if p > 1 else one for one in (scale, shift)]
    return (raw.astype(np.float32) - over[1]) * over[0]


def rounded(values, stored):
    kinds = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
    return values.to(kinds[stored]).float()


def check_hello(name, folder, hello, moments):
    kind, arguments, f, multiple = MODELS[name]
    encoder = hello["encoder"]
    channels = arguments.get("latent_channels") or arguments["z_dim"]
    data = (folder / "diffusion_pytorch_model.safetensors").read_bytes()
    said = {"kind": "latent", "of": "image", "family": kind, "weights_sha256": hashlib.sha256(data).hexdigest(),
            "input": {"range": [-1, 1], "multiple": multiple}, "outputs": [], "reproducible": False,
            "numerics": f"torch-{torch.__version__.split('+')[0]} cpu float32 diffusers-{diffusers.__version__}",
            "channels": channels, "f": f}
    assert {key: encoder[key] for key in said} == said, encoder
    assert set(encoder) == {*said, "config", "scale", "shift"}
    stated = json.loads((folder / "config.json").read_text())
    assert encoder["config"] == {key: stated[key] for key in stated
                                 if key not in ("_diffusers_version", "_name_or_path")}
    dims = [[channels, height // f, width // f] for width, height in SIZES]
    assert hello["tensors"] == [{"output": 0, "logvar": False, "dims": dims},
                                {"output": 0, "logvar": True, "dims": dims}][:1 + (moments == "mean+logvar")]
    assert (hello["batch"], hello["wait_ms"], hello["decode"], hello["device"]) == (3, 7, True, "cpu")


def start(name, folder, **opening):
    options = ("--batch", "3", "--wait-ms", "7")
    if name in ("sd", "flux2"):
        return Child(command(folder, *options), **opening)
    return Here(folder, *options, **opening)


def check_model(name, top):
    model, folder = make(name, top), top / name
    moments = "mean" if name in ("dc", "tiny", "sd") else "mean+logvar"
    stored = STORED.get(name, "fp32")
    with start(name, folder, sizes=SIZES, moments=moments, dtype=stored) as child:
        check_hello(name, folder, child.hello, moments)
        for width, height in SIZES:
            rgb = images(5, width, height)
            with torch.inference_mode():
                mean, logvar = reference(name, model, rgb)
                expected = [mean, logvar][:1 + (moments == "mean+logvar")]
                pipelines = of_pipelines(name, model, rgb, mean)
                picture = decoded_by(name, model, rounded(mean, stored))
            found = child.encode(rgb, 3)
            bound = {"fp32": BOUND, "fp16": 2**-10, "bf16": 2**-7}[stored]
            for a, b in zip(found, expected, strict=True):
                near(a, b, bound)
            assert float(mean.std()) > 0.01
            if stored == "fp32":
                near(normalized(child.hello["encoder"], found[0]), pipelines)
            near(normalized(child.hello["encoder"], mean.numpy()), pipelines)
            # Whatever its neighbours.
            for one, alone in zip(found, child.encode(rgb, 1)):
                near(one, alone, bound)
            pil = VaeImageProcessor().postprocess(picture, output_type="pil")
            decoded = child.decode(found[0].astype(np.float32), width, height)
            assert np.abs(decoded.astype(int) - np.stack([np.asarray(one) for one in pil])).max() <= (
                1 if stored == "fp32" else 8)
    print(name, "is the same", flush=True)


with tempfile.TemporaryDirectory() as top:
    for model_name in sys.argv[1:] or MODELS:
        check_model(model_name, pathlib.Path(top))
