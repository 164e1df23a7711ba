"""Refuse names that docs/glossary.md retires, and two public classes of one name: `python tests/lint/names.py`.

Read are the names that `gateway/` defines: modules, classes, functions, parameters, attributes and variables. A name is
split at underscores and capitals; none of its parts may stand in the first column of the glossary's table of retired
words, but for the exact names that the glossary lists as staying. Generated code is not read.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ROW = re.compile(r"^\| *(.+?) *\| *(.+?) *\|$", re.MULTILINE)
_GENERATED = "_pb2"


class Glossary(NamedTuple):
    """Retired words with what to use instead, and the names that stay although they contain one."""

    retired: dict[str, str]
    staying: frozenset[str]


class Name(NamedTuple):
    """A name that a module defines: `text`, the class around it (empty where there is none), and its line."""

    text: str
    owner: str
    line: int


def read_glossary(text: str) -> Glossary:
    """Read the tables of the section "Retired words"."""
    section = text[text.index("## Retired words") :]
    tables = re.split(r"^\| *(\w+) *\|.*\|\n\|[-| ]+\|$", section, flags=re.MULTILINE)
    rows = {
        heading: _ROW.findall(body.partition("\n\n")[0])
        for heading, body in zip(tables[1::2], tables[2::2], strict=True)
    }
    retired = {word: instead for words, instead in rows["retired"] for word in words.split(", ")}
    return Glossary(retired, frozenset(name.strip("`") for name, _ in rows["name"]))


def names(tree: ast.Module) -> Iterator[Name]:
    """Each name that the module defines."""
    yield from _names(tree, "")


def _names(node: ast.AST, owner: str) -> Iterator[Name]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ClassDef(name=name):
                yield Name(name, owner, child.lineno)
                yield from _names(child, name)
                continue
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield Name(name, owner, child.lineno)
            case ast.arg(arg=name):
                yield Name(name, owner, child.lineno)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield Name(name, owner, child.lineno)
            case ast.alias(asname=str(name)):
                yield Name(name, owner, child.lineno)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield Name(name, owner, child.lineno)
        yield from _names(child, owner)


def retired_parts(name: str, glossary: Glossary) -> list[str]:
    """The retired words that a name contains."""
    return [part for part in map(str.lower, _PART.findall(name)) if part in glossary.retired]


def complaints(files: dict[str, str], glossary: Glossary) -> Iterator[str]:
    """What is wrong with the names of these files: path → source text."""
    classes: dict[str, list[str]] = defaultdict(list)
    for path, source in files.items():
        tree = ast.parse(source)
        module = Path(path).parent.name if path.endswith("__init__.py") else Path(path).stem
        for name in (Name(module, "", 1), *names(tree)):
            if {name.text, f"{name.owner}.{name.text}"} & glossary.staying:
                continue
            for word in retired_parts(name.text, glossary):
                yield f"{path}:{name.line}: {name.text} contains the retired word {word!r}: {glossary.retired[word]}"
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(f"{path}:{node.lineno}")
    for name, places in classes.items():
        if len(places) > 1:
            yield f"{places[0]}: {name} is also the name of the class at {', '.join(places[1:])}"


def main() -> None:
    """Print every complaint; exit 1 where there is one."""
    glossary = read_glossary((ROOT / "docs/glossary.md").read_text())
    paths = sorted(path for path in (ROOT / "gateway").rglob("*.py") if _GENERATED not in path.stem)
    found = list(complaints({str(path.relative_to(ROOT)): path.read_text() for path in paths}, glossary))
    print(*found, sep="\n", end="\n" if found else "")  # noqa: T201 - a command prints
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
