"""The tests of examples/bff pass where a reader runs them: with the wheel, without any extra."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from conftest import ROOT

BESIDE = ("fastapi", "httpx2", "itsdangerous", "pytest", "pytest-asyncio")  # as examples/README.md installs them


def test_the_example(installed: Callable[..., Path], tmp_path: Path) -> None:
    """The back end for a front end works, and its tests find the fixtures of the installed package."""
    python = installed(beside=BESIDE)
    shutil.copytree(ROOT / "examples/bff", tmp_path / "bff", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "bff",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 passed" in done.stdout
