"""Programs that use the public API pass mypy and pyright in their strict modes, against the built wheel.

Neither has a plugin or another setting. Checked are tests/types/, the programs in examples/, and those in the README
and the pages of docs/, except pages about the inside.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from conftest import ROOT
from documents.blocks import sections
from public_api import MODULES

NODE = ROOT / "tests/packaging/node"
TYPES = ROOT / "tests/types"
EXAMPLES = ROOT / "examples"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
INSIDE = {"compiled.md"}  # pages for contributors
BESIDE = (
    "fastapi",
    "httpx2",
    "itsdangerous",
    "opentelemetry-sdk",
    "pytest",
    "types-grpcio",
    "types-protobuf",
    "uvicorn",
)
EXPECTED = "# expect error"
IMPORT = re.compile(r"^\s*(?:from|import) (gateway\b[\w.]*)", re.MULTILINE)

Errors = dict[tuple[str, int], list[str]]
"""The messages of a type checker, by file and line."""


def _snippets() -> Iterator[tuple[str, str]]:
    """Yield the programs in the documents, each with a name that tells where it is."""
    for page in PAGES:
        if page.name in INSIDE:
            continue
        for section in sections(ROOT, page.relative_to(ROOT)):
            for block in section.blocks:
                if block.language == "python":
                    yield f"{page.stem}_{block.line}".replace("-", "_").lower(), block.text


def _examples() -> Iterator[Path]:
    for folder, folders, names in os.walk(EXAMPLES):
        # Not entered: another run of tests, beside this one, may be installing what is in it.
        folders[:] = sorted(set(folders) - {"node_modules"})
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _is_module(text: str) -> bool:
    """Return whether a program is valid without `python -m asyncio`, in which `await` may be at the top level."""
    try:
        compile(text, "program", "exec")
    except SyntaxError:
        return False
    return True


def _in_coroutine(text: str) -> str:
    """Return the program in a coroutine; what would be a global name, which other modules can use, is no unused one."""
    return f"# pyright: reportUnusedVariable=false\nasync def main() -> None:\n{indent(text, '    ')}"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all programs. They are no part of the checkout there, in which they would import its `gateway`."""
    folder = tmp_path_factory.mktemp("programs")
    shutil.copytree(TYPES, folder / "types", ignore=shutil.ignore_patterns("__pycache__"))
    for file in _examples():
        copied = folder / file.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copied)
    (folder / "documents").mkdir()
    for name, text in _snippets():
        (folder / "documents" / f"{name}.py").write_text(text if _is_module(text) else _in_coroutine(text))
    return folder


@pytest.fixture(scope="module")
def python(installed: Callable[..., Path]) -> Path:
    """The Python of an environment with the wheel, all its extras, and the libraries that the programs use."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return installed(*project["optional-dependencies"], beside=BESIDE)


def _roots(programs: Path) -> list[Path]:
    """Return the folders whose files import each other: an example may be a folder of its own."""
    nested = sorted({file.parent for file in (programs / "examples").glob("*/**/*.py")})
    return [programs / "types", programs / "documents", programs / "examples", *nested]


def mypy_errors(programs: Path, python: Path, cache: Path) -> Errors:
    """Return the errors of `mypy --strict`."""
    options = ["--strict", "--no-error-summary", "--hide-error-context", "--no-color-output", "--output=json"]
    errors: Errors = defaultdict(list)
    for root in _roots(programs):
        files = sorted(file.name for file in root.glob("*.py"))
        command = [sys.executable, "-m", "mypy", *options, "--python-executable", python, "--cache-dir", cache, *files]
        done = subprocess.run(
            list(map(str, command)), cwd=root, capture_output=True, text=True, check=False, timeout=120
        )
        assert not done.stderr, done.stderr
        for line in done.stdout.splitlines():
            found = json.loads(line)
            if found["severity"] == "error":
                errors[f"{root.name}/{found['file']}", found["line"]].append(found["message"])
    return errors


def pyright_errors(programs: Path, python: Path, node: Path) -> Errors:
    """Return the errors of pyright in its strict mode."""
    roots = [{"root": str(root.relative_to(programs))} for root in reversed(_roots(programs))]
    settings: dict[str, Any] = {"typeCheckingMode": "strict", "executionEnvironments": roots}
    (programs / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [node, NODE / "node_modules/pyright/index.js", "--pythonpath", python, "--outputjson", "."]
    done = subprocess.run(
        list(map(str, command)), cwd=programs, capture_output=True, text=True, check=False, timeout=120
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(list(programs.rglob("*.py")))
    errors: Errors = defaultdict(list)
    for found in report["generalDiagnostics"]:
        file = Path(found["file"])
        errors[f"{file.parent.name}/{file.name}", found["range"]["start"]["line"] + 1].append(found["message"])
    return errors


def _expected() -> set[tuple[str, int]]:
    return {
        (f"types/{file.name}", number)
        for file in TYPES.glob("*.py")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if EXPECTED in line
    }


def _check(errors: Errors) -> None:
    expected = _expected()
    assert len(expected) >= 12
    unexpected = [f"{file}:{line}: {errors[file, line]}" for file, line in sorted(errors.keys() - expected)]
    assert not unexpected, "\n".join(unexpected)
    missing = [f"{file}:{line}: no error" for file, line in sorted(expected - errors.keys())]
    assert not missing, "\n".join(missing)


def test_mypy(programs: Path, python: Path, tmp_path: Path) -> None:
    """`mypy --strict` without plugins reports the mistakes in tests/types/ that are marked, and nothing else."""
    _check(mypy_errors(programs, python, tmp_path))


def test_pyright(programs: Path, python: Path, node_in: Callable[[Path], Path]) -> None:
    """Pyright in its strict mode reports the same lines."""
    _check(pyright_errors(programs, python, node_in(NODE)))


def test_every_public_type_is_known(python: Path, node_in: Callable[[Path], Path], tmp_path: Path) -> None:
    """Of each public name pyright knows the whole type: no attribute is without a type or has one that is inferred."""
    node = node_in(NODE)
    command = [
        node,
        NODE / "node_modules/pyright/index.js",
        "--verifytypes",
        "gateway",
        "--ignoreexternal",
        "--outputjson",
    ]
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])  # by which pyright finds the environment
    environment = os.environ | {"PATH": path, "VIRTUAL_ENV": str(python.parents[1])}
    done = subprocess.run(
        list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    symbols = {symbol["name"]: symbol for symbol in json.loads(done.stdout)["typeCompleteness"]["symbols"]}
    names = [f"{name}.{each}" for name in MODULES for each in import_module(name).__all__]
    assert [name for name in names if not symbols[name]["isTypeKnown"] or symbols[name]["isTypeAmbiguous"]] == []


def _sources() -> dict[str, str]:
    files = [*_examples(), *TYPES.glob("*.py")]
    return dict(_snippets()) | {str(file.relative_to(ROOT)): file.read_text() for file in files}


def test_the_programs_are_found() -> None:
    """The programs of the README and of the pages for embedding programs are among those that are checked."""
    assert {"readme", "embedding", "testing", "grpc"} <= {name.rpartition("_")[0] for name, _ in _snippets()}


@pytest.mark.parametrize(("name", "text"), _sources().items(), ids=_sources())
def test_programs_import_public_modules(name: str, text: str) -> None:
    """The programs in examples/ and in the documents import nothing but the public modules."""
    for module in IMPORT.findall(text):
        assert module in MODULES, f"{name} imports {module}"
