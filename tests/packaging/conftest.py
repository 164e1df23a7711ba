"""The built wheel, in virtual environments that have nothing else but what it requires.

The environments are made by uv, from its cache and by hard links: the first one takes a few seconds, each other one
less than a second. The versions are the locked ones.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT

_SECONDS = 120  # an installation that takes longer hangs
_PIP_SETTINGS = {  # of the machine, which uv does not read
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
}


def _run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


def _index_settings() -> dict[str, str]:
    """Return the indexes of pip's settings in the variables of uv; of several packages pip takes the newest."""
    lines = _run(sys.executable, "-m", "pip", "config", "list").splitlines()
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for line in lines:
        name, _, value = line.partition("=")
        if variable := _PIP_SETTINGS.get(name.rpartition(".")[2]):
            found[variable] = value.strip("'").replace("\\n", " ")
    return found


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the files of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "-d", folder, "-t", "wheel")
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Returns the Python of an environment with the wheel, the named extras of it, and the packages of `beside`.

    An environment that was made before is returned again.
    """
    uv = Path(sys.executable).with_name("uv")
    settings = _index_settings()

    @cache
    def environment(*extras: str, beside: tuple[str, ...] = ()) -> Path:
        folder = tmp_path_factory.mktemp("-".join(("with", *extras)))
        python = folder / "bin" / "python"
        _run(uv, "venv", "-q", "--python", sys.executable, folder)
        requirement = f"user-gateway[{','.join(extras)}] @ {wheel.as_uri()}"
        constraints = ROOT / "requirements" / "dev.txt"
        _run(uv, "pip", "install", "-q", "--python", python, "-c", constraints, requirement, *beside, **settings)
        return python

    return environment
