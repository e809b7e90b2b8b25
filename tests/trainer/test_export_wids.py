# SPDX-License-Identifier: Apache-2.0
"""`latentmill export --format webdataset` in the hands of wids, which webdataset had before 1.0:
its index gives the same samples at random as the shards have."""

import json
import pathlib
import sys
import tempfile

from test_export_webdataset import check_sample, export_pairs

sys.path.append(str(pathlib.Path(sys.prefix) / "beside"))
try:
    import wids
except ImportError as missing:
    print(f"{missing.name} is not installed (tests/requirements-trainer-beside.txt)")
    sys.exit(77)


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        out, dumped = export_pairs(folder)
        data = wids.ShardListDataset(str(out / "wids-meta.json"), cache_dir=str(folder / "wids"), keep=True)
        assert len(data) == len(dumped)
        keys = set()
        for i in reversed(range(len(data))):
            sample = {field.lstrip("."): value for field, value in data[i].items()}
            if not isinstance(sample["json"], dict):
                sample["json"] = json.load(sample["json"])
            identity = (sample["json"]["name"], sample["__key__"])
            check_sample(sample, dumped[identity])
            keys.add(identity)
        assert keys == set(dumped)


if __name__ == "__main__":
    main()
