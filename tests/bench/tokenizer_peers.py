# SPDX-License-Identifier: Apache-2.0
"""Tokenizes 10 kB documents of English, Japanese and code-like text with what users would pick instead, and with
latentmill, alternately, each in a process and on a thread of its own, and prints the ratios.

usage: [ALTERNATIONS=3] [ROWS=qwen2,...] python3 tests/bench/tokenizer_peers.py

Needs LATENTMILL_SHARED/data, and PyPI's tokenizers, tiktoken, sentencepiece (tests/requirements.txt), which run under
this interpreter. A figure is the median of its alternations, of which each is the best of three passes after one to warm
up. Rows: the patterns that have matchers by hand, over Qwen2.5's merges; a pattern that has none; CLIP; a SentencePiece
model; and, as the row `prepare`, that on JSON Lines (.zst) with two workers, against what `bench tokenizer` does with the
same documents on one thread.
"""
import base64
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
sys.path.insert(0, str(HERE.parent / "python"))
DATA = pathlib.Path(os.environ.get("LATENTMILL_SHARED", "../shared")).resolve() / "data"
SCRATCH = BUILD / "bench-tokenizers"
DOCUMENT = 10000
PREPARED = 60_000_000  # bytes of text at least, for a figure of prepare
ALTERNATIONS = int(os.environ.get("ALTERNATIONS", "3"))


def documents(path):
    """As `latentmill bench tokenizer` cuts them."""
    data, start = pathlib.Path(path).read_bytes(), 0
    while start < len(data):
        end = min(start + DOCUMENT, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end].decode()
        start = end


def encoder(peer, path):
    """text -> ids, as its library's users call it."""
    if peer == "tokenizers":
        import tokenizers
        made = tokenizers.Tokenizer.from_file(path)
        made.encode_special_tokens = True
        return lambda text: made.encode(text, add_special_tokens=False).ids
    if peer == "tokenizers fast":  # without offsets, which no one here needs
        import tokenizers
        made = tokenizers.Tokenizer.from_file(path)
        made.encode_special_tokens = True
        return lambda text: made.encode_batch_fast([text], add_special_tokens=False)[0].ids
    if peer == "tiktoken":
        import tiktoken
        about = json.loads(pathlib.Path(path).read_text())
        ranks = {base64.b64decode(piece): rank for piece, rank in about["ranks"].items()}
        return tiktoken.Encoding("bench", pat_str=about["pattern"], mergeable_ranks=ranks, special_tokens={}).encode_ordinary
    import sentencepiece
    return sentencepiece.SentencePieceProcessor(model_file=path).encode


def run_as_peer(peer, path, text):
    """MB/s of the best of three passes."""
    encode, texts = encoder(peer, path), list(documents(text))
    n_bytes = sum(len(one.encode()) for one in texts)
    best = 1e9
    for _ in range(4):
        start = time.perf_counter()
        for one in texts:
            encode(one)
        best = min(best, time.perf_counter() - start)
    print(n_bytes / best / 1e6)


def peer_rate(peer, path, text):
    environment = dict(os.environ, TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, "--peer", peer, path, text], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def our_rate(path, text):
    done = subprocess.run([BUILD / "latentmill", "bench", "--json", "--repeats", "3", "--tokenizer", path, "tokenizer", text],
                          stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)["tokenizer"]["megabytes_per_second_best"]


def write_texts():
    code = b"".join(path.read_bytes() for folder in ("ingest", "shard", "tools", "vae_encode") for path in sorted(pathlib.Path(folder).rglob("*.[ch]")))
    texts = {"English": (DATA / "spm/botchan.txt").read_bytes(), "Japanese": (DATA / "spm/wagahaiwa_nekodearu.txt").read_bytes(), "code": code}
    for name, data in texts.items():
        (SCRATCH / f"{name}.txt").write_bytes(data)
    return {name: str(SCRATCH / f"{name}.txt") for name in texts}


def write_tokenizers():
    """{row: {peer: its file}}, latentmill's beside them."""
    import tokenizer_files
    from test_tokenizer_tiktoken import ranks_of
    qwen = json.loads((DATA / "tokenizers/qwen2.5/tokenizer.json").read_text())
    ranks = {base64.b64encode(piece).decode(): rank for piece, rank in ranks_of(qwen).items()}
    patterns = {"qwen2": tokenizer_files.QWEN2, "gpt2": tokenizer_files.GPT2, "cl100k": tokenizer_files.CL100K, "o200k": tokenizer_files.O200K,
                "other": r"[^\r\n\p{L}\p{N}]?\p{L}{1,20}|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"}
    rows = {}
    for name, pattern in patterns.items():
        file = dict(qwen, pre_tokenizer=tokenizer_files.sequence(tokenizer_files.split(pattern), tokenizer_files.byte_level(False)))
        paths = [SCRATCH / f"{name}.json", SCRATCH / f"{name}-tiktoken.json"]
        paths[0].write_text(json.dumps(file))
        paths[1].write_text(json.dumps({"pattern": pattern, "ranks": ranks}))
        rows[name] = {"latentmill": paths[0], "tokenizers": paths[0], "tokenizers fast": paths[0], "tiktoken": paths[1]}
    deepseek = dict(qwen, normalizer=None, pre_tokenizer=tokenizer_files.typical("deepseek-v3")["pre_tokenizer"])
    (SCRATCH / "deepseek.json").write_text(json.dumps(deepseek))
    clip = DATA / "tokenizers/clip/tokenizer.json"
    mistral = DATA / "spm/mistral-v1.model"
    rows["deepseek"] = dict.fromkeys(("latentmill", "tokenizers", "tokenizers fast"), SCRATCH / "deepseek.json")
    rows["clip"] = dict.fromkeys(("latentmill", "tokenizers", "tokenizers fast"), clip)
    rows["mistral"] = {"latentmill": mistral, "sentencepiece": mistral}
    return rows


def prepare_rate(path, text):
    """MB/s of a text, again and again, that prepare makes shards of, from .jsonl.zst with two workers, its start not counted."""
    lines, texts = SCRATCH / "documents.jsonl", list(documents(text))
    n_bytes = sum(len(one.encode()) for one in texts)
    passes = -(-PREPARED // n_bytes)
    with open(lines, "w", encoding="utf-8") as out:
        for _ in range(passes):
            for one in texts:
                out.write(json.dumps({"text": one}, ensure_ascii=False) + "\n")
    subprocess.run(["zstd", "-q", "-f", lines], check=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        times = {}
        for limit in ("1", None):
            start = time.perf_counter()
            subprocess.run([BUILD / "latentmill", "prepare", "--quiet", "--workers", "2", "--tokenizer", path, "--out", f"{folder}/{limit}",
                            *(["--limit", limit] if limit else []), f"{lines}.zst"], check=True, stderr=subprocess.DEVNULL)
            times[limit] = time.perf_counter() - start
    return passes * n_bytes / (times[None] - times["1"]) / 1e6


def compare_prepare(texts):
    """Of the same documents: each text's, and all of them in one input."""
    qwen, joined = DATA / "tokenizers/qwen2.5/tokenizer.json", SCRATCH / "all.txt"
    joined.write_bytes(b"".join(pathlib.Path(text).read_bytes() for text in texts.values()))
    for name, text in {**texts, "all": str(joined)}.items():
        pairs = [(our_rate(qwen, text), prepare_rate(qwen, text)) for _ in range(ALTERNATIONS)]
        alone, whole = (statistics.median(some) for some in zip(*pairs))
        print(f"prepare   {name:9} {whole:7.1f} MB/s, {whole / alone:5.2f} times bench tokenizer on one thread ({alone:.1f})", flush=True)


def main():
    SCRATCH.mkdir(parents=True, exist_ok=True)
    texts, rows = write_texts(), write_tokenizers()
    chosen = os.environ.get("ROWS", "").split(",")
    for row, files in rows.items():
        if chosen != [""] and row not in chosen:
            continue
        for name, text in texts.items():
            figures = {peer: [] for peer in files}
            for _ in range(ALTERNATIONS):
                for peer, path in files.items():
                    figures[peer].append(our_rate(path, text) if peer == "latentmill" else peer_rate(peer, path, text))
            middle = {peer: statistics.median(some) for peer, some in figures.items()}
            best = max((peer for peer in middle if peer != "latentmill"), key=middle.get)
            print(f"{row:9} {name:9} {middle['latentmill']:7.1f} MB/s, {middle['latentmill'] / middle[best]:5.2f} times {best} "
                  f"({', '.join(f'{peer} {rate:.1f}' for peer, rate in middle.items() if peer != 'latentmill')})", flush=True)
    if chosen == [""] or "prepare" in chosen:
        compare_prepare(texts)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        run_as_peer(*sys.argv[2:])
    else:
        main()
