# SPDX-License-Identifier: Apache-2.0
"""Runs what users would pick instead, and latentmill, alternately, and prints the ratios.

usage: make bench-peers [ROWS=ROW,...] [ALTERNATIONS=N]

The peers' scripts are those in LATENTMILL_SHARED/bench (default ../shared); they run under
PEERS_PYTHON, or in a virtual environment that is made below BUILD (7 GB). Everybody has two
threads, and one in the rows of decode. A figure is the median of its alternations; the peer of
a row is the fastest one of its kind. Where the CPU has no bf16 instructions, peers in bf16, which
would take hours, are left out, and their rows say so. Figures of all alternations go to
BUILD/peers/figures.json.

Rows: sd-256, sd-512 (encoders of Stable Diffusion's size), taesd, decode, prepare-taesd, prepare-sd.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

THREADS = 2
BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
SHARED = pathlib.Path(os.environ.get("LATENTMILL_SHARED", "../shared")).resolve()
WORK = BUILD / "peers"
TAESD = SHARED / "data/weights/taesd_encoder.safetensors"
MISTRAL = SHARED / "data/spm/mistral-v1.model"


def pairs(name):
    return str(SHARED / "data/pairs" / f"{name}.tar")


def python():
    """The peers' interpreter; makes its environment where none is given."""
    given = os.environ.get("PEERS_PYTHON")
    if given:
        return given
    venv = WORK / "venv"
    wanted = SHARED / "bench/requirements.txt"
    done = venv / "complete"
    if not done.exists() or done.read_bytes() != wanted.read_bytes():
        print(f"making {venv} for the peers", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        # pip's resolver does not come to an end with this list; uv's does.
        subprocess.run([venv / "bin/pip", "install", "-q", "uv"], check=True)
        subprocess.run([venv / "bin/uv", "pip", "install", "-q", "--python",
                        venv / "bin/python", "-r", wanted], check=True)
        shutil.copy(wanted, done)
    return str(venv / "bin/python")


def run_peer(script, *args, **env):
    """What a script in shared/bench prints."""
    command = [PYTHON, str(SHARED / "bench" / script), *map(str, args)]
    environment = dict(os.environ, TMPDIR=str(WORK), **env)
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{script} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def run_bench(*args):
    """The JSON object of `latentmill bench`."""
    command = [str(BUILD / "latentmill"), "bench", "--json", "--workers", str(THREADS),
               *map(str, args)]
    environment = dict(os.environ, TMPDIR=str(WORK))
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed")
    return json.loads(done.stdout)


def rates(pattern, text, invert=False):
    """{peer's name: images per second} of the lines that match."""
    found = re.findall(pattern, text, re.MULTILINE)
    if not found:
        sys.exit(f"no figure in the peers' output:\n{text}")
    return {name: 1 / float(x) if invert else float(x) for name, x in found}


class Row:
    """One work: measure() gives {name: images per second}, latentmill's under its own
    names; `asked` lists (title, latentmill's name, test of a peer's name, ratio asked)."""

    def __init__(self, name, alternations, measure, asked):
        self.name = name
        self.alternations = alternations
        self.measure = measure
        self.asked = asked


def is_bf16(name):
    return "bf16" in name


def is_fp32(name):
    return "bf16" not in name


def has_bf16(cpuinfo=None):
    """Whether this CPU computes in bf16; elsewhere that is emulated, at minutes an image."""
    if cpuinfo is None:
        cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(cpuinfo.split())


def fastest(peers):
    """The names of the fastest peer of each precision that is there."""
    kinds = ([name for name in peers if kind(name)] for kind in (is_fp32, is_bf16))
    return [max(names, key=peers.get) for names in kinds if names]


def sd_encoder(size, batch):
    """The first alternation runs all peers, the others the fastest of each precision."""
    names = []

    def measure():
        only = ["--only", ",".join(names)] if names else []
        text = run_peer("vae_peers.py", "--batch", batch, "--reps", 3, "--size", size,
                        "--threads", THREADS, *only)
        peers = rates(r"^(\S+)\s+([\d.]+) s/img", text, invert=True)
        if not names:
            names.extend(fastest(peers))
        ours = run_bench("--vae", "random-sd", "--size", size, "--repeats", 3, "encoder")
        return {"latentmill": ours["encoder"]["images_per_second"], **peers}

    return measure


def taesd_encoder():
    peers = rates(r"^taesd (.+?)\s+([\d.]+) img/s", run_peer("taesd_peers.py"))
    ours = run_bench("--vae", TAESD, "encoder")
    return {"latentmill": ours["encoder"]["images_per_second"], **peers}


def decode(tar, *scaled):
    def measure():
        text = run_peer("decode_peers.py", pairs(tar))
        figures = rates(r"^  (\S+)\s+([\d.]+) img/s/core", text)
        for name, options in [("latentmill", []), ("latentmill scaled", scaled)]:
            if options or name == "latentmill":
                ours = run_bench("--icc", "ignore", *options, "images", pairs(tar))
                figures[name] = ours["images"]["inputs"][0]["images_per_second"]
        return figures

    return measure


def prepare(kind, vae, limit):
    def measure():
        figures = {}
        for dtype in ("fp32", "bf16") if has_bf16() else ("fp32",):
            text = run_peer("e2e_peer.py", WORK / "mds", kind, pairs("flickr-000"),
                            DTYPE=dtype, LIMIT=str(limit))
            figures[f"e2e_peer {dtype}"] = float(re.search(r"([\d.]+) img/s$", text.strip())[1])
        ours = run_bench("--vae", vae, "--tokenizer", MISTRAL, "--limit", limit, "prepare",
                         pairs("flickr-000"))
        # With opening the models, which the peer's clock leaves out.
        return {"latentmill": ours["prepare"]["images_per_second"], **figures}

    return measure


def any_peer(name):
    return True


def pillow(name):
    return name == "pillow-bicubic"


def all_rows():
    fastest = ("the fastest of any filter", "latentmill", any_peer, 1.05)
    return [
        Row("sd-256", 10, sd_encoder(256, 4),
            [("fastest fp32", "latentmill", is_fp32, 2.5),
             ("fastest bf16", "latentmill", is_bf16, 1.4)]),
        Row("sd-512", 3, sd_encoder(512, 1),
            [("fastest fp32", "latentmill", is_fp32, 2.5)]),
        Row("taesd", 10, taesd_encoder, [("fastest fp32", "latentmill", is_fp32, 2)]),
        Row("decode flickr", 10, decode("flickr-000"),
            [("pillow-bicubic", "latentmill", pillow, 1.7), fastest]),
        Row("decode coco", 10, decode("coco-000"),
            [("pillow-bicubic", "latentmill", pillow, 1.7), fastest]),
        Row("decode large", 10, decode("large-000", "--jpeg-scale", 1),
            [("pillow-bicubic", "latentmill", pillow, 2.5),
             ("the fastest of any filter", "latentmill scaled", any_peer, 1.05)]),
        Row("prepare-taesd", 5, prepare("taesd", TAESD, 100),
            [("e2e_peer fp32", "latentmill", is_fp32, 2.8),
             ("e2e_peer bf16", "latentmill", is_bf16, 1)]),
        Row("prepare-sd", 3, prepare("kl", "random-sd", 24),
            [("e2e_peer fp32", "latentmill", is_fp32, 3),
             ("e2e_peer bf16", "latentmill", is_bf16, 1)]),
    ]


def medians(figures):
    """Of those measured in every alternation."""
    names = set.intersection(*map(set, figures))
    return {name: statistics.median(f[name] for f in figures) for name in names}


def print_row(row, figures):
    middle = medians(figures)
    for title, ours, kind, asked in row.asked:
        peers = [n for n in middle if not n.startswith("latentmill") and kind(n)]
        if not peers:
            lacking = kind is is_bf16 and not has_bf16()
            print(f"{row.name:14} {title:26} none was measured"
                  + (": this CPU has no bf16 instructions" if lacking else ""), flush=True)
            continue
        best = max(peers, key=middle.get)
        print(f"{row.name:14} {title:26} {best:26} {middle[best]:9.3f} {middle[ours]:10.3f} "
              f"{middle[ours] / middle[best]:6.2f} {asked:6.2f}", flush=True)


def cpu_model():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def choose(rows, beginnings):
    """The rows whose names begin with one of those; all where none is given."""
    for beginning in beginnings:
        if not any(r.name.startswith(beginning) for r in rows):
            sys.exit(f"--rows {beginning}: no row's name begins so; the rows are "
                     + ", ".join(r.name for r in rows))
    return [r for r in rows if not beginnings or r.name.startswith(tuple(beginnings))]


def main():
    global PYTHON
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="",
                        help="only these, by the beginning of their names")
    parser.add_argument("--alternations", type=int, default=0,
                        help="of every row, instead of its own number")
    options = parser.parse_args()
    chosen = choose(all_rows(), [name for name in options.rows.split(",") if name])
    WORK.mkdir(parents=True, exist_ok=True)
    PYTHON = python()
    print(f"{cpu_model()}, {THREADS} threads (decode: 1), images per second, medians\n\n"
          f"{'row':14} {'against':26} {'peer':26} {'peer':>9} {'latentmill':>10} "
          f"{'ratio':>6} {'asked':>6}", flush=True)
    kept = {}
    for row in chosen:
        n = options.alternations or row.alternations
        figures = [row.measure() for _ in range(n)]
        kept[row.name] = figures
        (WORK / "figures.json").write_text(json.dumps(kept, indent=1) + "\n")
        print_row(row, figures)


if __name__ == "__main__":
    if not (SHARED / "bench").is_dir():
        sys.exit(f"{SHARED}/bench is not there (LATENTMILL_SHARED)")
    main()
