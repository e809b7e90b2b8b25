# SPDX-License-Identifier: Apache-2.0
"""tests/bench/peers.py where the CPU has no bf16 instructions, which leaves some peers out: on
rows whose figures are made up."""
import contextlib
import io
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import peers  # noqa: E402


def printed(row, figures):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        peers.print_row(row, figures)
    return [line.split() for line in out.getvalue().splitlines()]


def row(asked):
    return peers.Row("sd-256", 1, None, asked)


FP32 = ("fastest fp32", "latentmill", peers.is_fp32, 2.5)
BF16 = ("fastest bf16", "latentmill", peers.is_bf16, 1.4)


def test_a_row_with_both():
    lines = printed(row([FP32, BF16]), [{"latentmill": 3, "a-fp32": 1, "b-fp32": 0.5,
                                         "a-bf16": 2}])
    assert lines[0] == "sd-256 fastest fp32 a-fp32 1.000 3.000 3.00 2.50".split(), lines
    assert lines[1] == "sd-256 fastest bf16 a-bf16 2.000 3.000 1.50 1.40".split(), lines


def test_a_row_without_bf16_says_so():
    lines = printed(row([FP32, BF16]), [{"latentmill": 3, "a-fp32": 1}])
    assert lines[0][-2:] == ["3.00", "2.50"], lines
    assert " ".join(lines[1]).startswith(
        "sd-256 fastest bf16 none was measured"), lines
    # Measured once, but not in every alternation: no median.
    lines = printed(row([BF16]), [{"latentmill": 3, "a-bf16": 1}, {"latentmill": 3}])
    assert "none was measured" in " ".join(lines[0]), lines


def test_only_bf16_lacks_instructions():
    has = peers.has_bf16
    peers.has_bf16 = lambda: False
    try:
        lines = [" ".join(words) for words in printed(row([FP32, BF16]), [{"latentmill": 3}])]
        assert lines[0].endswith("fastest fp32 none was measured"), lines
        assert lines[1].endswith("fastest bf16 none was measured: this CPU has no bf16 instructions"), lines
        peers.has_bf16 = lambda: True
        lines = printed(row([BF16]), [{"latentmill": 3}])
        assert lines[0][-3:] == ["none", "was", "measured"], lines
    finally:
        peers.has_bf16 = has


def test_the_fastest_of_each_precision_is_run_again():
    assert peers.fastest({"a-fp32": 1, "b-fp32": 2, "c-bf16": 3}) == ["b-fp32", "c-bf16"]
    assert peers.fastest({"a-fp32": 1}) == ["a-fp32"]
    assert peers.fastest({}) == []


def test_the_instructions_are_looked_for():
    assert peers.has_bf16("flags : fpu avx512f avx512_bf16 sha_ni\n")
    assert peers.has_bf16("flags : amx_bf16 avx512f\n")
    assert not peers.has_bf16("flags : fpu avx2 avx512f avx512_vnni\n")


def test_the_whole_run_leaves_bf16_out():
    run, bench, has = peers.run_peer, peers.run_bench, peers.has_bf16
    asked = []

    def run_peer(*args, **env):
        asked.append(env["DTYPE"])
        return "e2e taesd fp32: 24 images 2.0 s 12.00 img/s\n"

    peers.run_peer = run_peer
    peers.run_bench = lambda *args: {"prepare": {"images_per_second": 36}}
    try:
        for able, dtypes in (False, ["fp32"]), (True, ["fp32", "bf16"]):
            asked.clear()
            peers.has_bf16 = lambda: able
            figures = peers.prepare("taesd", "x", 24)()
            assert asked == dtypes
            assert set(figures) == {"latentmill", *(f"e2e_peer {d}" for d in dtypes)}
    finally:
        peers.run_peer, peers.run_bench, peers.has_bf16 = run, bench, has


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
