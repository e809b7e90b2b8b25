# SPDX-License-Identifier: Apache-2.0
"""The child's side of the protocol between `latentmill prepare` and an encoder, version 1.

    class Grey(Encoder):
        def describe(self, opening):
            return {"encoder": {...}, "tensors": [...], "batch": 8, "wait_ms": 50, "decode": False}

        def encode(self, batch):
            return [batch.mean(axis=(1, 2, 3), dtype=np.float32)]

    serve(Grey)

Requests are answered in order; while one is computed, a thread of its own reads the next. What
the encoder's libraries print goes to standard error. The frames' bytes and the hello's members are
specified in vae_encode/child/ENCODER.md. numpy is all that this module needs.
"""
from __future__ import annotations

import base64
import json
import mmap
import os
import queue
import signal
import struct
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PROTOCOL = 1
OPEN, HELLO, ENCODE, TENSORS, ERROR, DECODE, IMAGES = range(1, 8)
OUT_OF_MEMORY, CANNOT_ENCODE, REFUSED = 1, 2, 3

BF16 = np.dtype([("bf16", "<u2")])
"""bf16, which numpy has not: its bits. `bits.view(BF16)` and `values.view("<u2")` go there and back."""
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<u2"), 2: np.dtype("<u4"), 3: np.dtype("<i4"), 4: np.dtype("<f2"), 5: BF16,
    6: np.dtype("<f4")}
"""By their codes, which are shard/FORMAT.md's."""

_MAGIC = b"LME1"
_FRAME = struct.Struct("<4sIQ")       # magic, type, bytes of the payload
_REQUEST = struct.Struct("<QIIII")    # id, n, width, height, 0 or _IN_MEMORY
_REPLY = struct.Struct("<QII")        # id, n, number of tensors
_TENSOR = struct.Struct("<II8IQ")     # dtype, number of dims, dims, bytes
_ERROR = struct.Struct("<QII")        # id, code, bytes of the message
_IN_MEMORY = 1
_MAX_JSON = 1 << 24
_MAX_MESSAGE = 4096


class Refused(Exception):
    """What was asked for cannot be had: the user must act. The message says how."""


class ProtocolError(Exception):
    """The other side sent what the protocol has not."""


@dataclass(frozen=True)
class Opening:
    """What `prepare` asks for, once."""

    label: str
    """Of `--encoder LABEL=...`; for messages."""
    child: int
    """Number of this process, from 0."""
    children: int
    """How many there are on this machine."""
    sizes: tuple[tuple[int, int], ...]
    """(width, height) of all images that will come."""
    dtype: str
    """Stored type of float tensors: fp16, bf16 or fp32. They are sent in it, or as fp32."""
    moments: str
    """mean or mean+logvar."""


class Encoder(ABC):
    """One network, ready to encode. Its methods run one at a time, but for receive()."""

    @abstractmethod
    def describe(self, opening: Opening) -> dict[str, Any]:
        """The hello's members but "protocol". Runs first. May raise Refused."""

    def warm_up(self, opening: Opening) -> None:
        """Does before the hello is sent what would make the first batch slow."""

    def receive(self, rgb: npt.NDArray[np.uint8]) -> Any:
        """Makes what encode() gets of pixels (n, height, width, 3), on the thread that reads while
        another batch is computed: a copy on the device, say. rgb may not be written to."""
        return rgb

    @abstractmethod
    def encode(self, batch: Any) -> list[Array]:
        """The tensors in the hello's order, each (n, ...) of a dtype in DTYPES."""

    def decode(self, values: Array) -> npt.NDArray[np.uint8]:
        """Pictures (n, height, width, 3) of latents or codes as they are stored, (n, ...)."""
        raise NotImplementedError("this encoder does not decode")

    def judge(self, error: Exception) -> int:
        """What a failed batch is to be answered with: OUT_OF_MEMORY where a smaller one may do,
        else CANNOT_ENCODE. Raises `error` where the process is good for nothing any more."""
        return OUT_OF_MEMORY if isinstance(error, MemoryError) else CANNOT_ENCODE

    def free(self) -> None:
        """Gives back what memory can be spared, after OUT_OF_MEMORY."""


class _Request(NamedTuple):
    type: int
    id: int
    n: int
    value: Any            # for encode() or decode()
    error: Exception | None  # of receive()


class _Channel:
    """Standard input and output, taken from everybody else in the process."""

    def __init__(self) -> None:
        self._in = os.dup(0)
        self._out = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)

    def read(self, n: int) -> bytearray:
        data = bytearray(n)
        self.read_into(memoryview(data))
        return data

    def read_into(self, view: memoryview) -> None:
        if self._fill(view) < len(view):
            raise ProtocolError("the input ends within a frame")

    def _fill(self, view: memoryview) -> int:
        done = 0
        while done < len(view):
            n = os.readv(self._in, [view[done:]])
            if n == 0:
                break
            done += n
        return done

    def next_frame(self) -> tuple[int, int] | None:
        """Type and bytes of the payload; None at the end."""
        head = bytearray(_FRAME.size)
        done = self._fill(memoryview(head))
        if done == 0:
            return None
        if done < len(head):
            raise ProtocolError("the input ends within a frame")
        magic, kind, n = _FRAME.unpack(head)
        if magic != _MAGIC:
            raise ProtocolError(f"a frame begins with {bytes(magic)!r}, not {_MAGIC!r}")
        return kind, n

    def send(self, kind: int, *parts: bytes | memoryview) -> None:
        n = sum(len(part) for part in parts)
        for part in (_FRAME.pack(_MAGIC, kind, n), *parts):
            view = memoryview(part)
            while view:
                view = view[os.write(self._out, view):]

    def send_json(self, kind: int, value: dict[str, Any]) -> None:
        self.send(kind, json.dumps(value, ensure_ascii=False, allow_nan=False).encode())

    def send_error(self, request: int, code: int, message: str) -> None:
        text = message.encode(errors="replace")[:_MAX_MESSAGE]
        text = text.decode(errors="ignore").encode()  # not cut within a character
        self.send(ERROR, _ERROR.pack(request, code, len(text)), text)

    def send_tensors(self, request: int, n: int, tensors: list[Array]) -> None:
        tensors = [np.ascontiguousarray(tensor) for tensor in tensors]
        heads = [_describe(tensor, n) for tensor in tensors]
        self.send(TENSORS, _REPLY.pack(request, n, len(tensors)), *heads, *map(_bytes_of, tensors))


def header_array(values: Array, name: str) -> Any:
    """An array of the hello's "encoder", floats as fp32 and integers as u32 (FORMAT.md, section 2). name: in words."""
    if not np.isfinite(values.astype("<f4")).all():
        raise Refused(f"{name}: not finite")
    if values.ndim == 1 and len(values) <= 64:
        return values.tolist()
    kind, dtype = ("fp32", "<f4") if values.dtype.kind == "f" else ("u32", "<u4")
    return {"dims": list(values.shape), kind: base64.b64encode(values.astype(dtype).tobytes()).decode()}


def _bytes_of(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _describe(tensor: Array, n: int) -> bytes:
    code = next((code for code, dtype in DTYPES.items() if dtype == tensor.dtype), None)
    if code is None or not 1 <= tensor.ndim <= 9 or tensor.shape[0] != n:
        raise TypeError(f"the encoder made {tensor.dtype} {tensor.shape} of {n} images")
    dims = tensor.shape[1:]
    return _TENSOR.pack(code, len(dims), *dims, *[0] * (8 - len(dims)), tensor.nbytes)


def _message(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


class _Session:
    def __init__(self, channel: _Channel) -> None:
        self._channel = channel
        # One that waits, beside the one that is read and the one that is computed.
        self._requests: queue.Queue[_Request | Exception | None] = queue.Queue(maxsize=1)
        self._memory_fd: int | None = None
        self._memory: npt.NDArray[np.uint8] | None = None

    def open(self, start: Callable[[], Encoder]) -> Encoder | None:
        """Answers OPEN. None: there is nothing to do any more, it was refused or nobody asks."""
        frame = self._channel.next_frame()
        if frame is None:
            return None
        kind, n = frame
        if kind != OPEN or n > _MAX_JSON:
            raise ProtocolError(f"the first frame is of type {kind} and {n} bytes, not OPEN")
        asked = json.loads(self._channel.read(n))
        try:
            if asked["protocol"] != PROTOCOL:
                raise Refused(f"this encoder speaks protocol {PROTOCOL}, latentmill {asked['protocol']}: "
                              "install the package of the same version")
            encoder = start()
            opening = _opening(asked)
            hello = encoder.describe(opening)
            encoder.warm_up(opening)
        except Refused as error:
            self._channel.send_error(0, REFUSED, _message(error))
            return None
        except Exception as error:  # of loading a model: anything
            traceback.print_exc()
            self._channel.send_error(0, REFUSED, _said(error))
            return None
        self._memory_fd = asked.get("memory")
        memory = {} if self._memory_fd is None else {"memory": True}
        self._channel.send_json(HELLO, {"protocol": PROTOCOL, **hello, **memory})
        return encoder

    def run(self, encoder: Encoder) -> None:
        """Until the input ends."""
        threading.Thread(target=self._read_all, args=(encoder,), name="requests", daemon=True).start()
        while (request := self._requests.get()) is not None:
            if isinstance(request, Exception):
                raise request
            failed = self._answer(encoder, request)
            # Here, where no frame of the failed call holds its tensors any more.
            if failed == OUT_OF_MEMORY:
                encoder.free()

    def _answer(self, encoder: Encoder, request: _Request) -> int:
        """Returns 0, or the code of the error that was sent."""
        try:
            if request.error is not None:
                raise request.error
            if request.type == ENCODE:
                self._channel.send_tensors(request.id, request.n, encoder.encode(request.value))
            else:
                self._send_images(request, encoder.decode(request.value))
            return 0
        except BrokenPipeError:
            raise
        except Exception as error:
            code = encoder.judge(error)
            if code != OUT_OF_MEMORY:
                traceback.print_exc()
            self._channel.send_error(request.id, code, _said(error))
            traceback.clear_frames(error.__traceback__)
            return code

    def _send_images(self, request: _Request, images: npt.NDArray[np.uint8]) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise TypeError(f"the encoder made {images.dtype} {images.shape} of latents")
        n, height, width, _ = images.shape
        head = _REQUEST.pack(request.id, n, width, height, 0)
        self._channel.send(IMAGES, head, _bytes_of(np.ascontiguousarray(images)))

    def _read_all(self, encoder: Encoder) -> None:
        """The thread that reads."""
        try:
            while (frame := self._channel.next_frame()) is not None:
                self._requests.put(self._read(encoder, *frame))
            self._requests.put(None)
        except Exception as error:
            self._requests.put(error)

    def _read(self, encoder: Encoder, kind: int, n_bytes: int) -> _Request:
        if kind not in (ENCODE, DECODE) or n_bytes < _REQUEST.size:
            raise ProtocolError(f"a frame of type {kind} and {n_bytes} bytes is no request")
        request, n, width, height, where = _REQUEST.unpack(self._channel.read(_REQUEST.size))
        n_bytes -= _REQUEST.size
        if kind == DECODE:
            return _Request(kind, request, n, self._read_tensor(n, n_bytes), None)
        rgb = np.empty((n, height, width, 3), np.uint8)
        (self._find_images if where == _IN_MEMORY else self._read_images)(rgb, n_bytes)
        try:
            return _Request(kind, request, n, encoder.receive(rgb), None)
        except Exception as error:  # the batch's, not the thread's
            return _Request(kind, request, n, None, error)

    def _read_images(self, rgb: npt.NDArray[np.uint8], n_bytes: int) -> None:
        if n_bytes != rgb.nbytes:
            raise ProtocolError(f"{rgb.shape} of pixels in {n_bytes} bytes")
        self._channel.read_into(_bytes_of(rgb))

    def _find_images(self, rgb: npt.NDArray[np.uint8], n_bytes: int) -> None:
        if n_bytes != 8 * len(rgb) or self._memory_fd is None:
            raise ProtocolError(f"offsets of {len(rgb)} images in {n_bytes} bytes")
        if self._memory is None:  # it has no size before the hello
            self._memory = np.frombuffer(mmap.mmap(self._memory_fd, 0, prot=mmap.PROT_READ), np.uint8)
        for image, at in zip(rgb, struct.unpack(f"<{len(rgb)}Q", self._channel.read(n_bytes))):
            if at + image.nbytes > len(self._memory):
                raise ProtocolError(f"an image at {at}, behind the memory's end")
            image.reshape(-1)[:] = self._memory[at:at + image.nbytes]

    def _read_tensor(self, n: int, n_bytes: int) -> Array:
        code, n_dims, *dims, size = _TENSOR.unpack(self._channel.read(_TENSOR.size))
        if code not in DTYPES or n_dims > 8:
            raise ProtocolError(f"a tensor of dtype {code} and {n_dims} dims")
        values: Array = np.empty((n, *dims[:n_dims]), DTYPES[code])
        if not values.nbytes == size == n_bytes - _TENSOR.size:
            raise ProtocolError(f"a tensor of {values.nbytes} bytes in {size}")
        self._channel.read_into(_bytes_of(values))
        return values


def _opening(asked: dict[str, Any]) -> Opening:
    return Opening(label=asked["label"], child=asked["child"], children=asked["children"],
                   sizes=tuple((width, height) for width, height in asked["sizes"]),
                   dtype=asked["dtype"], moments=asked["moments"])


def serve(start: Callable[[], Encoder]) -> None:
    """Answers requests until the input ends. start() makes the encoder: it runs once standard
    output is out of the reach of whatever it imports. What it raises is told as a refusal."""
    # Ctrl-C reaches all processes of a terminal. What is to be finished then, prepare decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    session = _Session(_Channel())
    try:
        encoder = session.open(start)
        if encoder is not None:
            session.run(encoder)
    except BrokenPipeError:
        return  # nobody waits for an answer any more
