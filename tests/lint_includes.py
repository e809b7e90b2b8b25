# SPDX-License-Identifier: Apache-2.0
"""What tests/lint.sh asks of our own #include lines. usage: lint_includes.py RULE <C files, one a line

RULE is the name of a function below: it gives places and what is wrong there. A module is a
header with the sources of its name: ingest/tar.h and ingest/tar.c are ingest/tar. Tests may
include what they test.
"""
import re
import sys

INCLUDE = re.compile(r'[ \t]*#[ \t]*include[ \t]*"([^"]+)"')
SHARED_ROOMS = ("run", "store", "view", "cli")


def includes(files):
    """(file, line, header) of each #include of ours."""
    for file in files:
        with open(file, encoding="utf-8") as text:
            for number, line in enumerate(text, 1):
                if match := INCLUDE.match(line):
                    yield file, number, match[1]


def module(file):
    return re.sub(r"(\.inc)?\.(c|h|cc)$", "", file)


def reachable(graph, start):
    found, left = set(), [start]
    while left:
        for node in graph.get(left.pop(), ()):
            if node not in found:
                found.add(node)
                left.append(node)
    return found


def circles(files):
    """No module needs itself by way of others. Each circle is told once."""
    graph, where = {}, {}
    for file, line, header in includes(files):
        if module(file) != module(header):
            graph.setdefault(module(file), set()).add(module(header))
            where.setdefault((module(file), module(header)), f"{file}:{line}")
    reached = {node: reachable(graph, node) for node in graph}
    told = set()
    for node in sorted(graph):
        circle = sorted(other for other in reached[node] if node in reached.get(other, ()))
        if circle and node not in told:
            told.update(circle)
            arrows = [(a, b) for a in circle for b in sorted(graph[a]) if b in circle]
            yield where[arrows[0]], f"a circle of {len(circle)}: " + ", ".join(
                f"{a} -> {b}" for a, b in arrows)


def room(file):
    """The folder of tools/ that a file is in; "" for main.c and what stands beside it."""
    parts = file.split("/")
    return parts[1] if parts[0] == "tools" and len(parts) > 2 else ""


def arrows(files):
    """A command's headers are its own: no other command, and nothing below, includes them. What
    the commands share knows no command."""
    for file, line, header in includes(files):
        owner = room(header)
        if owner and owner not in SHARED_ROOMS and room(file) != owner:
            yield f"{file}:{line}", f"{header} is for tools/{owner}/ alone"
        if header == "tools/commands.h" and room(file) in SHARED_ROOMS:
            yield f"{file}:{line}", f"tools/{room(file)}/ knows no command"


def head_comment(file):
    with open(file, encoding="utf-8") as text:
        comment = re.match(r"/\*.*?\*/", text.read(), re.S)
    return " ".join(re.sub(r"\n \*/?", " ", comment[0]).split()) if comment else ""


def said_owner(file):
    """The folder whose files alone may include this header, as it says itself; else ""."""
    said = re.search(r"\binternal to ([a-z_]+/(?:[a-z_]+/)*)", head_comment(file), re.I)
    return said[1] if said else ""


def internal_headers(files):
    """A header that says "internal to FOLDER/" is included only from there."""
    owners = {file: said_owner(file) for file in files if file.endswith(".h")}
    for file, line, header in includes(files):
        if not file.startswith(owners.get(header, "")):
            yield f"{file}:{line}", f"{header} is internal to {owners[header]}"


def header_words(files):
    """A header says who may include it: "internal to FOLDER/", or "public:" behind its name. In
    tools/ its folder says it."""
    for file in files:
        if file.endswith(".h") and not file.startswith("tools/") and not said_owner(file):
            if f"{file} - public: " not in head_comment(file):
                yield f"{file}:1", 'says neither "public:" nor "internal to FOLDER/"'


def main():
    files = [file for file in sys.stdin.read().split() if not file.startswith("tests/")]
    for place, message in globals()[sys.argv[1]](files):
        print(f"{place}: {message}")


if __name__ == "__main__":
    main()
