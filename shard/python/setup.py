# SPDX-License-Identifier: Apache-2.0
"""Builds latentmill._shard and latentmill._tokenizer from the C sources of the tree that this
folder is in.

setuptools does not reach outside of its folder, so they are copied: into the build's own
folder, and, for a source distribution, into csrc/, where they are found from then on.
Needs the headers of libzstd, xxHash and jansson; for the tokenizers those of SentencePiece, PCRE2
and utf8proc, too: where they are missing, the package is built without latentmill.Tokenizer.
"""

import re
import shutil
import subprocess
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
ROOT = HERE / "csrc" if (HERE / "csrc").exists() else HERE.parent.parent
NOT_READER = {"writer.c", "sink.c", "output.c", "py_tokenizer.c"}
TOKENIZER_NEEDS = ("base64.c", "buffer.c", "json_depth.c", "status.c", "valid_utf8.c")


def reader_files():
    """Relative to ROOT: what latentmill._shard is made of."""
    for folder in ("shard", "shard/file", "shard/index", "shard/python/native"):
        for path in sorted((ROOT / folder).glob("*.[ch]")):
            if path.name not in NOT_READER:
                yield path.relative_to(ROOT)


def tokenizer_files():
    """Relative to ROOT: what latentmill._tokenizer is made of, but for headers of shard/."""
    yield Path("shard/python/native/py_tokenizer.c")
    for name in TOKENIZER_NEEDS:
        yield Path("shard") / name
    for path in sorted((ROOT / "shard/tokenizer").rglob("*.*")):
        if path.name != "tokenizer_builtin.c":
            yield path.relative_to(ROOT)


FILES = {"latentmill._shard": reader_files, "latentmill._tokenizer": tokenizer_files}


def version():
    text = (ROOT / "shard/version.h").read_text()
    return re.search(r'LATENTMILL_VERSION "(.+)"', text).group(1)


def copy_sources(to):
    for path in {path for files in FILES.values() for path in files()}:
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, to / path)


class BuildExt(build_ext):
    def build_extension(self, ext):
        csrc = Path(self.build_temp) / "csrc"
        copy_sources(csrc)
        ext.sources = [str(csrc / path) for path in FILES[ext.name]() if path.suffix in (".c", ".cc")]
        ext.include_dirs = [str(csrc)]
        super().build_extension(ext)


class Sdist(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        copy_sources(Path(base_dir) / "csrc")


def sentencepiece_version():
    """Of the library that is linked: shard/tokenizer/spm/ names it."""
    try:
        return subprocess.run(["pkg-config", "--modversion", "sentencepiece"], check=True,
                              capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "of unknown version"


FLAGS = ["-pthread", "-ffp-contract=off", "-fvisibility=hidden"]
LIMITED = {
    "define_macros": [("_GNU_SOURCE", None), ("Py_LIMITED_API", "0x030B0000")],
    "py_limited_api": True,
}

setup(
    version=version(),
    cmdclass={"build_ext": BuildExt, "sdist": Sdist},
    ext_modules=[
        Extension(
            "latentmill._shard",
            sources=[],
            libraries=["zstd", "xxhash", "jansson"],
            extra_compile_args=["-std=c11", "-O3", *FLAGS],
            extra_link_args=["-pthread"],
            **LIMITED,
        ),
        Extension(
            "latentmill._tokenizer",
            sources=[],
            libraries=["sentencepiece", "pcre2-8", "utf8proc", "jansson", "xxhash"],
            extra_compile_args=["-O2", *FLAGS],
            language="c++",
            optional=True,
            define_macros=[*LIMITED["define_macros"],
                           ("SENTENCEPIECE_VERSION", f'"{sentencepiece_version()}"')],
            py_limited_api=True,
        ),
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
