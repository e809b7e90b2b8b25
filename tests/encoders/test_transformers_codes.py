# SPDX-License-Identifier: Apache-2.0
"""Chameleon's VQ model: codes are those of ChameleonVQVAE.encode() on pixels as Chameleon's image
processor makes them, and their ids those of its vocabulary. A code may be another one only where both
are as near as rounding lets them be."""
import base64
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
from encoder_child import Child
from small_transformers import command, processed, same_codes
from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAE, ChameleonVQVAEConfig

sys.path.insert(0, f"{package.BUILD}/python")
from latentmill.encoders import transformers as ours
from latentmill.encoders.protocol import Opening

SIDE = 96
DICE = np.random.default_rng(0)
RGB = DICE.integers(0, 256, (5, SIDE // 16, SIDE // 16 + 2, 3), np.uint8).repeat(16, 1).repeat(16, 2)


def started(folder, *arguments):
    return ours.start(ours.options().parse_args(["--model", str(folder), *arguments]))


def opened(**members):
    return Opening(**{"label": "vq", "child": 0, "children": 1, "sizes": ((SIDE, SIDE),), "dtype": "fp16",
                      "moments": "mean", **members})


def network(folder):
    """transformers' own, of a folder of it alone."""
    from safetensors.torch import load_file
    config = ChameleonVQVAEConfig(**{name: value for name, value in json.loads(
        (folder / "config.json").read_text()).items() if name != "model_type"})
    model = ChameleonVQVAE(config).eval()
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model


def codes(where):
    alone = small_transformers.chameleon(where / "vq", whole=False)
    model = network(alone)
    encoder = started(alone)
    hello = encoder.describe(opened(sizes=((SIDE, SIDE), (SIDE + 32, SIDE))))
    said = hello["encoder"]
    assert (said["kind"], said["family"], said["codebook"]) == ("codes", "ChameleonVQVAE", 64)
    assert "id_map" not in said and "id_offset" not in said  # behind the vocabulary of whoever asks
    assert hello["tensors"] == [{"output": 0, "logvar": False, "dims": [[6, 6], [6, 8]]}]
    assert said["input"] == {"range": [-1.0, 0.989], "rescale": 0.0078, "mean": [1.0] * 3, "std": [1.0] * 3,
                             "multiple": 16, "processor": {"resample": "lanczos"}}
    for rgb in (RGB, np.ascontiguousarray(RGB[:, :, :SIDE])):
        pixels = processed("ChameleonImageProcessor", alone, rgb)
        made, = encoder.encode(encoder.receive(rgb))
        assert made.dtype == np.int32
        same_codes(made, model, pixels)
        singly = np.concatenate([encoder.encode(encoder.receive(rgb[i:i + 1]))[0] for i in range(len(rgb))])
        same_codes(singly, model, pixels)
    return alone, model


def metas_pixels(where, model):
    """Meta's own preprocessing is said so: the folder's processor decides."""
    folder = small_transformers.chameleon(where / "meta", whole=False, processor={
        **small_transformers.ONES, "rescale_factor": 2 / 255})
    encoder = started(folder)
    assert encoder.describe(opened())["encoder"]["input"]["range"] == [-1.0, 1.0]
    rgb = np.ascontiguousarray(RGB[:, :, :SIDE])
    made, = encoder.encode(encoder.receive(rgb))
    meta = torch.from_numpy(rgb.astype(np.float32) / 255 * 2 - 1).permute(0, 3, 1, 2)
    same_codes(made, model, meta)
    bare = folder.with_name("bare")
    folder.rename(bare)
    (bare / "preprocessor_config.json").unlink()
    refused("no preprocessor_config.json", bare)


def whole(where, model, alone):
    """Of a Chameleon, over the protocol: its VQ model's weights and no others; 1,024 ids of 512 x 512 pixels."""
    folder = small_transformers.chameleon(where / "chameleon")
    rgb = DICE.integers(0, 256, (1, 32, 32, 3), np.uint8).repeat(16, 1).repeat(16, 2)
    with Child(command(folder), sizes=[[512, 512]]) as child:
        said = child.hello["encoder"]
        assert child.hello["tensors"][0]["dims"] == [[32, 32]]
        assert list(said["config"]) == ["model_type", "vq_config"]
        made, = child.encode(rgb)
    weights = {name: value for name, value in started(alone).weights_by_name().items()}
    other = started(folder)
    mine = other.weights_by_name()
    assert mine.keys() == weights.keys() and other.weights != started(alone).weights  # random ones of their own
    own = ChameleonVQVAE(model.config).eval()
    own.load_state_dict(mine)
    same_codes(made, own, processed("ChameleonImageProcessor", folder, rgb))
    assert made.size == 1024
    return folder, said["id_map"], made


def mapping(folder, said, made):
    """Ids as transformers' own mapping gives them."""
    from transformers.models.chameleon.modeling_chameleon import ChameleonImageVocabularyMapping
    words = json.loads((folder / "config.json").read_text())["vocabulary_map"]
    table = np.array(said) if isinstance(said, list) else \
        np.frombuffer(base64.b64decode(said["u32"]), "<u4").reshape(said["dims"])
    wanted = ChameleonImageVocabularyMapping(words).convert_img2bpe(torch.from_numpy(made.astype(np.int64)))
    assert len(table) == 64 and table[made].tolist() == wanted.tolist()


def vocabularies(where, folder):
    """In a tokenizer.json, where config.json has none; and not one token for each code."""
    config = json.loads((folder / "config.json").read_text())
    words = config.pop("vocabulary_map")
    (folder / "config.json").write_text(json.dumps(config))
    assert started(folder).describe(opened())["encoder"].get("id_map") is None
    added = [{"id": words["IMGIMGAZ"], "content": "IMGIMGAZ"}]
    kept = {name: id for name, id in words.items() if name != "IMGIMGAZ"}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": kept}, "added_tokens": added}))
    assert started(folder).describe(opened())["encoder"]["id_map"][0] == words["IMGIMGAZ"]
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": kept}}))
    refused("its vocabulary has 63 IMGIMG tokens, not one for each of 64 codes", folder)


def refused(message, folder, *arguments, **opening):
    try:
        started(folder, *arguments).describe(opened(**opening))
    except ours.Refused as error:
        assert message in str(error), error
    else:
        raise AssertionError(f"not refused: {message}")


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    alone, model = codes(where)
    refused("ChameleonVQVAE takes multiples of 16: --size vq=96", alone, sizes=((100, 96),))
    refused("--output is of features", alone, "--output", "pooled")
    folder, said, made = whole(where, model, alone)
    mapping(folder, said, made)
    vocabularies(where, folder)
    metas_pixels(where, model)
    (alone / "model.safetensors").unlink()
    (alone / "model.safetensors").symlink_to(small_transformers.clip(where / "clip") / "model.safetensors")
    refused("its weights have no quantize.embedding.weight", alone)
