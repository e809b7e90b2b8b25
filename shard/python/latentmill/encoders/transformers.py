# SPDX-License-Identifier: Apache-2.0
"""CLIP, SigLIP, SigLIP 2, DINOv2 and Chameleon's VQ model in Hugging Face transformers, as an encoder of `prepare`.

    python -m latentmill.encoders.transformers --model DIR --device cuda:0     as `--encoder clip:DIR` starts it

config.json's model_type decides which it is:

    clip, clip_vision_model      CLIPVisionModelWithProjection. pooled: image_embeds; patches: last_hidden_state
                                 without CLS, which no layer norm follows
    siglip, siglip_vision_model  SiglipVisionModel, also SigLIP 2's checkpoints of a fixed size. pooled: pooler_output
    siglip2, siglip2_vision_model  Siglip2VisionModel (NaFlex): an image of any multiple of the patch, without padding
    dinov2, dinov2_with_registers  Dinov2Model. pooled: CLS; patches: without CLS and registers
    chameleon, chameleon_vqgan   ChameleonVQVAE: codes (H/16, W/16); of a whole Chameleon its weights alone are read

Pixels come fitted: of the folder's image processor only rescale_factor, image_mean and image_std are used, in the
arithmetic of its NumPy (PIL) version. CLIP and SigLIP take images of the model's size alone; DINOv2 and NaFlex
interpolate their positions to any other, as transformers does. Nothing is downloaded."""
from __future__ import annotations

import hashlib
import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .protocol import Opening, Refused, header_array
from .torch_encoder import TorchEncoder, parser, read_json, serve_options, sha256, weight_files

F32 = npt.NDArray[np.float32]

CHAMELEON = ("chameleon", "chameleon_vqgan")
FITS = {"size": "do_resize", "crop_size": "do_center_crop", "max_num_patches": "do_resize"}  # and what turns them off
CODEBOOK = "quantize.embedding.weight"  # of each ChameleonVQVAE
# What config.json has besides the network.
FOREIGN = ("_name_or_path", "_commit_hash", "architectures", "dtype", "torch_dtype", "transformers_version",
           "text_config", "vocabulary_map")


class Family(NamedTuple):
    """A network whose features are taken."""
    name: str           # transformers' class
    pooled: str         # of its output
    output: str         # what is taken where nothing is asked for
    before: int         # tokens before the patches, without registers
    resample: str       # of its image processor, where the folder does not say
    interpolates: str | None  # its positions, and how; None: it has one size


CLIP = Family("CLIPVisionModelWithProjection", "image_embeds", "pooled", 1, "bicubic", None)
SIGLIP = Family("SiglipVisionModel", "pooler_output", "patches", 0, "bicubic", None)
NAFLEX = Family("Siglip2VisionModel", "pooler_output", "patches", 0, "bilinear", "bilinear with antialias")
DINOV2 = Family("Dinov2Model", "pooler_output", "patches", 1, "bicubic", "bicubic")
REGISTERS = DINOV2._replace(name="Dinov2WithRegistersModel", interpolates="bicubic with antialias")
FAMILIES = {"clip": CLIP, "clip_vision_model": CLIP, "siglip": SIGLIP, "siglip_vision_model": SIGLIP,
            "siglip2": NAFLEX, "siglip2_vision_model": NAFLEX, "dinov2": DINOV2, "dinov2_with_registers": REGISTERS}


RESAMPLE = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # Pillow's, by their numbers


class Processor(NamedTuple):
    """What an image processor makes of a pixel: (value * rescale - mean) / std."""
    rescale: float
    mean: list[float]
    std: list[float]
    fits: dict[str, Any]
    """How it would have fitted the image, which prepare has done: its sizes and its filter."""

    @staticmethod
    def of(folder: Path, rescale: float, resample: str) -> Processor:
        """rescale, resample: of the processor's class, where the folder does not say."""
        said = _processor_json(folder)
        fits = {name: said[name] for name, switch in FITS.items() if said.get(name) and said.get(switch, True)}
        number = said.get("resample")
        fits["resample"] = RESAMPLE[number] if isinstance(number, int) and 0 <= number < 6 else number or resample
        mean, std = [0.0] * 3, [1.0] * 3
        if said.get("do_normalize", True):
            if "image_mean" not in said or "image_std" not in said:
                raise Refused(f"{folder}: the image processor's configuration has no image_mean and image_std: take "
                              "the model's own")
            mean, std = _three(said["image_mean"]), _three(said["image_std"])
        return Processor(said.get("rescale_factor", rescale) if said.get("do_rescale", True) else 1.0, mean, std, fits)

    def levels(self) -> F32:
        """What each value becomes, as transformers computes it in NumPy. (3, 256)"""
        scaled = (np.arange(256, dtype=np.float64) * self.rescale).astype(np.float32)
        mean, std = (np.array(one, np.float32)[:, None] for one in (self.mean, self.std))
        levels: F32 = (scaled - mean) / std
        return levels

    def as_input(self, multiple: int) -> dict[str, Any]:
        """The hello's "input". mean and std are of pixels of 0 to 1; where rescale is not 1/255, the range says it."""
        said = {"mean": self.mean, "std": self.std, "multiple": multiple, "processor": self.fits}
        if abs(self.rescale * 255 - 1) < 1e-6:
            return said
        ends = [[round((value * self.rescale - mean) / std, 9) for value in (0, 255)]
                for mean, std in zip(self.mean, self.std)]
        return {"range": ends[0] if ends[0] == ends[1] == ends[2] else ends, "rescale": self.rescale, **said}


def _processor_json(folder: Path) -> dict[str, Any]:
    """Of preprocessor_config.json, or of processor_config.json, which newer versions write."""
    if (folder / "preprocessor_config.json").exists():
        return read_json(folder / "preprocessor_config.json")
    if (folder / "processor_config.json").exists():
        said = read_json(folder / "processor_config.json").get("image_processor")
        if isinstance(said, dict):
            return said
    raise Refused(f"{folder}: no preprocessor_config.json, which says what the model's pixels are: copy the model's own")


def _three(value: float | list[float]) -> list[float]:
    return list(value) if isinstance(value, list) else [value] * 3


class Transformers(TorchEncoder):
    """Common to both kinds."""

    processor: Processor

    def __init__(self, options: Namespace, config: dict[str, Any]):
        super().__init__(options)
        os.environ["HF_HUB_OFFLINE"] = "1"
        from transformers.utils import logging
        logging.set_verbosity_error()  # else it tells of each weight that is a text tower's
        logging.disable_progress_bar()
        self.folder: Path = options.model
        self.config = {name: value for name, value in config.items() if name not in FOREIGN}

    @property
    def numerics(self) -> str:
        import transformers
        return f"{super().numerics} transformers-{transformers.__version__}"

    def use(self, processor: Processor) -> None:
        self.processor = processor
        self._levels = self.torch.from_numpy(processor.levels()).to(self.device)

    def pixels(self, rgb: Any) -> Any:
        """(n, height, width, 3) uint8 -> (n, 3, height, width) as the network takes it: normalized in fp32."""
        planes = [self._levels[channel][rgb[..., channel].long()] for channel in range(3)]
        return self.torch.stack(planes, 1).to(self.dtype)

    def hello(self, encoder: dict[str, Any], tensors: list[dict[str, Any]]) -> dict[str, Any]:
        common = {"of": "image", "config": self.config, "numerics": self.numerics, "reproducible": False}
        return {"encoder": {**common, **encoder}, "tensors": tensors, "decode": False, **self.run_members()}

    def refuse_size(self, opening: Opening, size: tuple[int, int], why: str, side: int) -> None:
        """side: that would do."""
        raise Refused(f"{self.folder}: images of {size[0]}x{size[1]} pixels: {why}: --size {opening.label}={side}")

    def check_multiple(self, opening: Opening, size: tuple[int, int], of: int, name: str) -> None:
        if size[0] % of or size[1] % of:
            nearest = max(1, round(size[0] / of)) * of
            self.refuse_size(opening, size, f"{name} takes multiples of {of}", nearest)


class Tower(Transformers):
    """Features of a vision tower."""

    def __init__(self, options: Namespace, config: dict[str, Any], family: Family):
        super().__init__(options, config)
        import transformers
        self.use(Processor.of(self.folder, 1 / 255, family.resample))
        self.family = family
        self.weights = sha256(weight_files(self.folder, "model"))
        model, loading = getattr(transformers, family.name).from_pretrained(
            self.folder, local_files_only=True, use_safetensors=True, dtype=self.torch.float32,
            output_loading_info=True)
        if missing := sorted(loading["missing_keys"]):
            raise Refused(f"{self.folder}: no weights of {', '.join(missing[:5])}, which {family.name} has")
        self._vision = model.config
        self._before = family.before + (getattr(self._vision, "num_register_tokens", 0) if family is REGISTERS else 0)
        output = options.output or family.output
        self._what = ["patches", "pooled"] if output == "both" else [output]
        if "pooled" in self._what and not getattr(self._vision, "vision_use_head", True):
            raise Refused(f"{self.folder}: a {family.name} without a head has no pooled vector: --output patches")
        self._run = self.compiled(self.place(model))

    @property
    def _patch(self) -> int:
        return int(self._vision.patch_size)

    def describe(self, opening: Opening) -> dict[str, Any]:
        self.prepare(opening)
        for size in opening.sizes:
            self._check(opening, size)
        grids = [(width // self._patch) * (height // self._patch) for width, height in opening.sizes]
        dims = {"patches": [[n, self._width("patches")] for n in grids],
                "pooled": [[self._width("pooled")] for _ in grids]}
        statistics = self._statistics()
        features = [{"what": what, "dims": self._common(dims[what]), **statistics[what]} for what in self._what]
        tensors = [{"output": i, "logvar": False, "dims": dims[what]} for i, what in enumerate(self._what)]
        outputs = [self.family.pooled if what == "pooled" else "last_hidden_state" for what in self._what]
        return self.hello({"kind": "features", "family": self.family.name, "weights_sha256": self.weights,
                           "input": self._input(), "outputs": outputs, "features": features}, tensors)

    def _input(self) -> dict[str, Any]:
        said = self.processor.as_input(self._patch)
        if self.family.interpolates is None:
            side = int(self._vision.image_size)
            return {**said, "processor": {"size": {"height": side, "width": side}, **said["processor"]}}
        side = int(self._positions() ** 0.5)
        return {**said, "positions": f"of {side}x{side} patches; of other grids interpolated, {self.family.interpolates}"}

    def _positions(self) -> int:
        """Of patches, that the network has learned."""
        if self.family is NAFLEX:
            return int(self._vision.num_patches)
        return (int(self._vision.image_size) // self._patch) ** 2

    def _check(self, opening: Opening, size: tuple[int, int]) -> None:
        if self.family.interpolates is None:
            side = int(self._vision.image_size)
            if size != (side, side):
                self.refuse_size(opening, size, f"{self.family.name} has learned positions for {side}x{side} alone", side)
        else:
            self.check_multiple(opening, size, self._patch, self.family.name)

    def _width(self, what: str) -> int:
        projected = what == "pooled" and self.family is CLIP
        return int(self._vision.projection_dim if projected else self._vision.hidden_size)

    @staticmethod
    def _common(dims: list[list[int]]) -> list[int | None]:
        """Those of all sizes; None where they differ."""
        return [values[0] if len(set(values)) == 1 else None for values in zip(*dims)]

    def _statistics(self) -> dict[str, dict[str, Any]]:
        """mean and std of each output, of the arrays in --statistics."""
        found: dict[str, dict[str, Any]] = {what: {"mean": None, "std": None} for what in self._what}
        path = self.options.statistics
        if path is None:
            return found
        try:
            with np.load(path) as arrays:
                given = {name: arrays[name].astype("<f4") for name in arrays}
        except (OSError, ValueError) as error:
            raise Refused(f"--statistics {path}: {error}") from error
        for name, values in given.items():
            what, _, which = name.partition("_")
            if what not in found or which not in found[what] or values.shape != (self._width(what),):
                wanted = " and ".join(f"{one}_{two} ({self._width(one)})" for one in found for two in found[one])
                raise Refused(f"--statistics {path}: {name} {values.shape} is none of {wanted}")
            found[what][which] = header_array(values, f"--statistics {path}: {name}")
        return found

    def compute(self, pixels: Any) -> list[Any]:
        values = self.pixels(pixels)
        out = self._run(**self._of_patches(values)) if self.family is NAFLEX else self._run(pixel_values=values)
        taken = {"patches": lambda: out.last_hidden_state[:, self._before:], "pooled": lambda: out[self.family.pooled]}
        return [taken[what]() for what in self._what]

    def _of_patches(self, values: Any) -> dict[str, Any]:
        """NaFlex takes patches, their values in order of row, column, channel."""
        n, channels, height, width = values.shape
        p = self._patch
        rows, columns = height // p, width // p
        cut = values.reshape(n, channels, rows, p, columns, p).permute(0, 2, 4, 3, 5, 1)
        return {"pixel_values": cut.reshape(n, rows * columns, p * p * channels),
                "pixel_attention_mask": self.torch.ones((n, rows * columns), dtype=self.torch.int32, device=self.device),
                "spatial_shapes": self.torch.tensor([[rows, columns]] * n, device=self.device)}


class Chameleon(Transformers):
    """Codes of Chameleon's VQ model."""

    def __init__(self, options: Namespace, config: dict[str, Any]):
        super().__init__(options, config)
        from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAE, ChameleonVQVAEConfig
        if options.output is not None:
            raise Refused("--output is of features: Chameleon's VQ model has codes alone")
        self.use(Processor.of(self.folder, 0.0078, "lanczos"))
        whole = config["model_type"] == "chameleon"
        if whole:
            self.config = {"model_type": "chameleon", "vq_config": config.get("vq_config", {})}
        vq = ChameleonVQVAEConfig(**{name: value for name, value in (self.config["vq_config"] if whole else self.config)
                                     .items() if name != "model_type"})
        weights = self.weights_by_name()
        self.weights = _tensors_sha256(weights)
        model = ChameleonVQVAE(vq)
        unknown = model.load_state_dict(weights, strict=False)
        # Of the decoder's side transformers has this layer alone.
        if missing := [name for name in unknown.missing_keys if not name.startswith("post_quant_conv.")]:
            raise Refused(f"{self.folder}: no weights of {', '.join(missing[:5])}, which ChameleonVQVAE has")
        self._codebook = int(vq.num_embeddings)
        self._factor = 2 ** (len(vq.channel_multiplier) - 1)
        self._ids = self._id_map(config)
        self._model = self.place(model)
        self._run = self.compiled(self._model.encode)

    def weights_by_name(self) -> dict[str, Any]:
        """The VQ model's tensors by their names in it, and no others: a language model may be in the same files."""
        from safetensors import safe_open
        found: dict[str, Any] = {}
        where: dict[str, Path] = {}
        for path in weight_files(self.folder, "model"):
            with safe_open(path, "pt") as file:
                where.update((name, path) for name in file.keys())
        prefixes = [name[:-len(CODEBOOK)] for name in where if name.endswith(CODEBOOK)]
        if len(prefixes) != 1:
            raise Refused(f"{self.folder}: its weights have no {CODEBOOK} of a ChameleonVQVAE")
        for path in sorted(set(where.values())):
            with safe_open(path, "pt") as file:
                for name in file.keys():
                    if name.startswith(prefixes[0]):
                        found[name[len(prefixes[0]):]] = file.get_tensor(name)
        return found

    def _id_map(self, config: dict[str, Any]) -> npt.NDArray[np.uint32] | None:
        """The BPE id of each code; None: the folder has no vocabulary, and codes get ids of their own."""
        vocabulary = config.get("vocabulary_map") or _vocabulary(self.folder)
        if not vocabulary:
            return None
        from transformers.models.chameleon.modeling_chameleon import ChameleonImageVocabularyMapping
        ids = ChameleonImageVocabularyMapping(vocabulary).img2bpe
        if sorted(ids) != list(range(self._codebook)):
            raise Refused(f"{self.folder}: its vocabulary has {len(ids)} IMGIMG tokens, not one for each of "
                          f"{self._codebook} codes")
        return np.array([ids[code] for code in range(self._codebook)], "<u4")

    def describe(self, opening: Opening) -> dict[str, Any]:
        self.prepare(opening)
        factor = self._factor
        for size in opening.sizes:
            self.check_multiple(opening, size, factor, "ChameleonVQVAE")
        encoder = {"kind": "codes", "family": "ChameleonVQVAE", "weights_sha256": self.weights, "outputs": [],
                   "input": self.processor.as_input(factor), "codebook": self._codebook}
        if self._ids is not None:
            encoder["id_map"] = header_array(self._ids, "the map of ids")
        dims = [[height // factor, width // factor] for width, height in opening.sizes]
        return self.hello(encoder, [{"output": 0, "logvar": False, "dims": dims}])

    def compute(self, pixels: Any) -> list[Any]:
        n, height, width, _ = pixels.shape
        out = self._run(self.pixels(pixels))
        codes = out[2] if isinstance(out, tuple) else out.image_tokens
        return [codes.view(n, height // self._factor, width // self._factor)]


def _vocabulary(folder: Path) -> dict[str, int]:
    """Of tokenizer.json, where the folder has one."""
    if not (folder / "tokenizer.json").exists():
        return {}
    said = read_json(folder / "tokenizer.json")
    vocabulary: dict[str, int] = dict(said["model"]["vocab"])
    vocabulary.update((token["content"], token["id"]) for token in said.get("added_tokens", ()))
    return vocabulary if any(name.startswith("IMGIMG") for name in vocabulary) else {}


def _tensors_sha256(tensors: dict[str, Any]) -> str:
    """Of the tensors as safetensors has them, in order of their names: the same of a whole Chameleon's files."""
    from safetensors.torch import save
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(save({name: tensors[name].contiguous()}))
    return digest.hexdigest()


def start(options: Namespace) -> Transformers:
    config = read_json(options.model / "config.json")
    kind = config.get("model_type")
    if options.family and not str(kind).startswith(options.family):
        raise Refused(f"{options.model / 'config.json'}: model_type {kind!r} is none of {options.family}'s")
    if kind in CHAMELEON:
        return Chameleon(options, config)
    if kind not in FAMILIES:
        known = ", ".join([*FAMILIES, *CHAMELEON])
        raise Refused(f"{options.model / 'config.json'}: model_type {kind!r} is none of {known}")
    return Tower(options, config, FAMILIES[kind])


def options() -> ArgumentParser:
    known = parser("latentmill.encoders.transformers", batch=32, wait_ms=200)
    known.add_argument("--family", choices=("clip", "siglip", "dinov2", "chameleon"),
                       help="refuses a model of another; default: any")
    known.add_argument("--output", choices=("pooled", "patches", "both"),
                       help="features: pooled by default of CLIP, patches of the others")
    known.add_argument("--statistics", type=Path, metavar="NPZ",
                       help="arrays patches_mean, patches_std, pooled_mean, pooled_std: go into the shards' header")
    return known


def main() -> None:
    serve_options(options(), start)


if __name__ == "__main__":
    main()
