"""A sandbox for each test, and runs of pytest in other projects."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from gateway.testing import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def run_tests_in(tmp_path: Path) -> Callable[..., str]:
    """Runs pytest in a folder, with the package of this checkout and its entry points; returns what it prints."""
    entry_points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    metadata = tmp_path / "installed" / "user_gateway_of_this_folder-0.dist-info"
    metadata.mkdir(parents=True)
    lines = [f"{name} = {module}" for name, module in entry_points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: user-gateway-of-this-folder\nVersion: 0\n")
    path = os.pathsep.join([str(metadata.parent), str(ROOT)])

    def run(folder: Path, *options: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout + done.stderr

    return run
