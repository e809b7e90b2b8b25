# SPDX-License-Identifier: Apache-2.0
"""Several encoders and geometries in one run: each one's tensors are those of a run with it alone, pixels are
the fitted image, and the package and exports know them all."""
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import dataset_shards
from package import PRELOADED  # noqa: F401

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

import decoding  # noqa: E402
from latentmill import Dataset, Plan, ShardReader  # noqa: E402

LIMIT = 6
COMMON = ("--limit", LIMIT, "--jpeg-scale", 1)
# label: scheme and rest, and its options alone
ENCODERS = {
    "small": ("vae:builtin", ("--size", 64)),
    "large": ("vae:builtin", ("--size", 128, "--resize", "area", "--moments", "mean+logvar", "--latent", "fp32")),
    "png": ("pixels:png", ("--size", 64)),
    "jpeg": ("pixels:jpeg:95", ("--size", 128)),
    "webp": ("pixels:webp:lossless", ("--size", 40, "--resize", "lanczos")),
}
TOGETHER = [word for label, (encoder, _) in ENCODERS.items() for word in ("--encoder", f"{label}={encoder}")]
TOGETHER += ["--size", 64]  # and what differs from it
for name, (_, alone) in ENCODERS.items():
    for option, value in zip(alone[::2], alone[1::2]):
        if (option, value) != ("--size", 64):
            TOGETHER += [option, f"{name}={value}"]


def prepare(out, *arguments):
    return dataset_shards.prepare(out, *arguments, *COMMON, dataset_shards.SAMPLE_SET[0]) / "scenes-000.lms"


def tensors(shard, label):
    """Of each record: what the tensors of one encoder are, and where their pixels come from."""
    out = []
    for record in ShardReader(shard):
        image, = record.images
        mine = [t for t in image.tensors if t.encoder == label]
        out.append((record.key, [(t.kind, t.dtype, t.shape, t.logvar, t.checksum, t.array.tobytes()) for t in mine],
                    {tuple(image.renditions[t.owner]) for t in mine}))
    return out


def check_alone(folder, together):
    header = {e["name"]: e for e in ShardReader(together).header["encoders"]}
    assert list(header) == list(ENCODERS)
    configuration = json.loads((together.parent / "dataset.json").read_text())["encode"]["encoders"]
    for label, (encoder, options) in ENCODERS.items():
        alone = prepare(folder / label, "--encoder", f"{label}={encoder}", *options)
        assert tensors(alone, label) == tensors(together, label), label
        assert ShardReader(alone).header["encoders"] == [header[label]], label
        said = json.loads((alone.parent / "dataset.json").read_text())["encode"]["encoders"]
        assert said == {label: configuration[label]}, label


def check_bytes(folder, together):
    for workers, batch in ((1, 1), (3, 5)):
        again = prepare(folder / f"again{workers}", *TOGETHER, "--workers", workers, "--batch", batch)
        assert again.read_bytes() == together.read_bytes(), (workers, batch)


def check_renditions(together):
    """One a geometry, whatever the filter."""
    for record in ShardReader(together):
        image, = record.images
        assert [r.target_size for r in image.renditions] == [(40, 40), (64, 64), (128, 128)]
        assert {t.encoder: image.renditions[t.owner].target_size[0] for t in image.tensors} == \
            {"small": 64, "large": 128, "png": 64, "jpeg": 128, "webp": 40}


def check_pixels(together):
    with tarfile.open(dataset_shards.SAMPLE_SET[0]) as tar:
        images = {m.name.split(".")[0]: tar.extractfile(m).read() for m in tar
                  if m.name.endswith((".jpg", ".jpeg", ".png", ".webp"))}
    for label, suffix, size, name, most in (("png", "PNG", 64, "bicubic", 0), ("webp", "WEBP", 40, "lanczos", 0),
                                            ("jpeg", "JPEG", 128, "bicubic", 24)):
        for record in ShardReader(together):
            tensor, = (t for t in record.images[0].tensors if t.encoder == label)
            picture = Image.open(io.BytesIO(tensor.array.tobytes()))
            assert (picture.format, picture.mode, picture.size) == (suffix, "RGB", (size, size))
            assert (tensor.kind, tensor.dtype, tensor.shape) == ("pixels", "file", (size, size, 3))
            fitted, = decoding.decode([images[record.key]], name, (size, size), "srgb", more=("1",))
            difference = np.abs(np.asarray(picture).astype(int) - fitted.rgb).max()
            assert difference <= most, (label, record.key, difference)


def check_sequences(together):
    """By default an image is the header's first latent; a plan takes what it names, pixels too."""
    batch = next(iter(Dataset(together.parent, batch_size=1)))
    assert {tuple(span) for span in batch["spans"][:, 3:5].tolist()} == {(4, 4)}
    seen = [{"encoder": "large"}, {"encoder": "small"}, {"encoder": "png", "window": 16}]
    plan = Plan(json.dumps({"rules": [{"part": "text", "see": [{}]}, {"part": "image", "see": seen}]}))
    record = ShardReader(together)[0]
    plain, planned = record.sequence(), record.sequence(plan)
    markers = 2
    assert len(planned.tokens) == len(plain.tokens) + 8 * 8 + markers + 4 * 4 + markers


def check_exports(folder, together):
    program = dataset_shards.BUILD / "latentmill"
    subprocess.run([program, "export", "--format", "webdataset", "--out", folder / "wds", together.parent],
                   check=True, capture_output=True)
    record = ShardReader(together)[0]
    with tarfile.open(folder / "wds/scenes-000.tar") as tar:
        for label, suffix in (("png", "png"), ("jpeg", "jpg"), ("webp", "webp")):
            tensor, = (t for t in record.images[0].tensors if t.encoder == label)
            assert tar.extractfile(f"{record.key}.0.{label}.{suffix}").read() == tensor.array.tobytes()
        large = np.load(io.BytesIO(tar.extractfile(f"{record.key}.0.large.logvar.npy").read()))
        assert large.shape == (8, 16, 16) and large.dtype == np.float32
    subprocess.run([program, "export", "--format", "mds", "--out", folder / "mds", together.parent],
                   check=True, capture_output=True)
    columns = json.loads((folder / "mds/index.json").read_text())["shards"][0]["column_names"]
    assert {"0.small", "0.large", "0.large.logvar", "0.png", "0.jpeg", "0.webp"} <= set(columns), columns
    subprocess.run([program, "index", together.parent], check=True, capture_output=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        together = prepare(folder / "together", *TOGETHER)
        assert len(ShardReader(together)) >= LIMIT - 2
        check_renditions(together)
        check_alone(folder, together)
        check_bytes(folder, together)
        check_pixels(together)
        check_exports(folder, together)
        check_sequences(together)


if __name__ == "__main__":
    main()
