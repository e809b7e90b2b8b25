# SPDX-License-Identifier: Apache-2.0
"""CLIP, SigLIP, SigLIP 2 and DINOv2: tensors are those of transformers' own classes, the hello says
what they are, and what cannot be is refused. Two are asked in a child process, the others, since it
takes long to start, in this one."""
import json
import pathlib
import sys
import tempfile

try:
    import torch
    import transformers
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

sys.path.insert(0, "tests/python")
import numpy as np
import package
import small_transformers
from PIL import Image
from encoder_child import Child, float_of
from small_transformers import command, processed

sys.path.insert(0, f"{package.BUILD}/python")
from latentmill.encoders import transformers as ours
from latentmill.encoders.protocol import BF16, Opening

RGB = np.random.default_rng(0).integers(0, 256, (5, 70, 84, 3), np.uint8)
CLOSE = 2e-6  # of values of size 1: batches and threads add in another order


class Here:
    """The same without a process."""

    def __init__(self, folder, *arguments, **opening):
        self.encoder = ours.start(options(folder, *arguments))
        self.hello = self.encoder.describe(opened(**opening))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def encode(self, rgb, n=None):
        n = n or len(rgb)
        made = [self.encoder.encode(self.encoder.receive(rgb[i:i + n])) for i in range(0, len(rgb), n)]
        whole = [np.concatenate(parts) for parts in zip(*made)]
        return [float_of("bf16", one.tobytes()).reshape(one.shape) if one.dtype == BF16 else one for one in whole]


def options(folder, *arguments):
    return ours.options().parse_args(["--model", str(folder), *arguments])


def opened(**members):
    return Opening(**{"label": "eye", "child": 0, "children": 1, "sizes": ((32, 32),), "dtype": "fp32",
                      "moments": "mean", **members})


def same(made, wanted):
    wanted = wanted.detach().numpy()
    assert made.dtype == np.float32 and made.shape == wanted.shape, (made.shape, wanted.shape)
    scale = np.abs(wanted).max()
    assert scale > 0.1 and np.abs(made - wanted).max() <= CLOSE * max(1, scale), np.abs(made - wanted).max()
    assert not np.allclose(wanted[0], wanted[1], atol=100 * CLOSE)  # images are told apart


def encoder_of(child, family, statistics, multiple):
    encoder = child.hello["encoder"]
    assert encoder["kind"] == "features" and encoder["of"] == "image" and encoder["family"] == family
    assert encoder["input"]["multiple"] == multiple and encoder["reproducible"] is False
    assert [encoder["input"]["mean"], encoder["input"]["std"]] == [statistics["image_mean"], statistics["image_std"]]
    assert encoder["numerics"].endswith(f" transformers-{transformers.__version__}")
    assert len(encoder["weights_sha256"]) == 64
    said = json.dumps(encoder["config"])
    assert "text_config" not in said and "transformers_version" not in said and encoder["config"]["model_type"]
    return encoder


def one_size(rgb, side):
    return np.ascontiguousarray(rgb[:, :side, :side])


@torch.inference_mode()
def clip(where):
    folder, rgb = small_transformers.clip(where / "clip"), one_size(RGB, 32)
    model = transformers.CLIPVisionModelWithProjection.from_pretrained(folder).eval()
    out = model(pixel_values=processed("CLIPImageProcessor", folder, rgb))
    with Child(command(folder), sizes=[[32, 32]]) as child:  # pooled, where nothing is asked for
        encoder = encoder_of(child, "CLIPVisionModelWithProjection", small_transformers.CLIP_STATISTICS, 8)
        assert encoder["outputs"] == ["image_embeds"]
        assert encoder["features"] == [{"what": "pooled", "dims": [20], "mean": None, "std": None}]
        assert child.hello["tensors"] == [{"output": 0, "logvar": False, "dims": [[20]]}]
        assert (child.hello["decode"], child.hello["batch"], child.hello["device"]) == (False, 32, "cpu")
        whole, = child.encode(rgb)
        same(whole, out.image_embeds)
        alone, = child.encode(rgb, 1)
        assert np.abs(alone - whole).max() <= CLOSE * np.abs(whole).max()
    with Here(folder, "--dtype", "bfloat16", "--deterministic") as child:
        assert " cpu bfloat16 deterministic " in child.hello["encoder"]["numerics"]
        rough, = child.encode(rgb)
        assert 0 < np.abs(rough - whole).max() < 0.05 * np.abs(whole).max()
    statistics = {"patches_mean": np.arange(48) / 7, "patches_std": np.full(48, 2.0), "pooled_std": np.arange(1, 21)}
    np.savez(where / "statistics.npz", **statistics)
    asked = ("--output", "both", "--statistics", str(where / "statistics.npz"))
    with Here(folder, *asked) as child:
        encoder = child.hello["encoder"]
        assert encoder["outputs"] == ["last_hidden_state", "image_embeds"]
        patches, pooled = encoder["features"]
        assert patches["dims"] == [16, 48] and patches["mean"] == np.float32(np.arange(48) / 7).tolist()
        assert pooled["mean"] is None and pooled["std"] == list(range(1, 21))
        made = child.encode(rgb, 2)
        same(made[0], out.last_hidden_state[:, 1:])
        same(made[1], out.image_embeds)


@torch.inference_mode()
def siglip(where):
    folder, rgb = small_transformers.siglip(where / "siglip"), one_size(RGB, 48)
    out = transformers.SiglipVisionModel.from_pretrained(folder).eval()(
        pixel_values=processed("SiglipImageProcessor", folder, rgb))
    with Here(folder, sizes=((48, 48),), dtype="bf16") as child:  # patches
        encoder = encoder_of(child, "SiglipVisionModel", small_transformers.HALVES, 16)
        assert [one["what"] for one in encoder["features"]] == ["patches"]
        made, = child.encode(rgb)
        assert torch.equal(torch.from_numpy(made.copy()), out.last_hidden_state.bfloat16().float()) or \
            np.abs(made - out.last_hidden_state.numpy()).max() < 0.02
    with Here(folder, "--output", "both", sizes=((48, 48),)) as child:
        made = child.encode(rgb, 3)
        same(made[0], out.last_hidden_state)
        same(made[1], out.pooler_output)


@torch.inference_mode()
def siglip2(where):
    """NaFlex: the processor's own patches and mask, where no patch is padding."""
    folder, rgb = small_transformers.siglip2(where / "siglip2"), np.ascontiguousarray(RGB[:, :48, :80])
    processor = getattr(transformers, "Siglip2ImageProcessorPil", transformers.Siglip2ImageProcessor)(
        patch_size=16, max_num_patches=15, do_resize=False)
    inputs = processor(list(rgb), input_data_format="channels_last", return_tensors="pt")
    assert inputs["pixel_attention_mask"].all() and inputs["spatial_shapes"].tolist() == [[3, 5]] * 5
    out = transformers.Siglip2VisionModel.from_pretrained(folder).eval()(**inputs)
    with Here(folder, "--output", "both", sizes=((80, 48), (64, 64))) as child:
        encoder = encoder_of(child, "Siglip2VisionModel", small_transformers.HALVES, 16)
        assert encoder["input"]["positions"].startswith("of 4x4 patches; of other grids interpolated")
        assert encoder["features"][0]["dims"] == [None, 48] and encoder["features"][1]["dims"] == [48]
        assert [one["dims"] for one in child.hello["tensors"]] == [[[15, 48], [16, 48]], [[48], [48]]]
        made = child.encode(rgb, 2)
        same(made[0], out.last_hidden_state)
        same(made[1], out.pooler_output)


@torch.inference_mode()
def dinov2(where):
    """At its own size, and at others of which it interpolates the positions; with registers."""
    for registers in (0, 4):
        folder = small_transformers.dinov2(where / f"dinov2-{registers}", registers)
        kind = "Dinov2WithRegistersModel" if registers else "Dinov2Model"
        model = getattr(transformers, kind).from_pretrained(folder).eval()
        asked, sizes = ("--output", "both"), ((70, 70), (84, 70))
        with Here(folder, *asked, sizes=sizes) if registers else Child(command(folder, *asked), sizes=sizes) as child:
            encoder = encoder_of(child, kind, small_transformers.IMAGENET, 14)
            assert encoder["outputs"] == ["last_hidden_state", "pooler_output"]
            assert "of 5x5 patches" in encoder["input"]["positions"]
            for rgb in (one_size(RGB, 70), RGB):
                out = model(pixel_values=processed("BitImageProcessor", folder, rgb))
                made = child.encode(rgb)
                same(made[0], out.last_hidden_state[:, 1 + registers:])
                same(made[1], out.pooler_output)


def levels(where):
    """All values of a pixel: the bits of transformers' processors in NumPy."""
    rgb = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
    rgb = rgb.repeat(2, 1).repeat(2, 2)
    for name, folder, rescale in (("CLIPImageProcessor", "clip", 1 / 255), ("SiglipImageProcessor", "siglip", 1 / 255),
                                  ("BitImageProcessor", "dinov2-0", 1 / 255)):
        wanted = processed(name, where / folder, rgb).numpy()[0, :, ::2, ::2].reshape(3, 256)
        assert np.array_equal(ours.Processor.of(where / folder, rescale, "bicubic").levels(), wanted), name


def fits(where):
    """How the model's own processor would have fitted the image: as the folder says, or its class."""
    for kind, name in ((ours.CLIP, "CLIPImageProcessor"), (ours.SIGLIP, "SiglipImageProcessor"),
                       (ours.NAFLEX, "Siglip2ImageProcessor"), (ours.DINOV2, "BitImageProcessor")):
        own = int(getattr(transformers, name)().resample)
        assert kind.resample == Image.Resampling(own).name.lower(), name
    clip = where / "clip"
    hello = ours.start(options(clip)).describe(opened())
    assert hello["encoder"]["input"]["processor"] == {"size": {"height": 32, "width": 32}, "resample": "bicubic"}
    said = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "resample": 1}
    hello = ours.start(options(copy_of(clip, "fits", preprocessor_config=said))).describe(opened())
    assert hello["encoder"]["input"]["processor"] == {"size": said["size"], "crop_size": said["crop_size"],
                                                      "resample": "lanczos"}


def refused(message, folder, *arguments, **opening):
    """In this process: what the child says, too."""
    try:
        ours.start(options(folder, *arguments)).describe(opened(**opening))
    except ours.Refused as error:
        assert message in str(error), error
    else:
        raise AssertionError(f"not refused: {message}")


def copy_of(folder, name, **files):
    """The folder with files of other contents; None: without it."""
    copy = folder.with_name(name)
    copy.mkdir()
    for path in folder.iterdir():
        said = files.get(path.name.partition(".")[0], ())
        if said == ():
            (copy / path.name).symlink_to(path.resolve())
        elif said is not None:
            (copy / path.name).write_text(json.dumps({**json.loads(path.read_text()), **said}))
    return copy


def refusals(where):
    clip, dino = where / "clip", where / "dinov2-0"
    refused("images of 64x32 pixels: CLIPVisionModelWithProjection has learned positions for 32x32 alone: "
            "--size eye=32", clip, sizes=((32, 32), (64, 32)))
    refused("takes multiples of 14: --size eye=70", dino, sizes=((75, 75),))
    refused("config.json: model_type 'bert' is none of clip, ", copy_of(clip, "bert", config={"model_type": "bert"}))
    refused("no preprocessor_config.json", copy_of(clip, "bare", preprocessor_config=None))
    refused("no model.safetensors", copy_of(clip, "light", model=None))
    refused("has no image_mean and image_std", without_mean(clip))
    lacks = copy_of(dino, "lacks", config={"num_hidden_layers": 4})
    refused("which Dinov2Model has", lacks, sizes=((70, 70),))
    small_transformers.siglip(where / "headless", head=False)
    refused("--output patches", where / "headless", "--output", "pooled", sizes=((48, 48),))
    np.savez(where / "wrong.npz", pooled_mean=np.zeros(3))
    refused("pooled_mean (3,) is none of pooled_mean (20) and pooled_std (20)", clip, "--statistics",
            str(where / "wrong.npz"))
    refused("no.npz: ", clip, "--statistics", str(where / "no.npz"))
    refused("--device cuda:77", clip, "--device", "cuda:77")


def without_mean(folder):
    copy = copy_of(folder, "meanless", preprocessor_config=None)
    (copy / "preprocessor_config.json").write_text('{"do_normalize": true}')
    return copy


def alternatives(where):
    """A vision tower alone is the same network; a processor_config.json says the same as the older file."""
    alone = small_transformers.clip(where / "tower", whole=False)
    assert ours.start(options(alone)).describe(opened())["encoder"]["family"] == "CLIPVisionModelWithProjection"
    newer = copy_of(where / "clip", "newer", preprocessor_config=None)
    said = {"image_processor": json.loads((where / "clip" / "preprocessor_config.json").read_text())}
    (newer / "processor_config.json").write_text(json.dumps(said))
    hellos = [ours.start(options(folder)).describe(opened()) for folder in (where / "clip", newer)]
    assert hellos[0] == hellos[1]


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    clip(where)
    siglip(where)
    siglip2(where)
    dinov2(where)
    levels(where)
    fits(where)
    refusals(where)
    alternatives(where)
