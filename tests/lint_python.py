# SPDX-License-Identifier: Apache-2.0
"""tests/lint_python.py - who may reach into whom in the Python package.

usage: tests/lint_python.py RULE FOLDER     RULE: private_members, package_arrows

Prints "file:line: what is wrong". private_members: a name that begins with an underscore belongs
to its class or module: another object's is not touched, and another module's not imported.
package_arrows: a folder of the package imports those before it in FOLDERS alone, and says in its
__init__.py who may import it. tests/lint.sh runs it."""

import ast
import pathlib
import sys

EXTENSION = "_shard"  # the module in C, for all of the package; its stub names types so
OWN = {"self", "cls", EXTENSION}
OPEN = {"_fields", "_replace", "_asdict", "_make"}  # what a NamedTuple offers
FOLDERS = ("sources", "planning", "batches")


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name not in OPEN | {EXTENSION}


def private_members(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not (
                isinstance(node.value, ast.Name) and node.value.id in OWN):
            yield node.lineno, f"{ast.unparse(node)} is private to its class"
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                if node.level and is_private(one.name):
                    yield node.lineno, f"{one.name} is private to its module"


def imported_folders(tree):
    """(line, folder) of each import of the package's own, as from the package's root."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            names = [node.module] if node.module else [one.name for one in node.names]
            yield from ((node.lineno, name.split(".")[0]) for name in names)


def package_arrows(tree, folder, is_init):
    if folder == "":
        return
    if folder not in FOLDERS:
        yield 1, f"a folder that FOLDERS of tests/lint_python.py does not have: {folder}"
        return
    if is_init and "Internal to" not in (ast.get_docstring(tree) or ""):
        yield 1, "its docstring says what is in the folder and who may import it: Internal to ..."
    for line, other in imported_folders(tree):
        if other in FOLDERS[FOLDERS.index(folder):]:
            yield line, f"{folder} must not import {other}"


def main(rule, root):
    for path in sorted(pathlib.Path(root).rglob("*.py")):
        tree = ast.parse(path.read_bytes())
        folder = "/".join(path.relative_to(root).parts[:-1])
        found = private_members(tree) if rule == "private_members" else \
            package_arrows(tree, folder, path.name == "__init__.py")
        for line, what in found:
            print(f"{path}:{line}: {what}")


main(*sys.argv[1:])
