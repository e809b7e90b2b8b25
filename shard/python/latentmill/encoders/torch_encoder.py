# SPDX-License-Identifier: Apache-2.0
"""What encoders on PyTorch have in common: options, the device, weights in a folder."""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from .protocol import BF16, CANNOT_ENCODE, OUT_OF_MEMORY, Array, Encoder, Opening, Refused, serve

PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
SHORT = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
INSTALL = "pip install './shard/python[encoders]'"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(f"{message} ({self.prog} --help)")


def _within(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not {least} to {most}")
        return int(text)
    return number


def parser(module: str, batch: int, wait_ms: int) -> argparse.ArgumentParser:
    """The options of `python3 -m module`. An encoder may add its own. parse_args() raises Refused."""
    p = _Parser(prog=f"python3 -m {module}", allow_abbrev=False,
                description="Encodes images for `latentmill prepare`, which starts it.")
    p.add_argument("--model", type=Path, required=True, metavar="DIR", help="folder with config.json and safetensors")
    p.add_argument("--device", default="cpu", metavar="cpu|cuda:N")
    p.add_argument("--dtype", choices=PRECISIONS, type=lambda name: SHORT.get(name, name), default="float32",
                   help="that it computes in (%(default)s); fp32, bf16 and fp16 are short for three")
    p.add_argument("--compile", action="store_true", help="torch.compile: minutes at first, then faster")
    p.add_argument("--channels-last", action="store_true", help="memory format, faster on most GPUs with halves")
    p.add_argument("--deterministic", action="store_true", help="the same bits each time on one machine; slower")
    p.add_argument("--batch", type=_within(1, 4096), default=batch, metavar="N", help="images at once (%(default)s)")
    p.add_argument("--wait-ms", type=_within(0, 60000), default=wait_ms, metavar="N",
                   help="that they may wait for others (%(default)s)")
    return p


def serve_options(known: argparse.ArgumentParser, start: Callable[[argparse.Namespace], Encoder]) -> None:
    """serve() of what start() makes of the command line's options. What is wrong with these, and a package that is
    missing, are refusals as others are. --help is printed at once."""
    wrong = None
    try:
        options = known.parse_args()
    except Refused as error:
        if os.isatty(0):  # nobody asks
            sys.exit(f"error: {error}")
        wrong = error

    def begin() -> Encoder:
        if wrong is not None:
            raise wrong
        try:
            return start(options)
        except ImportError as error:
            raise Refused(f"{error} (in {sys.executable}; LATENTMILL_PYTHON names another): {INSTALL}") from error
    serve(begin)


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise Refused(f"{path}: not a JSON object")
    return value


def weight_files(folder: Path, stem: str) -> list[Path]:
    """stem.safetensors, or the files that stem.safetensors.index.json names, in order of names."""
    one, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if one.exists() and index.exists():
        raise Refused(f"{folder}: {one.name} or {index.name}, which one? Remove the other")
    if one.exists():
        return [one]
    if not index.exists():
        raise Refused(f"{folder}: no {one.name}")
    return [folder / name for name in sorted(set(read_json(index)["weight_map"].values()))]


def sha256(paths: list[Path]) -> str:
    """Of the files one after another, as `cat FILE... | sha256sum` has it."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while data := file.read(1 << 22):
                digest.update(data)
    return digest.hexdigest()


class TorchEncoder(Encoder):
    """Runs `self.compute` under inference mode on one device."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        if options.deterministic:  # before CUDA starts
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        import torch
        self.torch = torch
        self.dtype = getattr(torch, options.dtype.replace("tf32", "float32"))
        self.device = self._open_device(options.device)
        self.stored = "fp32"
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = options.dtype == "tf32"
        torch.use_deterministic_algorithms(options.deterministic)
        self._copying = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None

    def _open_device(self, name: str) -> Any:
        torch = self.torch
        try:
            device = torch.device(name)
            torch.empty(1, device=device)
        except Exception as error:
            raise Refused(f"--device {name}: {error}") from error
        if device.type == "cuda":
            torch.cuda.set_device(device)
        return device

    def place(self, model: Any) -> Any:
        """The model as the options want it."""
        model = model.to(self.device).eval().requires_grad_(False)
        if self.dtype != self.torch.float32:
            model = model.to(self.dtype)
        if self.options.channels_last:
            formats = {4: self.torch.channels_last, 5: self.torch.channels_last_3d}
            for p in model.parameters():
                p.data = p.data.contiguous(memory_format=formats.get(p.dim(), self.torch.contiguous_format))
        return model

    def compiled(self, function: Any) -> Any:
        return self.torch.compile(function, dynamic=False) if self.options.compile else function

    def prepare(self, opening: Opening) -> None:
        """To be called first in describe()."""
        self.stored = opening.dtype
        if self.device.type == "cpu":  # shared by all children
            self.torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // opening.children))

    def warm_up(self, opening: Opening) -> None:
        """A whole batch of each size where kernels are compiled, or chosen and loaded; on a CPU, where it would take
        as long as it saves, an image."""
        n = self.options.batch if self.options.compile or self.device.type == "cuda" else 1
        try:
            for width, height in opening.sizes:
                self.encode(self.receive(np.zeros((n, height, width, 3), np.uint8)))
        except Exception as error:  # judged when it happens to a batch; not after what ends the process
            if self.judge(error) != OUT_OF_MEMORY:
                print(f"warming up: {error}", file=sys.stderr)
        self.free()

    @property
    def numerics(self) -> str:
        o = self.options
        version = self.torch.__version__.partition("+")[0]
        words = [f"torch-{version}", self.device.type, o.dtype]
        return " ".join(words + [word for word in ("compile", "channels_last", "deterministic") if getattr(o, word)])

    def run_members(self) -> dict[str, Any]:
        """The hello's members that say how it is run."""
        device = str(self.device)
        if self.device.type == "cuda":
            device += f" {self.torch.cuda.get_device_name(self.device)}"
        return {"batch": self.options.batch, "wait_ms": self.options.wait_ms, "device": device}

    @abstractmethod
    def compute(self, pixels: Any) -> list[Any]:
        """The tensors (n, ...) of uint8 pixels (n, height, width, 3) on the device."""

    def as_range(self, pixels: Any) -> Any:
        """What compute() gets as (n, 3, height, width) in [-1, 1], of the type that is computed in: as
        diffusers' VaeImageProcessor makes it, in fp32."""
        torch = self.torch
        layout = torch.channels_last if self.options.channels_last else torch.contiguous_format
        x = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=layout)
        return x.div_(255).mul_(2).sub_(1).to(self.dtype)

    def receive(self, rgb: npt.NDArray[np.uint8]) -> Any:
        pixels = self.torch.from_numpy(rgb)
        if self._copying is None:
            return pixels
        # Beside the computation; when it is done encode() may use them on any stream.
        with self.torch.cuda.stream(self._copying):
            pixels = pixels.to(self.device)
            self._copying.synchronize()
        return pixels

    def encode(self, batch: Any) -> list[Array]:
        n = len(batch)
        with self.torch.inference_mode():
            if self.options.compile and n < self.options.batch:  # one shape: compiled once
                filler = batch.new_zeros(self.options.batch - n, *batch.shape[1:])
                batch = self.torch.cat([batch, filler])
            return [self.to_array(tensor[:n]) for tensor in self.compute(batch)]

    def to_array(self, tensor: Any) -> Array:
        """Floats in the stored type, integers as i32 (u16 and u32 are few things' type in PyTorch)."""
        torch = self.torch
        if not tensor.is_floating_point():
            return self._numpy(tensor.to(torch.int32))
        if self.stored == "bf16":
            return self._numpy(tensor.to(torch.bfloat16).view(torch.int16)).view(BF16)
        return self._numpy(tensor.to(torch.float16 if self.stored == "fp16" else torch.float32))

    def _numpy(self, tensor: Any) -> Array:
        array: Array = tensor.contiguous().cpu().numpy()
        return array

    def from_array(self, array: Array) -> Any:
        """On the device, floats as fp32."""
        if array.dtype == BF16:
            bits = self.torch.from_numpy(array.view("<i2"))
            return bits.to(self.device).view(self.torch.bfloat16).float()
        tensor = self.torch.from_numpy(array.astype("<i4") if array.dtype.kind == "u" else array).to(self.device)
        return tensor.float() if tensor.is_floating_point() else tensor

    def judge(self, error: Exception) -> int:
        torch = self.torch
        if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
            return OUT_OF_MEMORY
        # After an illegal access the device answers nothing any more: a new process may.
        if isinstance(error, getattr(torch, "AcceleratorError", ())):
            raise error
        return CANNOT_ENCODE

    def free(self) -> None:
        if self.device.type == "cuda":
            self.torch.cuda.empty_cache()
