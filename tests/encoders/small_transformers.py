# SPDX-License-Identifier: Apache-2.0
"""Small networks of transformers with random weights, in folders as from_pretrained() takes them."""
import json
import os
import random
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import package
import torch
import transformers
from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAE, ChameleonVQVAEConfig

CLIP_STATISTICS = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "rescale_factor": 1 / 255}
ONES = {"image_mean": [1.0] * 3, "image_std": [1.0] * 3, "rescale_factor": 0.0078}
MARGIN = 1e-5  # of two distances, by the squares that they are differences of: another order of additions
TOWER = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}


def command(folder, *options):
    """What starts the child on a model's folder."""
    path = f"PYTHONPATH={package.BUILD}/python:{os.environ.get('PYTHONPATH', '')}"
    return ["env", path, sys.executable, "-m", "latentmill.encoders.transformers", "--model", str(folder), *options]


@torch.no_grad()
def save(model, folder, processor, vq=None):
    """Weights away from the even ones of a new network; of vq's codes so that many of them occur."""
    dice = torch.Generator().manual_seed(1)
    for value in model.parameters():
        value += 0.05 * torch.randn(value.shape, generator=dice)
    if vq is not None:
        n = vq.config.num_embeddings
        colours = torch.rand((n, 3, 4, 4), generator=dice) * 2 - 1
        cells = vq.quant_conv(vq.encoder(torch.nn.functional.interpolate(colours, size=(64, 64))))
        vq.quantize.embedding.weight.copy_(cells[:, :, 1, 2])
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def clip(folder, whole=True):
    vision = transformers.CLIPVisionConfig(**TOWER, image_size=32, patch_size=8, projection_dim=20)
    if not whole:
        return save(transformers.CLIPVisionModelWithProjection(vision), folder, CLIP_STATISTICS)
    text = {**TOWER, "vocab_size": 99, "max_position_embeddings": 16}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision.to_dict(), projection_dim=20)
    return save(transformers.CLIPModel(config), folder, CLIP_STATISTICS)


def siglip(folder, head=True):
    vision = transformers.SiglipVisionConfig(**TOWER, image_size=48, patch_size=16, vision_use_head=head)
    if not head:
        return save(transformers.SiglipVisionModel(vision), folder, HALVES)
    text = {**TOWER, "vocab_size": 99, "max_position_embeddings": 16}
    config = transformers.SiglipConfig(text_config=text, vision_config=vision.to_dict())
    return save(transformers.SiglipModel(config), folder, HALVES)


def siglip2(folder):
    config = transformers.Siglip2VisionConfig(**TOWER, patch_size=16, num_patches=16)
    return save(transformers.Siglip2VisionModel(config), folder, HALVES)


def dinov2(folder, registers=0):
    tower = {name: TOWER[name] for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")}
    if registers:
        config = transformers.Dinov2WithRegistersConfig(**tower, image_size=70, patch_size=14,
                                                        num_register_tokens=registers)
        return save(transformers.Dinov2WithRegistersModel(config), folder, IMAGENET)
    config = transformers.Dinov2Config(**tower, image_size=70, patch_size=14)
    return save(transformers.Dinov2Model(config), folder, IMAGENET)


def vocabulary(codebook, seed=0):
    """A Chameleon's: its image tokens are IMGIMG, the code's digits as letters, and Z, in no order."""
    ids = list(range(4, 4 + codebook))
    random.Random(seed).shuffle(ids)
    names = ("".join("ABCDEFGHIJ"[int(digit)] for digit in str(code)) for code in range(codebook))
    said = {f"IMGIMG{name}Z": id for name, id in zip(names, ids)}
    return {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, **said, "<image>": 4 + codebook}


def chameleon(folder, whole=True, codebook=64, words=None, processor=ONES):
    """whole: with a language model beside it, and a vocabulary (words: another one)."""
    vq = {"embed_dim": 8, "num_embeddings": codebook, "latent_channels": 8, "resolution": 64, "base_channels": 32,
          "channel_multiplier": [1, 1, 1, 1, 1], "num_res_blocks": 1}
    torch.manual_seed(2)
    if not whole:
        model = ChameleonVQVAE(ChameleonVQVAEConfig(**vq))
        return save(model, folder, processor, model)
    words = words or vocabulary(codebook)
    config = transformers.ChameleonConfig(
        vocab_size=max(words.values()) + 1, hidden_size=32, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, vq_config=vq, vocabulary_map=words)
    model = transformers.ChameleonForConditionalGeneration(config)
    return save(model, folder, processor, model.model.vqmodel)


def processed(name, folder, rgb):
    """pixel_values (n, 3, H, W) of fitted images as transformers' own processor in NumPy makes them."""
    kind = getattr(transformers, f"{name}Pil", None) or getattr(transformers, name)
    processor = kind.from_pretrained(folder)
    return torch.cat([processor(images=image, do_resize=False, do_center_crop=False, do_convert_rgb=False,
                                input_data_format="channels_last", return_tensors="pt")["pixel_values"]
                      for image in rgb])


@torch.inference_mode()
def distances(model, pixels):
    """Of each cell from each code, by the sum of the squares that rounding knows. (n, H, W, codes) float64"""
    cells = model.quant_conv(model.encoder(pixels)).permute(0, 2, 3, 1).double()[..., None, :]
    known = model.quantize.embedding.weight.double()
    return ((cells - known) ** 2).sum(-1) / ((cells ** 2).sum(-1) + (known ** 2).sum(-1).max())


def same_codes(codes, model, pixels):
    """codes are the model's own but where two are equally near."""
    codes = torch.from_numpy(codes.astype(np.int64))
    with torch.inference_mode():
        out = model.encode(pixels)
    wanted = (out[2] if isinstance(out, tuple) else out.image_tokens).view(codes.shape)
    far = distances(model, pixels)
    nearest = far.min(-1).values
    chosen = far.gather(-1, codes[..., None])[..., 0]
    assert (chosen - nearest).max() < MARGIN
    clear = far.sort(-1).values[..., 1] - nearest > MARGIN
    assert clear.float().mean() > 0.9, clear.float().mean()
    assert torch.equal(codes[clear], wanted[clear])
    assert len(wanted.unique()) > 8, wanted.unique()
