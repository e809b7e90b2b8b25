# SPDX-License-Identifier: Apache-2.0
"""What pip builds: a source distribution, and a wheel made of that, have all of the package."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

SOURCE = pathlib.Path("shard")
PACKAGE = SOURCE / "python/latentmill"
SETUPTOOLS = "setuptools>=77"  # of shard/python/pyproject.toml


def build(hook, project, out, tools):
    """The file that a hook of PEP 517 makes of a project."""
    code = f"from setuptools import build_meta as b; print(b.{hook}({str(out)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(tools)})
    assert done.returncode == 0, done.stdout + done.stderr
    return out / done.stdout.split()[-1]


def package():
    """Paths of its files, from the folder above it on."""
    return {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*")
            if path.suffix in (".py", ".pyi", ".typed")}


def main(folder):
    tools, tree = folder / "tools", folder / "tree"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "20"]
    if subprocess.run([*pip, "install", "-q", "--target", tools, SETUPTOOLS], stderr=subprocess.DEVNULL
                      ).returncode:
        print(f"no {SETUPTOOLS} from PyPI (no network?)")
        return 77
    shutil.copytree(SOURCE, tree / SOURCE, ignore=shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__"))
    sdist = build("build_sdist", tree / SOURCE / "python", folder, tools)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked")
    shutil.rmtree(tree)  # the wheel is made of the distribution alone
    project, = (folder / "unpacked").iterdir()
    wheel = build("build_wheel", project, folder, tools)
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        archive.extractall(folder / "installed")
    assert names == package() | {"latentmill/_shard.abi3.so", "latentmill/_tokenizer.abi3.so"}, names ^ package()
    subprocess.run([sys.executable, "-c", "import latentmill; latentmill.Dataset"], check=True,
                   cwd=folder / "installed")
    return 0


with tempfile.TemporaryDirectory() as folder:
    sys.exit(main(pathlib.Path(folder).resolve()))
