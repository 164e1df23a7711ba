"""An image without an engine: a small interpreter of docker/Dockerfile, and the image that it builds.

What it runs: FROM, ARG, ENV, WORKDIR, COPY and RUN, each stage in a folder of its own that begins empty, on
the files of the checkout that .dockerignore lets through. All stages are built at one path and moved away
when they end, so that a file which names its place (a venv's script) is right in the next stage, as in a
container, and whatever still reached for the stage before would not find it.

How it maps places: an absolute path in a value of ARG, ENV, WORKDIR or COPY lies below the stage's folder.
RUN's text is not touched, so it may hold no absolute path; it finds `python`, `sh` and `env` on PATH, nothing
else: neither Node nor a compiler. Python is the version that FROM names where this machine has it, else the
one that runs the tests; pip and npm have this machine's settings, as by the Dockerfile's secrets.

What it only notes, for the tests to look at or use: USER (nobody can be that user without an engine), EXPOSE,
STOPSIGNAL, HEALTHCHECK, ENTRYPOINT, CMD, LABEL, and RUN's cache and secret mounts. Any other instruction is an
error, never skipped.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RUN_SECONDS = 240  # an install that takes longer has hung


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: `flags` are its leading `--name=value`, `text` is the rest."""

    name: str
    flags: tuple[str, ...]
    text: str

    @property
    def pairs(self) -> dict[str, str]:
        """The `NAME=value` of ARG, ENV and LABEL; an ARG without a value is not among them."""
        return dict(word.split("=", 1) for word in shlex.split(self.text) if "=" in word)


@dataclass
class Stage:
    """What a stage has become: its files, and what its image says about running them."""

    base: str
    root: Path
    workdir: Path
    env: dict[str, str]
    args: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def expand(self, text: str) -> str:
        """Put in the variables."""
        return Template(text).substitute(self.args | self.env)

    def place(self, text: str) -> str:
        """Put in the variables and map absolute paths, also each of a PATH; a variable's is mapped already."""
        return self.expand(re.sub(r"(^|:)/(?!/)", rf"\1{self.root}/", text))

    def argv(self, name: str) -> list[str]:
        """ENTRYPOINT, CMD or HEALTHCHECK's command, in the form that needs no shell."""
        return json.loads(self.notes[name])


def parse(dockerfile: str) -> list[Instruction]:
    """Split a Dockerfile into its instructions: comments out, continued lines joined."""
    lines = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    found = []
    for line in lines.replace("\\\n", "").splitlines():
        name, _, rest = line.strip().partition(" ")
        words = rest.split()
        flags = tuple(words[: next((at for at, word in enumerate(words) if not word.startswith("--")), 0)])
        for flag in flags:
            rest = rest.lstrip().removeprefix(flag)
        if name:
            found.append(Instruction(name, flags, rest.strip()))
    return found


def context_files() -> Iterator[str]:
    """The checkout's files that .dockerignore lets through: the last pattern that matches decides."""
    lines = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()]
    rules = [(not line.startswith("!"), line.lstrip("!")) for line in lines if line and not line.startswith("#")]
    kept = [pattern for ignored, pattern in rules if not ignored]

    def ignored(path: str) -> bool:
        parts = path.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]  # a folder's rule is its files'
        found = [out for out, pattern in rules if any(_matches(pattern, one) for one in above)]
        return bool(found) and found[-1]

    for folder, folders, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        # As the engine does: not into a folder that is ignored, unless a `!` pattern begins with it.
        folders[:] = [
            name
            for name in folders
            if not ignored((here / name).as_posix())
            or any(pattern.startswith(f"{(here / name).as_posix()}/") for pattern in kept)
        ]
        yield from (path for name in names if not ignored(path := (here / name).as_posix()))


def _matches(pattern: str, path: str) -> bool:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(meaning.get(part) or re.escape(part) for part in parts), path) is not None


class Builder:
    """Builds the stages of a Dockerfile below `work`."""

    def __init__(self, instructions: list[Instruction], work: Path) -> None:
        self.instructions = instructions
        self.work = work
        self.context = work / "context"
        self.stages: dict[str, Stage] = {}
        self._global: dict[str, str] = {}
        self._stage: Stage | None = None

    def build(self) -> Stage:
        """Run everything; gives the last stage, whose files stay where it was built. All else is deleted."""
        for path in context_files():
            (self.context / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, self.context / path)
        for instruction in self.instructions:
            self._do(instruction)
        assert self._stage is not None
        for gone in (self.context, *self.work.glob("was-*")):
            shutil.rmtree(gone)
        return self._stage

    def _do(self, it: Instruction) -> None:
        if it.name == "FROM":
            self._from(it)
        elif self._stage is None:
            assert it.name == "ARG", f"{it.name} before FROM"
            self._global |= it.pairs
        else:
            steps = {
                "ARG": self._arg,
                "ENV": _env,
                "WORKDIR": _workdir,
                "COPY": self._copy,
                "RUN": _run,
                "LABEL": _label,
            }
            steps |= dict.fromkeys(("USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"), _note)
            steps[it.name](it, self._stage)

    def _from(self, it: Instruction) -> None:
        base, _, name = Template(it.text).substitute(self._global).partition(" AS ")
        root = self.work / "root"
        if self._stage is not None:
            self._stage.root = root.rename(self.work / f"was-{len(self.stages)}")
        root.mkdir()
        self._stage = self.stages[name] = Stage(base, root, root, {"PATH": str(self._base_tools(base))})

    def _arg(self, it: Instruction, stage: Stage) -> None:
        given = it.pairs or {it.text: self._global[it.text]}
        stage.args |= {name: stage.place(value) for name, value in given.items()}

    def _base_tools(self, base: str) -> Path:
        """The base image's PATH: Python, and the two programs of Debian that a script may expect."""
        folder = self.work / "base"
        folder.mkdir(exist_ok=True)
        python = folder / "python"
        # A script and no link: a venv takes its Python's own folder for the place where the library is.
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(_python(base))} "$@"\n')
        python.chmod(0o755)
        for name in ("sh", "env"):
            if not (folder / name).exists():
                (folder / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
        return folder

    def _copy(self, it: Instruction, stage: Stage) -> None:
        *sources, target = it.text.split()
        into = stage.workdir / stage.place(target)
        source_root = self.context
        for flag in it.flags:
            source_root = self.stages[flag.removeprefix("--from=")].root
        for source in sources:
            # Another stage's files were at this stage's path and have been moved away since.
            path = source_root / Path(stage.place(source).removeprefix(f"{stage.root}/"))
            if path.is_dir():
                shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True)
            else:
                file = into / path.name if target.endswith("/") or len(sources) > 1 else into
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, file)


def _env(it: Instruction, stage: Stage) -> None:
    stage.env |= {name: stage.place(value) for name, value in it.pairs.items()}


def _workdir(it: Instruction, stage: Stage) -> None:
    stage.workdir = stage.workdir / stage.place(it.text)
    stage.workdir.mkdir(parents=True, exist_ok=True)


def _label(it: Instruction, stage: Stage) -> None:
    stage.notes |= {name: stage.expand(value) for name, value in it.pairs.items()}


def _note(it: Instruction, stage: Stage) -> None:
    stage.notes[it.name] = it.text.removeprefix("CMD ")  # HEALTHCHECK's command comes behind that word


def _run(it: Instruction, stage: Stage) -> None:
    assert all(re.match(r"--mount=type=(cache|secret),", flag) for flag in it.flags), it.flags
    absolute = [word for word in shlex.split(it.text) if word.startswith("/")]
    assert not absolute, f"RUN cannot be mapped: {absolute}"
    alien = re.compile(r"(GATEWAY|PYTHON|VIRTUAL_ENV|PYENV|NODE)")
    machine = {name: value for name, value in os.environ.items() if not alien.match(name)}
    done = subprocess.run(
        ["/bin/sh", "-c", it.text],
        cwd=stage.workdir,
        env=machine | stage.args | stage.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
        umask=0o022,
        check=False,
    )
    assert done.returncode == 0, f"RUN {it.text}\n{done.stdout[-4000:]}"


def _python(base: str) -> str:
    """An interpreter of the version in `python:3.13-slim`, else the one that the tests run on."""
    named = f"python{base.partition(':')[2].partition('-')[0]}"
    if found := shutil.which(named):
        asked = [found, "-c", "import pip, sys, venv; print(sys.executable)"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return answer.stdout.strip()
    return sys._base_executable  # type: ignore[attr-defined]  # no stub has it


@pytest.fixture(scope="session")
def instructions() -> list[Instruction]:
    """docker/Dockerfile, parsed."""
    return parse((ROOT / "docker/Dockerfile").read_text())


@pytest.fixture(scope="session")
def context() -> set[str]:
    """The files that an engine is sent."""
    return set(context_files())


@pytest.fixture(scope="session")
def image(instructions: list[Instruction], tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The runtime image, built once."""
    return Builder(instructions, tmp_path_factory.mktemp("image")).build()


@pytest.fixture(scope="session")
def services() -> dict[str, dict[str, Any]]:
    """The services of docker/compose.yaml."""
    return yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]
