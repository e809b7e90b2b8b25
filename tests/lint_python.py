# SPDX-License-Identifier: Apache-2.0
"""tests/lint_python.py - who may reach into whom in the Python package.

usage: tests/lint_python.py RULE FOLDER     RULE: private_members, package_arrows, python_circles

Prints "file:line: what is wrong". private_members: a name that begins with an underscore belongs
to its class or module: another object's is not touched, and another module's not imported.
package_arrows: of the folders in FOLDERS each imports only those before it, and says in its
__init__.py who may import it. python_circles: modules need each other in no circle; imports for
type checkers alone, or within a function, are not counted. tests/lint.sh runs it."""

import ast
import pathlib
import sys

from lint_includes import reachable

EXTENSION = "_shard"  # the module in C, for all of the package; its stub names types so
OWN = {"self", "cls", EXTENSION}
PACKAGE = "latentmill"
OPEN = {"_fields", "_replace", "_asdict", "_make"}  # what a NamedTuple offers
FOLDERS = ("encoders", "sources", "planning", "batches")


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name not in OPEN | {EXTENSION}


def private_members(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not (
                isinstance(node.value, ast.Name) and node.value.id in OWN):
            yield node.lineno, f"{ast.unparse(node)} is private to its class"
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                if is_own(node) and is_private(one.name):
                    yield node.lineno, f"{one.name} is private to its module"


def is_own(node):
    return node.level > 0 or (node.module or "").split(".")[0] == PACKAGE


def imported(node, parts):
    """Names, from the package's root on, of what an import of the package's own may load: modules,
    or what they hold. parts: of the importing file's path."""
    if isinstance(node, ast.Import):
        names = [one.name.split(".") for one in node.names]
        return [name[1:] for name in names if name[0] == PACKAGE]
    if not isinstance(node, ast.ImportFrom) or not is_own(node):
        return []
    module = node.module.split(".") if node.module else []
    base = [*parts[:len(parts) - node.level], *module] if node.level else module[1:]
    return [[*base, one.name] for one in node.names]


def imported_folders(tree, parts):
    """(line, folder) of each import of the package's own, as from the package's root."""
    for node in ast.walk(tree):
        yield from ((node.lineno, name[0]) for name in imported(node, parts) if name)


def at_run_time(nodes):
    """Import statements that run when the module is loaded."""
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not (
                isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from at_run_time(ast.iter_child_nodes(node))


def python_circles(trees):
    """trees: by path from the package's root. (path, what) of each circle."""
    modules = {tuple(path.with_suffix("").parts): path for path in trees}
    needs = {}
    for module, path in modules.items():
        names = [name for node in at_run_time(trees[path].body)
                 for name in imported(node, path.parts)]
        needs[module] = {tuple(name[:n]) for name in names for n in range(1, len(name) + 1)
                         if tuple(name[:n]) in modules} - {module}
    reached = {module: reachable(needs, module) for module in modules}
    told = set()
    for module in modules:
        circle = {one for one in reached[module] if module in reached[one]} - {module}
        if circle and module not in told:
            yield modules[module], "is in a circle of imports with " + ", ".join(
                sorted(".".join(one) for one in circle))
        told |= circle


def package_arrows(tree, folder, parts, is_init):
    if folder == "":
        return
    if folder not in FOLDERS:
        yield 1, f"a folder that FOLDERS of tests/lint_python.py does not have: {folder}"
        return
    if is_init and "Internal to" not in (ast.get_docstring(tree) or ""):
        yield 1, "its docstring says what is in the folder and who may import it: Internal to ..."
    for line, other in imported_folders(tree, parts):
        if other in FOLDERS[FOLDERS.index(folder) + 1:]:
            yield line, f"{folder} must not import {other}"


def main(rule, root):
    trees = {path.relative_to(root): ast.parse(path.read_bytes())
             for path in sorted(pathlib.Path(root).rglob("*.py"))}
    if rule == "python_circles":
        for path, what in python_circles(trees):
            print(f"{root}/{path}:1: {what}")
        return
    for path, tree in trees.items():
        folder = "/".join(path.parts[:-1])
        found = private_members(tree) if rule == "private_members" else \
            package_arrows(tree, folder, path.parts, path.name == "__init__.py")
        path = pathlib.Path(root) / path
        for line, what in found:
            print(f"{path}:{line}: {what}")


main(*sys.argv[1:])
