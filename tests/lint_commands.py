# SPDX-License-Identifier: Apache-2.0
"""What tests/lint.sh asks of the lists that have a line for each command of tools/main.c.

Run in the tree's root. It gives places and what is wrong there.
"""
import re
from pathlib import Path

MAIN = "tools/main.c"
UNTRIED = {"bench"}  # measures: its output is another each time


def text_of(path):
    return Path(path).read_text(encoding="utf-8") if Path(path).exists() else ""


def commands():
    """(line, name) of each entry of commands[]."""
    for number, line in enumerate(text_of(MAIN).splitlines(), 1):
        if match := re.match(r' *\{"([a-z]+)", [a-z]+_main,', line):
            yield number, match[1]


def section(page, title):
    match = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", text_of(page), re.M | re.S)
    return match[1] if match else None


def lacking(name):
    """The lists that do not have this command."""
    if not re.search(rf"\b{name}/", section("CONTRIBUTING.md", "Rooms") or ""):
        yield '"Rooms" of CONTRIBUTING.md'
    if section("tools/README.md", name) is None:
        yield f'tools/README.md, as "## {name}"'
    if name not in UNTRIED and f'["{name}",' not in text_of("tests/faults/allocations.py"):
        yield "CASES of tests/faults/allocations.py"


for where, command in commands():
    for place in lacking(command):
        print(f"{MAIN}:{where}: {command} is not in {place}")
