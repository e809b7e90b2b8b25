# SPDX-License-Identifier: Apache-2.0
"""The other side of latentmill.encoders.protocol, for tests: Child(command) is an encoder in a
process of its own, to which requests are sent ahead of their replies. Written from the protocol's
tables, without the package."""
import json
import os
import struct
import subprocess

import numpy as np

DTYPES = {1: "<u2", 2: "<u4", 3: "<i4", 4: "<f2", 5: "bf16", 6: "<f4"}
OPEN, HELLO, ENCODE, TENSORS, ERROR, DECODE, IMAGES = range(1, 8)
OPENING = {"protocol": 1, "latentmill": "0.1.0", "label": "test", "child": 0, "children": 1,
           "sizes": [[32, 32]], "dtype": "fp32", "moments": "mean"}


class EncoderError(Exception):
    def __init__(self, request, code, message):
        super().__init__(message)
        self.request, self.code = request, code


def float_of(dtype, data):
    """Values of a tensor's bytes; bf16 as float32."""
    if dtype == "bf16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    return np.frombuffer(data, dtype)


class Child:
    """`hello` is its answer to OPENING, changed by `opening`; an error raises EncoderError.
    `memory` is a descriptor that it is offered."""

    def __init__(self, command, stderr=None, **opening):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=stderr, bufsize=0,
                                        pass_fds=[opening["memory"]] if "memory" in opening else ())
        self._ids = 0
        try:
            self.send(OPEN, json.dumps({**OPENING, **opening}).encode())
            kind, payload = self.frame()
            assert kind == HELLO, kind
            self.hello = json.loads(payload)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.close() != 0 and kind is None:
            raise AssertionError(f"the child ended with {self.process.returncode}")

    def close(self):
        """Ends its input; its exit status."""
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        return self.process.wait(60)

    def send(self, kind, *parts):
        n = sum(len(part) for part in parts)
        for part in (struct.pack("<4sIQ", b"LME1", kind, n), *parts):
            view = memoryview(part)
            while len(view) > 0:
                view = view[os.write(self.process.stdin.fileno(), view):]

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.process.stdout.read(n - len(data))
            if not more:
                raise EOFError("the child sends no more")
            data += more
        return data

    def frame(self):
        magic, kind, n = struct.unpack("<4sIQ", self.read(16))
        assert magic == b"LME1", magic
        payload = self.read(n)
        if kind == ERROR:
            request, code, length = struct.unpack_from("<QII", payload)
            assert len(payload) == 16 + length
            raise EncoderError(request, code, payload[16:].decode())
        return kind, payload

    def ask(self, rgb):
        """Sends a batch (n, height, width, 3); its number."""
        n, height, width, _ = rgb.shape
        self._ids += 1
        self.send(ENCODE, struct.pack("<QIIII", self._ids, n, width, height, 0), rgb.tobytes())
        return self._ids

    def ask_for(self, offsets, height, width):
        """The same of images in the memory."""
        self._ids += 1
        self.send(ENCODE, struct.pack("<QIIII", self._ids, len(offsets), width, height, 1),
                  struct.pack(f"<{len(offsets)}Q", *offsets))
        return self._ids

    def answer(self, request):
        """The tensors of the reply that comes next: bf16 as float32."""
        kind, payload = self.frame()
        assert kind == TENSORS, kind
        found, n, n_tensors = struct.unpack_from("<QII", payload)
        assert found == request, (found, request)
        at, tensors = 16 + 48 * n_tensors, []
        for i in range(n_tensors):
            code, n_dims, *dims, size = struct.unpack_from("<II8IQ", payload, 16 + 48 * i)
            assert not any(dims[n_dims:])
            tensors.append(float_of(DTYPES[code], payload[at:at + size]).reshape(n, *dims[:n_dims]))
            at += size
        assert at == len(payload)
        return tensors

    def encode(self, rgb, n=None):
        """All of rgb in batches of n, two under way: arrays (len(rgb), ...)."""
        n = n or len(rgb)
        batches = [rgb[i:i + n] for i in range(0, len(rgb), n)]
        asked, made = [self.ask(batch) for batch in batches[:2]], []
        for i in range(len(batches)):
            made.append(self.answer(asked[i]))
            asked += [self.ask(batch) for batch in batches[i + 2:i + 3]]
        return [np.concatenate(parts) for parts in zip(*made)]

    def decode(self, values, width, height, code=6):
        self._ids += 1
        head = struct.pack("<QIIII", self._ids, len(values), width, height, 0)
        dims = values.shape[1:]
        tensor = struct.pack("<II8IQ", code, len(dims), *dims, *[0] * (8 - len(dims)), values.nbytes)
        self.send(DECODE, head, tensor, values.tobytes())
        kind, payload = self.frame()
        assert kind == IMAGES, kind
        found, n, width, height, _ = struct.unpack_from("<QIIII", payload)
        assert found == self._ids
        return np.frombuffer(payload, np.uint8, offset=24).reshape(n, height, width, 3)
