# SPDX-License-Identifier: Apache-2.0
"""An encoder in a process of its own that fails as it is told, for test_child_encoders.py.

Each value of an image's latent, (1, height / 8, width / 8), is the red of its first pixel,
and so are codes and features (`kind`), which come as u16 and fp16.
Arguments are WHAT or WHAT=NUMBER: `at` an image of that red, or `once`, at its second
request and never again (the folder STATE remembers), or the processes that are `sick`: all
but the grey image kill them.
"""
import json
import mmap
import os
import struct
import subprocess
import sys
import time

ARGS = dict(arg.partition("=")[::2] for arg in sys.argv[1:])
KIND = ARGS.get("kind", "latent")
DIMS = {"codes": [[2, 2]], "features": [[2, 3], [3]]}
FRAMES = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)


def read(n):
    data = sys.stdin.buffer.read(n)
    if len(data) < n:
        sys.exit(0)
    return data


def read_frame():
    magic, kind, n = struct.unpack("<4sIQ", read(16))
    assert magic == b"LME1"
    return kind, read(n)


def write_frame(kind, payload):
    FRAMES.write(struct.pack("<4sIQ", b"LME1", kind, len(payload)) + payload)
    FRAMES.flush()


def error(ident, code, words):
    words = words.encode()
    write_frame(5, struct.pack("<QII", ident, code, len(words)) + words)


def note(name, text=""):
    with open(os.path.join(ARGS["STATE"], name), "a", encoding="utf-8") as f:
        f.write(text)


def first_time(name):
    """Whether this never happened, in any process."""
    try:
        os.close(os.open(os.path.join(ARGS["STATE"], "once-" + name),
                         os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False


def hello(said):
    if "flood" in ARGS:
        for i in range(20000):
            print(f"loading {i}", file=sys.stderr)
        print("no weights", file=sys.stderr, flush=True)
        sys.exit(4)
    time.sleep(float(ARGS.get("load", 0)))
    if "refuse" in ARGS:
        error(0, 3, "config.json has no scaling_factor: write it there")
        sys.exit(1)
    if "silent" in ARGS:
        time.sleep(1000)
    note("starts", f"{os.getpid()}\n")
    with open(os.path.join(ARGS["STATE"], "starts"), encoding="utf-8") as f:
        n_starts = len(f.readlines())
    (w, h), = said["sizes"]
    numerics = "another" if "other_hello" in ARGS and n_starts > 1 else "scripted-1"
    encoder = {"kind": "latent", "of": "image", "family": "Scripted", "numerics": numerics,
               "reproducible": True, "channels": 1, "f": 8, "scale": [1.0], "shift": [0.0]}
    if "multiple" in ARGS:
        encoder["input"] = {"multiple": int(ARGS["multiple"])}
    if KIND == "codes":
        encoder = {**encoder, "kind": "codes", "codebook": 40}
    if KIND == "features":
        encoder = {**encoder, "kind": "features", "outputs": ["all", "pooled"],
                   "reproducible": False,
                   "features": [{"what": "patches", "dims": [2, 3], "mean": None, "std": None},
                                {"what": "pooled", "dims": [3], "mean": None, "std": None}]}
    tensors = [{"output": i, "logvar": False, "dims": [dims]}
               for i, dims in enumerate(DIMS.get(KIND) or [[1, h // 8, w // 8]])]
    answer = {"protocol": int(ARGS.get("protocol", 1)), "encoder": encoder, "tensors": tensors,
              "batch": int(ARGS.get("batch", 4)), "wait_ms": int(ARGS.get("wait_ms", 20))}
    if "mapped" in ARGS:
        assert said["memory"] == 3
        answer["memory"] = True
    change = json.loads(ARGS.get("change", "{}"))
    encoder.update(change.get("encoder", {}))
    tensors[0].update(change.get("tensors", {}))
    if "twice" in change:
        tensors.append(tensors[0])
    if "hello" in ARGS:
        with open(ARGS["hello"], encoding="utf-8") as f:
            answer.update(json.load(f))
    if "without" in ARGS:
        del answer[ARGS["without"]]
    if "bad_hello" in ARGS:
        del encoder["channels"]
    for line in ("first line\nsecond ", "line\n"):
        sys.stderr.write(line)
        sys.stderr.flush()
    write_frame(2, json.dumps([answer] if "array" in ARGS else answer).encode())


def die(signal=False):
    print("about to die", file=sys.stderr, flush=True)
    if signal:
        os.abort()
    os._exit(3)


def answer_other(ident, reds):
    """Codes in u16, features in fp16."""
    code, form = (1, "<H") if KIND == "codes" else (4, "<e")
    heads, data = b"", b""
    for dims in DIMS[KIND]:
        cells = dims[0] * (dims[1] if len(dims) > 1 else 1)
        made = b"".join(struct.pack(form, red) * cells for red in reds)
        heads += struct.pack("<II8IQ", code, len(dims), *dims, *[0] * (8 - len(dims)), len(made))
        data += made
    write_frame(4, struct.pack("<QII", ident, len(reds), len(DIMS[KIND])) + heads + data)


def answer(ident, reds, dims, n_requests):
    second = n_requests == 2
    if "die" in ARGS and second and first_time("die"):
        die()
    if "leave" in ARGS and second and first_time("leave"):
        note("left", str(subprocess.Popen(["sleep", "1000"], stdout=FRAMES).pid))
        die()
    if "chat" in ARGS and second and first_time("chat"):
        print(400 * (500 * "y" + "\n"), file=sys.stderr, flush=True)
    if "odd_words" in ARGS and second:
        print("10 %\r20 %\rnul \0 and\033[2J\r", file=sys.stderr, flush=True)
    if "hang" in ARGS and second and first_time("hang"):
        time.sleep(1000)
    if "print" in ARGS and second and first_time("print"):
        FRAMES.write(b"loading weights: 100 %\n")
        FRAMES.flush()
        time.sleep(1000)
    if "close" in ARGS and second and first_time("close"):
        FRAMES.close()
        time.sleep(1000)
    if "memory_first" in ARGS and first_time("memory_first"):
        return error(ident, 1, "CUDA out of memory")
    if int(ARGS.get("abort_at", -1)) in reds:
        die(signal=True)
    if int(ARGS.get("die_at", -1)) in reds or int(ARGS.get("die_too_at", -1)) in reds:
        die()
    if set(ARGS.get("die_of", "").split(",")) & set(map(str, reds)):
        die()
    if "die_always" in ARGS or ARGS.get("i") in ARGS.get("sick", "").split(",") and \
            reds != [128]:
        die()
    for red in {17, 128} & set(reds):
        if any(first_time(f"{red}-{i}") for i in range(int(ARGS.get(f"times_at_{red}", 0)))):
            die()
    if int(ARGS.get("broken_after", 1 << 30)) < n_requests or "broken" in ARGS and \
            os.path.exists(os.path.join(ARGS["STATE"], "broken")):
        note("broken")
        die()
    if int(ARGS.get("cannot_at", -1)) in reds or "cannot_always" in ARGS or \
            "cannot_but" in ARGS and int(ARGS["cannot_but"]) not in reds:
        return error(ident, 2, "I do not like it")
    if len(reds) > int(ARGS.get("memory_for", 1 << 30)):
        return error(ident, 1, "CUDA out of memory")
    n, code, values = len(reds), 6, [float(red) for red in reds]
    if KIND != "latent":
        return answer_other(ident, reds)
    if "count" in ARGS and second and first_time("count"):
        n, values = n - 1, values[1:]
    if "shape" in ARGS and second and first_time("shape"):
        dims = [1, dims[1] * 2, dims[2]]
    if "id" in ARGS and second and first_time("id"):
        ident += 1
    if int(ARGS.get("nan_at", -1)) in reds:
        values[reds.index(int(ARGS["nan_at"]))] = float("nan")
    cells = dims[0] * dims[1] * dims[2]
    data = b"".join(struct.pack("<f", v) * cells for v in values)
    if "dtype" in ARGS and second and first_time("dtype"):
        code, data = 3, data
    return write_frame(4, struct.pack("<QII", ident, n, 1) +
                       struct.pack("<II8IQ", code, 3, *dims, 0, 0, 0, 0, 0, len(data)) + data)


def reds_in_memory(offsets, size):
    """Each image is of one grey. Nobody but prepare can write to it."""
    for spoil in (lambda: mmap.mmap(3, 0), lambda: os.pwrite(3, b"x", 0), lambda: os.ftruncate(3, 1),
                  lambda: os.open("/proc/self/fd/3", os.O_RDWR | os.O_TRUNC)):
        try:
            spoil()
            note("spoiled")
        except OSError:
            pass
    with mmap.mmap(3, 0, prot=mmap.PROT_READ) as memory:
        images = [set(memory[at:at + size]) for at in offsets]
    assert all(len(image) == 1 for image in images)
    return [image.pop() for image in images]


def main():
    hello(json.loads(read_frame()[1]))
    n_requests = 0
    if "early" in ARGS and first_time("early"):
        _, ident, n, w, h, _ = struct.unpack("<16sQIIII", read(40))
        answer(ident, [0] * n, [1, h // 8, w // 8], 1)
        time.sleep(1000)
    ahead = []
    while True:
        if not ahead:
            two = "ahead" in ARGS or "ahead_once" in ARGS and first_time("ahead")
            ahead = [read_frame() for _ in range(2 if two else 1)]
        _, payload = ahead.pop(0)
        ident, n, w, h, where = struct.unpack_from("<QIIII", payload)
        n_requests += 1
        if where == 1:
            reds = reds_in_memory(struct.unpack_from(f"<{n}Q", payload, 24), w * h * 3)
        else:
            reds = [payload[24 + i * w * h * 3] for i in range(n)]
        note("requests", f"{ARGS.get('i', 0)} {n} {where}\n")
        time.sleep(float(ARGS.get("slow", 0)))
        answer(ident, reds, [1, h // 8, w // 8], n_requests)


main()
