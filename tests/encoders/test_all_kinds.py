# SPDX-License-Identifier: Apache-2.0
"""All kinds of tensors out of one pass over the images: made by prepare and its children, read, dumped,
indexed, exported, packed. The pixels that are stored beside them say what each encoder was given."""
import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import textwrap

import models  # skips where diffusers is not installed
import numpy as np
import package
import torch
import transformers
from PIL import Image

import small_transformers
from small_transformers import processed, same_codes

sys.path.insert(0, f"{package.BUILD}/python")
from latentmill import Dataset, DatasetIndex, ShardReader
from latentmill.interop import to_transfusion_pytorch

PROGRAM, INPUT, N = f"{package.BUILD}/latentmill", "tests/data/scenes-000.tar", 6
ENVIRONMENT = {**os.environ, "LATENTMILL_PYTHON": sys.executable,
               "PYTHONPATH": f"{package.BUILD}/python:{os.environ.get('PYTHONPATH', '')}"}
HALF = 2.0 ** -10  # of fp16


def run(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done


def prepare(out, *encoders):
    """encoders: (label, scheme and rest, size)."""
    arguments = []
    for label, encoder, size in encoders:
        arguments += ["--encoder", f"{label}={encoder}", "--size", f"{label}={size}"]
    run("prepare", "--out", out, "--limit", 7, "--workers", 2, "--caption-first", 0.5, *arguments, INPUT)
    reader, = map(ShardReader, out.glob("*.lms"))
    assert len(reader) == N
    return reader


def picture(record, encoder):
    return Image.open(io.BytesIO(record.tensor(encoder).array))


def rgb_of(reader, encoder):
    return np.stack([np.asarray(picture(record, encoder)) for record in reader])


def same(stored, wanted):
    wanted = wanted.detach().numpy()
    stored = np.stack(stored).astype(np.float32)
    assert stored.shape == wanted.shape, (stored.shape, wanted.shape)
    assert np.abs(stored - wanted).max() <= HALF * np.abs(wanted).max() + 1e-4


def arrays(reader, encoder, output=0):
    return [record.tensor(encoder, output).array for record in reader]


# ---- what each encoder was given ----

@torch.inference_mode()
def latents(reader, model):
    for encoder, size in (("large", 128), ("small", 64)):
        rgb = torch.from_numpy(rgb_of(reader, f"png{size}")).permute(0, 3, 1, 2)
        assert rgb.shape[2:] == (size, size)
        same(arrays(reader, encoder), model.encode(rgb.float() / 255 * 2 - 1).latent_dist.mean)
    scale = model.config.scaling_factor
    described = next(one for one in reader.header["encoders"] if one["name"] == "small")
    assert (described["channels"], described["f"], described["shift"]) == (4, 4, [0])
    assert np.float32(described["scale"]) == np.float32(scale)


@torch.inference_mode()
def features(reader, folder):
    pixels = processed("SiglipImageProcessor", folder, rgb_of(reader, "png48"))
    out = transformers.SiglipVisionModel.from_pretrained(folder).eval()(pixel_values=pixels)
    same(arrays(reader, "siglip"), out.last_hidden_state)


def codes(reader, folder):
    whole = transformers.ChameleonForConditionalGeneration.from_pretrained(folder).eval()
    pixels = processed("ChameleonImageProcessor", folder, rgb_of(reader, "pixels"))
    same_codes(np.stack(arrays(reader, "vq")), whole.model.vqmodel, pixels)


def the_page(where, reader):
    """The package's page reads them so."""
    page = pathlib.Path("shard/python/README.md").read_text()
    code = re.search(r"\n\n((?:    .*\n)+)", page[page.index("\n    import io\n") - 1:])[1]
    with contextlib.chdir(where):
        names = {}
        exec(textwrap.dedent(code), names)
    assert np.array_equal(names["features"], reader[0].tensor("siglip").array) and names["features"].shape == (9, 48)
    assert names["codes"].shape == (32, 32) and Image.open(names["picture"]).size == (512, 512)


# ---- what becomes of them ----

def shown(reader, folder):
    said = run("dump", "--limit", 1, folder).stdout
    for words in ("vq: codes of image, ChameleonVQVAE", "siglip: features of image, SiglipVisionModel, patches 9 x 48",
                  "small: latent of image, AutoencoderKL, f 4", "png48: pixels of image", "codes 36-1059 (32 x 32)"):
        assert words in said, (words, said)
    run("index", folder)
    index = DatasetIndex(folder)
    assert {column.kind for column in index.columns} == {"latent", "codes", "features", "pixels"}
    kinds = {column.encoder: column.kind for column in index.columns}
    cells = dict(zip((index.columns[i].encoder for i in index.column), index.cells.tolist()))
    names = [one["name"] for one in reader.header["encoders"]]
    assert {names[i]: n for i, n in cells.items() if kinds[i] != "pixels"} == \
        {"vq": 1024 * N, "large": 1024 * N, "small": 256 * N, "siglip": 9 * N}


def exported(reader, folder, out):
    run("export", "--format", "webdataset", "--out", out, folder)
    tar_path, = out.glob("*.tar")
    with tarfile.open(tar_path) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
    for record in reader:
        found = {name.partition(".")[2]: data for name, data in members.items() if name.split(".")[0] == record.key}
        for encoder in ("vq", "large", "small", "siglip"):
            said = [name for name in found if encoder in name and name.endswith(".npy")]
            assert len(said) == 1, (encoder, sorted(found))
            assert np.array_equal(np.load(io.BytesIO(found[said[0]])), record.tensor(encoder).array), said
        assert record.tensor("pixels").array.tobytes() in found.values()
    run("export", "--format", "mds", "--out", f"{out}-mds", folder)


def packed(reader, folder):
    """Text ids and image ids in one space, out of the builder that makes sequences of patches."""
    encoder = reader.header["encoders"][0]
    table = np.array(encoder["id_map"])
    dataset = Dataset(folder, batch_size=1, pack=2400, caption_first=0.5)
    bos, eos, boi, eoi = dataset.markers
    assert dataset.vocabulary == table.max() + 1 > eoi
    orders, documents = set(), 0
    for batch in (batch for _ in range(3) for batch in dataset):
        assert len(batch["spans"]) == 0 and batch["patches"].size == 0
        for number, (_, key) in enumerate(batch["keys"][0]):
            tokens = batch["tokens"][0][batch["doc_ids"][0] == number].tolist()
            record, at = reader.by_key(key), tokens.index(boi)
            assert tokens[at + 1:at + 1025] == table[record.tensor("vq").array.reshape(-1)].tolist()
            assert tokens[at + 1025] == eoi and (tokens[0], tokens[-1]) == (bos, eos)
            text = tokens[1:at] + tokens[at + 1026:-1]
            assert text in [one.ids.tolist() for one in record.captions] and 1 in (at, len(tokens) - at - 1026)
            orders.add(at == 1)
            documents += 1
    assert orders == {True, False} and documents == 3 * N
    text, image = to_transfusion_pytorch(reader[0], order="caption_first")
    assert image.tolist() == [boi, *table[reader[0].tensor("vq").array.reshape(-1)].tolist(), eoi]


def dall_e_2(where, clip):
    """Pictures of several sizes and a vector of CLIP, of one decoded image."""
    reader = prepare(where / "dall-e-2", ("p64", "pixels:jpeg:95", 64), ("p256", "pixels:jpeg:95", 256),
                     ("clip", f"clip:{clip}", 32), ("p32", "pixels:png", 32))
    out = transformers.CLIPVisionModelWithProjection.from_pretrained(clip).eval()(
        pixel_values=processed("CLIPImageProcessor", clip, rgb_of(reader, "p32")))
    same(arrays(reader, "clip"), out.image_embeds)
    for record in reader:
        small, large = picture(record, "p64"), picture(record, "p256")
        assert (small.format, small.size, large.size) == ("JPEG", (64, 64), (256, 256))
        shrunk = np.asarray(large.resize((64, 64), Image.Resampling.BICUBIC), float)
        assert np.abs(shrunk - np.asarray(small)).mean() < 6  # the same crop
        assert len(record.images[0].renditions) == 3
    run("export", "--format", "webdataset", "--out", where / "dall-e-2-wds", where / "dall-e-2")


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    sd, siglip = models.make("sd", where), small_transformers.siglip(where / "siglip")
    # Image tokens stand behind the text's and the markers.
    words = {name: id + 5000 for name, id in small_transformers.vocabulary(64).items()}
    vq, clip = small_transformers.chameleon(where / "vq", words=words), small_transformers.clip(where / "clip")
    folder = where / "all"
    reader = prepare(folder, ("vq", f"chameleon:{vq}", 512), ("large", f"diffusers:{where}/sd", 128),
                     ("small", f"diffusers:{where}/sd", 64), ("siglip", f"siglip:{siglip}", 48),
                     ("pixels", "pixels:png", 512), *((f"png{size}", "pixels:png", size) for size in (128, 64, 48)))
    assert all(len(record.images[0].renditions) == 4 for record in reader)
    latents(reader, sd)
    features(reader, siglip)
    codes(reader, vq)
    the_page(where, reader)
    shown(reader, folder)
    exported(reader, folder, where / "wds")
    packed(reader, folder)
    with torch.inference_mode():
        dall_e_2(where, clip)
