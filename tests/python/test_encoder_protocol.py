# SPDX-License-Identifier: Apache-2.0
"""latentmill.encoders.protocol: requests in order with the next one read ahead, every dtype, errors
of all codes, pictures; and nothing that a library prints gets among the replies."""
import os
import pathlib
import subprocess
import sys
import tempfile

import package
import numpy as np

import encoder_child
from encoder_child import Child, EncoderError

ENCODER = '''
import os, sys, time
sys.path.insert(0, sys.argv[1])
import numpy as np
from latentmill.encoders.protocol import BF16, Encoder, Refused, serve

class Test(Encoder):
    def __init__(self):
        print("a library says hello", flush=True)
        os.system("echo so does a program; cat")
        self.received = 0

    def describe(self, opening):
        print(opening)
        if opening.moments != "mean":
            raise Refused("no posterior: --moments mean")
        if opening.dtype == "bf16":
            raise OSError("weights are gone")
        return {"encoder": {"family": opening.label}, "tensors": [], "batch": 2, "decode": True,
                "sizes": opening.sizes}

    def receive(self, rgb):
        self.received += 1
        if rgb[0, 0, 0, 0] == 251:
            raise MemoryError("no room for the copy")
        return rgb

    def encode(self, rgb):
        print("encoding")
        first = int(rgb[0, 0, 0, 0])
        if first == 255:
            raise MemoryError("too much")
        if first == 254:
            raise ValueError("this one is odd: \\u00e9" + 5000 * "\\u00e9")
        if first == 253:
            os._exit(9)
        if first == 252:  # the next one is read meanwhile
            end = time.monotonic() + 20
            while self.received < 2 and time.monotonic() < end:
                time.sleep(0.001)
            assert self.received == 2
        if first == 250:
            return [rgb.astype(np.float64)]
        mean = rgb.mean(axis=(1, 2), dtype=np.float32)
        return [mean, mean.astype(np.float16), (mean.view("<u4") >> 16).astype("<u2").view(BF16),
                rgb[..., 0].astype("<u2"), rgb[..., 0].astype("<u4"), -rgb[..., 0].astype("<i4"),
                rgb.sum(axis=(1, 2, 3), dtype="<u4")]

    def free(self):
        print("memory was freed")

    def decode(self, values):
        return np.broadcast_to(values[..., None].view("<u2") if values.dtype == BF16 else values[..., None],
                               (*values.shape, 3)).astype(np.uint8)

serve(Test)
'''


def batch(n, first=7, height=3, width=4):
    rgb = np.random.default_rng(n).integers(0, 250, (n, height, width, 3), np.uint8)
    rgb[0, 0, 0, 0] = first
    return rgb


def check(tensors, rgb):
    mean = rgb.mean(axis=(1, 2), dtype=np.float32)
    f32, f16, bf16, u16, u32, i32, sums = tensors
    assert np.array_equal(f32, mean) and np.array_equal(f16, mean.astype(np.float16))
    assert np.array_equal(bf16.view("<u4"), mean.view("<u4") & 0xFFFF0000)
    assert np.array_equal(u16, rgb[..., 0]) and np.array_equal(u32, rgb[..., 0])
    assert np.array_equal(i32, -rgb[..., 0].astype(int))
    assert sums.shape == (len(rgb),) and np.array_equal(sums, rgb.sum(axis=(1, 2, 3)))


def error_of(call, *arguments):
    try:
        call(*arguments)
    except EncoderError as error:
        return error
    raise AssertionError("no error")


def in_order(command):
    with Child(command, label="flux", sizes=[[4, 3], [8, 3]]) as child:
        assert child.hello == {"protocol": 1, "encoder": {"family": "flux"}, "tensors": [],
                               "batch": 2, "decode": True, "sizes": [[4, 3], [8, 3]]}
        a, b, c = batch(2, 252), batch(3), batch(1, width=8)
        requests = [child.ask(a), child.ask(b)]
        check(child.answer(requests[0]), a)
        requests.append(child.ask(c))
        check(child.answer(requests[1]), b)
        check(child.answer(requests[2]), c)
        large = batch(8, height=256, width=256)
        check(child.encode(large, 3), large)


def in_memory(command, log):
    """Its size is known when the first batch comes; images may come either way."""
    memory = os.memfd_create("pixels")
    with Child(command, memory=memory) as child:
        assert child.hello["memory"] is True
        rgb = batch(4)
        os.pwrite(memory, b"".join(bytes(5) + image.tobytes() for image in rgb), 0)
        size = 5 + rgb[0].nbytes
        check(child.answer(child.ask_for([5 + i * size for i in (2, 0)], 3, 4)), rgb[[2, 0]])
        check(child.encode(batch(3)), batch(3))
        check(child.answer(child.ask_for([3 * size + 5], 3, 4)), rgb[3:])
    for offsets, memories in (([6 + 3 * size], {"memory": memory}), ([5], {})):
        child = Child(command, stderr=log, **memories)
        child.ask_for(offsets, 3, 4)
        assert child.close() == 1
    os.close(memory)


def failures(command, log):
    with Child(command, stderr=log) as child:
        bad, good = child.ask(batch(2, 255)), child.ask(batch(1))
        error = error_of(child.answer, bad)
        assert (error.request, error.code, str(error)) == (bad, 1, "MemoryError: too much")
        check(child.answer(good), batch(1))
        error = error_of(child.answer, child.ask(batch(2, 251)))
        assert (error.code, str(error)) == (1, "MemoryError: no room for the copy")
        error = error_of(child.answer, child.ask(batch(1, 254)))
        assert error.code == 2 and str(error).startswith("ValueError: this one is odd: é")
        assert 4090 < len(str(error).encode()) <= 4096
        error = error_of(child.answer, child.ask(batch(1, 250)))
        assert error.code == 2 and "float64" in str(error)
        check(child.encode(batch(3)), batch(3))
    for opening, what in (({"moments": "mean+logvar"}, "no posterior: --moments mean"),
                          ({"dtype": "bf16"}, "OSError: weights are gone"),
                          ({"protocol": 2}, "protocol 1, latentmill 2")):
        error = error_of(lambda: Child(command, stderr=log, **opening))  # pylint: disable=cell-var-from-loop
        assert (error.request, error.code) == (0, 3) and what in str(error), error


def endings(command, log):
    child = Child(command, stderr=log)
    child.ask(batch(1, 253))
    try:
        child.frame()
        raise AssertionError("it answers")
    except EOFError:
        assert child.close() == 9
    assert subprocess.run(command, stdin=subprocess.DEVNULL, stderr=log, check=False).returncode == 0
    for garbage in (b"LME2" + bytes(12), b"LME1" + bytes(3), encoder_child.struct.pack("<4sIQ", b"LME1", 9, 24),
                    encoder_child.struct.pack("<4sIQQIIII", b"LME1", 3, 24, 1, 1, 4, 3, 0)):
        child = Child(command, stderr=log)
        os.write(child.process.stdin.fileno(), garbage)
        assert child.close() == 1


def pictures(command):
    values = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    with Child(command) as child:
        for code in (1, 5):
            assert np.array_equal(child.decode(values, 4, 3, code)[..., 2], values)


with tempfile.TemporaryDirectory() as folder:
    script = pathlib.Path(folder, "encoder.py")
    script.write_text(ENCODER)
    command = [sys.executable, str(script), os.path.abspath(f"{package.BUILD}/python")]
    log_path = pathlib.Path(folder, "log")
    with log_path.open("w") as log:
        in_order(command)
        in_memory(command, log)
        failures(command, log)
        endings(command, log)
        pictures(command)
    said = log_path.read_text()
    for words in ("a library says hello", "so does a program", "Opening(", "memory was freed", "ValueError: this one",
                  "b'LME2'", "the input ends within a frame", "type 9",
                  "behind the memory's end", "offsets of 1 images"):
        assert words in said, (words, said[-2000:])
