"""The lock files: each package has hashes, and no file names a registry."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["run", "build", "dev"])
def test_every_package_has_hashes_and_no_address(name: str) -> None:
    """Each locked Python package has a version and hashes; the settings of the machine determine the index."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    packages = re.findall(r"^[a-z0-9][^ \n]*==[^\n]*(?:\n    --hash=[^\n]*)*", text, re.MULTILINE)
    assert len(packages) >= 20
    assert all("--hash=sha256:" in package for package in packages)
    assert not re.search(r"://|--(extra-)?index-url|--find-links", text)


def test_no_npm_lock_names_a_registry() -> None:
    """The Node packages are locked by hash, without a URL."""
    command = ["git", "ls-files", "*package-lock.json"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    locks = [json.loads((ROOT / name).read_text()) for name in listed.stdout.split()]
    assert len(locks) >= 5
    # The packages of a workspace are directories beside the lock, and links to them.
    packages = [
        package
        for lock in locks
        for where, package in lock["packages"].items()
        if "node_modules/" in where and not package.get("link")
    ]
    assert all("integrity" in package and "resolved" not in package for package in packages)
