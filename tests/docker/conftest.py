"""Builds the image without a container engine, by a small interpreter of docker/Dockerfile.

It executes FROM, ARG, ENV, WORKDIR, COPY and RUN, each stage in a separate folder that is empty at first, with the
files of the checkout that .dockerignore does not exclude. All stages are built at one path and moved away at their end.
So a file that contains its path (a script of a venv) is correct in the next stage, as in a container, and an access to
the path of an earlier stage fails.

An absolute path in a value of ARG, ENV, WORKDIR or COPY is mapped to a path below the folder of the stage. The text of
RUN is not changed, so it must not contain absolute paths; its PATH has `python`, `sh` and `env` only, and neither Node
nor a compiler. Python has the version of FROM if this machine has it, otherwise that of the tests. pip and npm have the
settings of this machine, which the secrets of the Dockerfile provide in a container.

USER (which requires an engine), EXPOSE, STOPSIGNAL, HEALTHCHECK, ENTRYPOINT, CMD, LABEL, and the cache and secret
mounts of RUN are only recorded for the tests. Any other instruction is an error.
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
RUN_SECONDS = 240  # an installation that takes longer hangs


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its leading `--name=value` in `flags`, the rest in `text`."""

    name: str
    flags: tuple[str, ...]
    text: str

    @property
    def pairs(self) -> dict[str, str]:
        """The pairs `NAME=value` of ARG, ENV and LABEL, without an ARG that has no value."""
        return dict(pair.split("=", 1) for pair in shlex.split(self.text) if "=" in pair)


@dataclass
class Stage:
    """A built stage: its files, and the recorded instructions."""

    base: str
    root: Path
    workdir: Path
    env: dict[str, str]
    args: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def expand(self, text: str) -> str:
        """Replace the variables in a text."""
        return Template(text).substitute(self.args | self.env)

    def map_paths(self, text: str) -> str:
        """Replace the variables in a text, and map its absolute paths; those in variables are mapped already."""
        return self.expand(re.sub(r"(^|:)/(?!/)", rf"\1{self.root}/", text))

    def argv(self, name: str) -> list[str]:
        """Return ENTRYPOINT, CMD or the command of HEALTHCHECK, from the form without a shell."""
        return json.loads(self.notes[name])


def parse(dockerfile: str) -> list[Instruction]:
    """Parse a Dockerfile into instructions, without comments and with continued lines joined."""
    lines = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    instructions = []
    for line in lines.replace("\\\n", "").splitlines():
        name, _, rest = line.strip().partition(" ")
        parts = rest.split()
        flags = tuple(parts[: next((index for index, part in enumerate(parts) if not part.startswith("--")), 0)])
        for flag in flags:
            rest = rest.lstrip().removeprefix(flag)
        if name:
            instructions.append(Instruction(name, flags, rest.strip()))
    return instructions


def context_files() -> Iterator[str]:
    """Yield the files of the checkout that .dockerignore does not exclude; the last matching pattern decides."""
    lines = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()]
    rules = [(not line.startswith("!"), line.lstrip("!")) for line in lines if line and not line.startswith("#")]
    kept = [pattern for ignored, pattern in rules if not ignored]

    def ignored(path: str) -> bool:
        parts = path.split("/")
        prefixes = [
            "/".join(parts[:depth]) for depth in range(1, len(parts) + 1)
        ]  # a rule of a folder is for its files
        matching = [excludes for excludes, pattern in rules if any(_matches(pattern, prefix) for prefix in prefixes)]
        return bool(matching) and matching[-1]

    for folder, folders, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        # As an engine does: an ignored folder is not entered, unless a `!` pattern starts with it.
        folders[:] = [
            name
            for name in folders
            if not ignored((here / name).as_posix())
            or any(pattern.startswith(f"{(here / name).as_posix()}/") for pattern in kept)
        ]
        yield from (path for name in names if not ignored(path := (here / name).as_posix()))


def _matches(pattern: str, path: str) -> bool:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    regexes = {"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(regexes.get(part) or re.escape(part) for part in parts), path) is not None


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
        """Execute all instructions, and return the last stage. All other files are deleted."""
        for path in context_files():
            (self.context / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, self.context / path)
        for instruction in self.instructions:
            self._execute(instruction)
        assert self._stage is not None
        for folder in (self.context, *self.work.glob("was-*")):
            shutil.rmtree(folder)
        return self._stage

    def _execute(self, it: Instruction) -> None:
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
        values = it.pairs or {it.text: self._global[it.text]}
        stage.args |= {name: stage.map_paths(value) for name, value in values.items()}

    def _base_tools(self, base: str) -> Path:
        """Create the PATH of the base image: Python, and the two programs of Debian that scripts need."""
        folder = self.work / "base"
        folder.mkdir(exist_ok=True)
        python = folder / "python"
        # A script instead of a link: a venv expects the library beside its Python.
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(_python(base))} "$@"\n')
        python.chmod(0o755)
        for name in ("sh", "env"):
            if not (folder / name).exists():
                (folder / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
        return folder

    def _copy(self, it: Instruction, stage: Stage) -> None:
        *sources, target = it.text.split()
        into = stage.workdir / stage.map_paths(target)
        source_root = self.context
        for flag in it.flags:
            source_root = self.stages[flag.removeprefix("--from=")].root
        for source in sources:
            # The files of another stage were at the path of this one, and have been moved.
            path = source_root / Path(stage.map_paths(source).removeprefix(f"{stage.root}/"))
            if path.is_dir():
                shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True)
            else:
                file = into / path.name if target.endswith("/") or len(sources) > 1 else into
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, file)


def _env(it: Instruction, stage: Stage) -> None:
    stage.env |= {name: stage.map_paths(value) for name, value in it.pairs.items()}


def _workdir(it: Instruction, stage: Stage) -> None:
    stage.workdir = stage.workdir / stage.map_paths(it.text)
    stage.workdir.mkdir(parents=True, exist_ok=True)


def _label(it: Instruction, stage: Stage) -> None:
    stage.notes |= {name: stage.expand(value) for name, value in it.pairs.items()}


def _note(it: Instruction, stage: Stage) -> None:
    stage.notes[it.name] = it.text.removeprefix("CMD ")  # the command of HEALTHCHECK follows this name


def _run(it: Instruction, stage: Stage) -> None:
    assert all(re.match(r"--mount=type=(cache|secret),", flag) for flag in it.flags), it.flags
    absolute = [argument for argument in shlex.split(it.text) if argument.startswith("/")]
    assert not absolute, f"RUN cannot be mapped: {absolute}"
    excluded = re.compile(r"(GATEWAY|PYTHON|VIRTUAL_ENV|PYENV|NODE)")
    machine = {name: value for name, value in os.environ.items() if not excluded.match(name)}
    completed = subprocess.run(
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
    assert completed.returncode == 0, f"RUN {it.text}\n{completed.stdout[-4000:]}"


def _python(base: str) -> str:
    """Return an interpreter of the version in e.g. `python:3.13-slim`, else the one of the tests."""
    name = f"python{base.partition(':')[2].partition('-')[0]}"
    if found := shutil.which(name):
        command = [found, "-c", "import pip, sys, venv; print(sys.executable)"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return result.stdout.strip()
    return sys._base_executable  # type: ignore[attr-defined]  # no stub has it


@pytest.fixture(scope="session")
def instructions() -> list[Instruction]:
    """The instructions of docker/Dockerfile."""
    return parse((ROOT / "docker/Dockerfile").read_text())


@pytest.fixture(scope="session")
def context() -> set[str]:
    """The files that are sent to an engine."""
    return set(context_files())


@pytest.fixture(scope="session")
def image(instructions: list[Instruction], tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The runtime image, built once."""
    return Builder(instructions, tmp_path_factory.mktemp("image")).build()


@pytest.fixture(scope="session")
def services() -> dict[str, dict[str, Any]]:
    """The services of docker/compose.yaml."""
    return yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]
