# SPDX-License-Identifier: Apache-2.0
"""Makes the package below $BUILD importable: `import package` before latentmill.

An extension that was built with the address sanitizer wants its run-time library first in
the process, so the test is started again with it. PRELOADED: this is such a process; it
cannot fork while its threads allocate, nor spawn (what it starts is run without it)."""

import os
import subprocess
import sys

BUILD = os.environ.get("BUILD", "build")
sys.path.insert(0, os.path.abspath(f"{BUILD}/python"))

PRELOADED = os.environ.pop("LD_PRELOAD", None)
if not PRELOADED and "address" in os.environ.get("SANITIZE", ""):
    command = ["clang", "-print-file-name=libclang_rt.asan-x86_64.so"]
    library = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    options = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"  # Python's own
    environment = {**os.environ, "LD_PRELOAD": library.strip(), "ASAN_OPTIONS": options}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)
