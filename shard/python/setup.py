# SPDX-License-Identifier: Apache-2.0
"""Builds latentmill._shard from the C sources of the tree that this folder is in.

setuptools does not reach outside of its folder, so they are copied: into the build's own
folder, and, for a source distribution, into csrc/, where they are found from then on.
Needs the headers of libzstd, xxHash and jansson.
"""

import re
import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
ROOT = HERE / "csrc" if (HERE / "csrc").exists() else HERE.parent.parent
NOT_READER = {"writer.c", "sink.c", "output.c"}


def c_files():
    """Relative to ROOT: what the extension is made of."""
    for folder in ("shard", "shard/file", "shard/index", "shard/python/native"):
        for path in sorted((ROOT / folder).glob("*.[ch]")):
            if path.name not in NOT_READER:
                yield path.relative_to(ROOT)


def version():
    text = (ROOT / "shard/version.h").read_text()
    return re.search(r'LATENTMILL_VERSION "(.+)"', text).group(1)


def copy_sources(to):
    for path in c_files():
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, to / path)


class BuildExt(build_ext):
    def build_extension(self, ext):
        csrc = Path(self.build_temp) / "csrc"
        copy_sources(csrc)
        ext.sources = [str(csrc / path) for path in c_files() if path.suffix == ".c"]
        ext.include_dirs = [str(csrc)]
        super().build_extension(ext)


class Sdist(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        copy_sources(Path(base_dir) / "csrc")


setup(
    version=version(),
    cmdclass={"build_ext": BuildExt, "sdist": Sdist},
    ext_modules=[
        Extension(
            "latentmill._shard",
            sources=[],
            libraries=["zstd", "xxhash", "jansson"],
            define_macros=[("_GNU_SOURCE", None), ("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=[
                "-std=c11",
                "-O3",
                "-pthread",
                "-ffp-contract=off",
                "-fvisibility=hidden",
            ],
            extra_link_args=["-pthread"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
