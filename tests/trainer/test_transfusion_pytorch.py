# SPDX-License-Identifier: Apache-2.0
"""The real transfusion-pytorch trains on our samples for a few steps."""
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    from transfusion_pytorch import Transfusion
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from documents import BUILD, make_documents, make_pairs

from latentmill import ShardReader, to_transfusion_pytorch


def first(folder):
    return ShardReader(sorted(folder.glob("*.lms"))[0])


def shapes(record):
    sample = to_transfusion_pytorch(record)
    order = [part.dtype for part in sample]
    image_first = record.order == "image_first"
    assert order == ([torch.float32, torch.int64] if image_first else [torch.int64, torch.float32])
    latent = sample[0 if image_first else 1]
    assert latent.shape == (32, 32, 8)
    expected = torch.from_numpy(record.latent_float32())
    assert torch.equal(latent.permute(2, 0, 1), expected)
    ids = sample[1 if image_first else 0]
    assert ids.tolist() == record.ids.tolist()
    chosen = to_transfusion_pytorch(record, caption=0, order="image_first", channel_first=True)
    assert chosen[0].shape == (8, 32, 32)
    assert chosen[1].tolist() == record.captions[0].ids.tolist()


def refused(what, *arguments, **options):
    try:
        to_transfusion_pytorch(*arguments, **options)
    except ValueError as error:
        assert what in str(error), error
        return
    raise AssertionError(f"accepted: {what}")


def refusals(folder, pair):
    """Records of several texts or images, or of other kinds, are not cut down to what fits."""
    count = len(pair.captions)
    refused(f"has {count} captions, not a caption {count}", pair, caption=count)
    try:
        to_transfusion_pytorch({"latent": None})
        raise AssertionError("no Record was taken")
    except TypeError as error:
        assert "takes a Record, not <class 'dict'>" in str(error), error
    refused("order is one of 'caption_first', 'image_first', not 'redraw'", pair, order="redraw")
    subprocess.run([BUILD / "tests/programs/write_shards", folder / "odd", "60", "9999999", "1000"],
                   check=True, stdout=subprocess.DEVNULL)
    taken = 0
    for record in ShardReader(folder / "odd-00000.lms"):
        kinds = [part.kind for part in record.parts]
        if set(kinds) <= {"text", "image", "data"} and kinds.count("text") <= 1 and kinds.count("image") <= 1:
            if record.images and record.latent is None:
                try:
                    to_transfusion_pytorch(record)
                    assert any(tensor.kind == "codes" for part in record.parts for tensor in part.tensors), record
                except ValueError as error:
                    assert "has an image without a latent" in str(error) or "has no token ids" in str(error), error
            else:
                taken += 1
        else:
            refused(f"has the parts {', '.join(map(str, kinds))}: ", record)
    assert 0 < taken < 60, taken


def trains(samples, vocabulary):
    torch.manual_seed(0)
    model = Transfusion(num_text_tokens=vocabulary, dim_latent=8, modality_default_shape=(4, 4),
                        transformer=dict(dim=64, depth=2, dim_head=16, heads=4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        loss = model(samples)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print("transfusion-pytorch:", " ".join(f"{loss:.2f}" for loss in losses))
    assert losses[-1] < 0.9 * losses[0]


def main(folder):
    pairs, texts = first(make_pairs(folder / "pairs")), first(make_documents(folder / "text"))
    for record in pairs:
        shapes(record)
    refusals(folder, pairs[0])
    # 64 positions an image are enough for a short run: every fourth cell.
    samples = [[part if part.dtype == torch.int64 else part[::4, ::4].contiguous()
                for part in to_transfusion_pytorch(record)] for record in list(pairs)[:4]]
    document = to_transfusion_pytorch(texts[0])
    assert len(document) == 1 and document[0].tolist() == texts[0].ids.tolist()
    trains([*samples, document], pairs.header["tokenizer"]["n_pieces"])


with tempfile.TemporaryDirectory() as temporary:
    main(pathlib.Path(temporary))
