# SPDX-License-Identifier: Apache-2.0
"""attention_mask() and flex_attention's mask function say the same; attention under both is one."""
import pathlib
import sys
import tempfile

try:
    import torch
    import torch.nn.functional as F
    from torch.nn.attention.flex_attention import create_mask
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from documents import make_documents, make_pairs

from latentmill import Dataset, attention_mask, flex_attention_mask


def main(folder):
    dataset = Dataset({"pairs": folder / "pairs", "text": folder / "text/shards"}, batch_size=2,
                      pack=300, patch=4)
    for batch, _ in zip(dataset, range(3)):
        batch = {name: torch.as_tensor(value) if hasattr(value, "dtype") else value
                 for name, value in batch.items()}
        batch["doc_ids"][0, -5:] = -1  # padding, which full sequences lack
        for full_span in ("patches", "with_markers"):
            mask = attention_mask(batch, full_span)
            assert mask.dtype == torch.bool and mask.shape == (2, 1, 300, 300)
            flex = create_mask(flex_attention_mask(batch, full_span), 2, 1, 300, 300, device="cpu")
            assert torch.equal(mask, flex)
            assert mask.diagonal(dim1=2, dim2=3).all(), "a position that attends to nothing"
        q = torch.randn(2, 1, 300, 8)
        assert F.scaled_dot_product_attention(q, q, q, attn_mask=mask).isfinite().all()
        try:
            attention_mask(batch, "images")
            raise AssertionError("an unknown full_span was taken")
        except ValueError:
            pass


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    make_pairs(where / "pairs")
    make_documents(where / "text")
    main(where)
