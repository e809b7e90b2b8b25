# SPDX-License-Identifier: Apache-2.0
"""What the child with diffusers' autoencoders refuses, its options and folders, and a device without
memory."""
import contextlib
import hashlib
import io
import json
import pathlib
import shutil
import tempfile

from models import BOUND, command, images, make, near, preprocessed
import diffusers
import torch
from safetensors.torch import load_file, save_file

from encoder_child import Child, EncoderError
from latentmill.encoders.diffusers import DiffusersEncoder
from latentmill.encoders.protocol import Opening, Refused
from latentmill.encoders.torch_encoder import parser


def refused(folder, *words, moments="mean", size=(32, 32), options=()):
    arguments = parser("test", 8, 50).parse_args(["--model", str(folder), *options])
    try:
        DiffusersEncoder(arguments).describe(Opening("x", 0, 1, (size,), "fp16", moments))
    except Refused as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError(f"not refused: {words}")


def edited(top, name, **changes):
    """A copy of the folder with other members in its config.json; None: without it."""
    folder = top / "edited"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(top / name, folder)
    config = {**json.loads((folder / "config.json").read_text()), **changes}
    (folder / "config.json").write_text(json.dumps({key: config[key] for key in config if config[key] is not None}))
    return folder


def check_refusals(top):
    refused(top / "dc", "posterior", moments="mean+logvar")
    refused(top / "tiny", "posterior", moments="mean+logvar")
    refused(edited(top, "dc", scaling_factor=None), "scaling_factor", "0.41407")
    refused(top / "flux2", "36x32", "multiples of 8", size=(36, 32))
    refused(top / "sd", "32x34", "multiples of 4", size=(32, 34))
    refused(edited(top, "sd", _class_name="UNet2DModel"), "UNet2DModel", "AutoencoderKL")
    refused(edited(top, "wan", latents_std=[1.0]), "lists of 4 numbers")
    refused(edited(top, "playground", shift_factor=0.5), "shift_factor", "latents_mean")
    refused(top / "nothing", "config.json")
    refused(top / "sd", "--device cuda:7", options=["--device", "cuda:7"])
    folder = edited(top, "sd")
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "other.safetensors")
    refused(folder, "no diffusion_pytorch_model.safetensors")
    tensors = load_file(folder / "other.safetensors")
    del tensors["encoder.conv_in.weight"]
    save_file(tensors, folder / "diffusion_pytorch_model.safetensors")
    refused(folder, "lack encoder.conv_in.weight")
    # A stated 1.0 is somebody's word.
    encoder = DiffusersEncoder(parser("test", 8, 50).parse_args(["--model", str(edited(top, "dc", scaling_factor=1.0))]))
    hello = encoder.describe(Opening("x", 0, 1, ((32, 32),), "fp16", "mean"))
    assert hello["encoder"]["scale"] == [1.0]


def check_pipeline_folder(top):
    """vae/ in a pipeline's folder, weights in several files."""
    model = make("sd", top)
    model.save_pretrained(top / "pipeline" / "vae", max_shard_size="60KB")
    parts = sorted((top / "pipeline" / "vae").glob("*.safetensors"))
    assert len(parts) > 1
    encoder = DiffusersEncoder(parser("test", 8, 50).parse_args(["--model", str(top / "pipeline")]))
    hello = encoder.describe(Opening("x", 0, 1, ((32, 32),), "fp32", "mean"))
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    assert hello["encoder"]["weights_sha256"] == digest
    rgb = images(2, 32, 32)
    near(encoder.encode(encoder.receive(rgb))[0], model.encode(preprocessed(rgb)).latent_dist.mode())


def check_upcast(top):
    """Of a network that is stated to overflow, a word; of others, none."""
    for stated, dtype, said in ((True, "float16", True), (True, "bfloat16", False), (False, "float16", False)):
        words = ["--model", str(edited(top, "sd", force_upcast=stated)), "--dtype", dtype]
        with contextlib.redirect_stderr(io.StringIO()) as log:
            DiffusersEncoder(parser("test", 8, 50).parse_args(words))
        assert ("force_upcast" in log.getvalue()) is said, (stated, dtype, log.getvalue())


def check_options(top):
    """Networks in bfloat16, channels last."""
    model = make("flux", top)
    rgb = images(3, 32, 32)
    exact = model.encode(preprocessed(rgb)).latent_dist.mode()
    for options, bound in ((("--dtype", "bfloat16"), 0.05), (("--channels-last", "--deterministic"), BOUND)):
        encoder = DiffusersEncoder(parser("test", 8, 50).parse_args(["--model", str(top / "flux"), *options]))
        hello = encoder.describe(Opening("x", 0, 1, ((32, 32),), "fp32", "mean"))
        near(encoder.encode(encoder.receive(rgb))[0], exact, bound)
        words = " ".join(option.strip("-").replace("-", "_") for option in options if option[:2] == "--")
        assert hello["encoder"]["numerics"].endswith(
            f" {'bfloat16' if 'bfloat16' in options else f'float32 {words}'} diffusers-{diffusers.__version__}")
    torch.use_deterministic_algorithms(False)


OUT_OF_MEMORY = '''
import torch
from latentmill.encoders import diffusers, torch_encoder

class Small(diffusers.DiffusersEncoder):
    def compute(self, pixels):
        print("a word on standard output")
        if len(pixels) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return super().compute(pixels)

    def free(self):
        print("the cache is emptied", flush=True)
        super().free()

diffusers.DiffusersEncoder = Small
diffusers.main()
'''


def check_out_of_memory(top):
    arguments = command(top / "tiny")
    arguments[2] = arguments[2].partition("from latentmill")[0] + OUT_OF_MEMORY
    log = top / "log"
    rgb = images(4, 32, 32)
    with log.open("w") as stderr, Child(arguments, stderr=stderr) as child:
        large, small = child.ask(rgb), child.ask(rgb[:2])
        try:
            child.answer(large)
            raise AssertionError("it found room")
        except EncoderError as error:
            assert (error.request, error.code) == (large, 1) and "20.00 MiB" in str(error)
        made = child.answer(small)[0]
        near(made, child.encode(rgb, 2)[0][:2])
    assert "a word on" in log.read_text() and "cache is emptied" in log.read_text()


with tempfile.TemporaryDirectory() as top_name:
    top_folder = pathlib.Path(top_name)
    for each in ("sd", "playground", "flux", "flux2", "wan", "dc", "tiny"):
        make(each, top_folder)
    check_refusals(top_folder)
    check_pipeline_folder(top_folder)
    check_upcast(top_folder)
    check_options(top_folder)
    check_out_of_memory(top_folder)
