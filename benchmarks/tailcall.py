"""Configures Tailcall, and fetches the newer C library that its binary needs beside that of Debian."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.operations import Lookups
from benchmarks.source_responses import CREDENTIALS

__all__ = ["GLIBC", "command", "configuration", "fetch_glibc"]

_HERE = Path(__file__).parent
GLIBC = _HERE / "glibc"
_LIBRARIES = GLIBC / "usr" / "lib" / "x86_64-linux-gnu"
_BINARY = _HERE / "peers" / "node_modules" / "@tailcallhq" / "core-linux-x64-gnu" / "bin" / "tailcall"
_TEMPLATE = _HERE / "peers" / "tailcall.graphql"
_RELEASE, _NEXT_RELEASE = "bookworm", "trixie"
_KEYS = 50  # of one kind in one request: one for each user
# Tailcall batches over requests: a different header separates their keys, and a batch is full with those of one.
_UNSHARED = (
    'poolIdleTimeout: 600, allowedHeaders: ["x-request-id"], '
    f'batch: {{delay: 1, maxSize: {_KEYS}, headers: ["x-request-id"]}}'
)
_TIMEOUT = 300  # seconds


def command(*arguments: str) -> list[str]:
    """Return the command of Tailcall, with the newer C library if it was fetched."""
    loader = _LIBRARIES / "ld-linux-x86-64.so.2"
    loader_command = [str(loader), "--library-path", str(_LIBRARIES)] if loader.exists() else []
    return [*loader_command, str(_BINARY), *arguments]


def configuration(port: int, sources: str, lookups: Lookups, keep: int = 0) -> str:
    """Return the configuration: lookups by id and shared, or by list and unshared; results are kept `keep` seconds."""
    by_list = lookups is Lookups.LISTS
    headers = dict(CREDENTIALS)
    changing = {**headers, "Content-Type": "application/json", "Idempotency-Key": "benchmark"}
    values = {
        "PORT": str(port),
        "SOURCES": sources,
        "UPSTREAM": _UNSHARED if by_list else "poolIdleTimeout: 600",
        "CACHE": f"@cache(maxAge: {keep * 1000})" if keep else "",
        "SHARED": "false" if by_list else "true",
        "HEADERS": _pairs(headers.items()),
        "CHANGING": _pairs(changing.items()),
        "USER": _pairs(_includes("user", "role", "department")),
        "INCLUDES": _pairs(_includes("user", "role", "department"))[1:-1],
        "ROLE": _lookup(f"{sources}/v1/identity/roles", ("owner", "permissions"), by_list=by_list),
        "DEPARTMENT": _lookup(f"{sources}/v1/operations/departments", ("location",), by_list=by_list),
    }
    text = _TEMPLATE.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def fetch_glibc() -> None:
    """Unpack the C library of the next Debian release into `glibc/`, unless Tailcall runs already.

    Raises:
        subprocess.CalledProcessError: apt could not fetch it.
    """
    if subprocess.run(command("--version"), capture_output=True, check=False).returncode == 0:  # noqa: S603 - the peer
        return
    work_folder = GLIBC / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "parts"):
        (work_folder / folder).mkdir(parents=True, exist_ok=True)
    for file in Path("/etc/apt/sources.list.d").glob("debian*"):  # the Debian mirrors of this machine
        (work_folder / "parts" / file.name).write_text(file.read_text().replace(_RELEASE, _NEXT_RELEASE))
    source_list = Path("/etc/apt/sources.list")
    (work_folder / "sources.list").write_text(
        source_list.read_text().replace(_RELEASE, _NEXT_RELEASE) if source_list.exists() else ""
    )
    apt = [
        "apt-get",
        "-qq",
        f"-oDir::Etc::sourcelist={work_folder / 'sources.list'}",
        f"-oDir::Etc::sourceparts={work_folder / 'parts'}",
        f"-oDir::State::lists={work_folder / 'lists'}",
        f"-oDir::Cache={work_folder / 'cache'}",
        "-oAPT::Sandbox::User=root",
    ]
    _run([*apt, "update"], work_folder)
    _run([*apt, "download", "libc6", "libgcc-s1"], work_folder)
    for package in work_folder.glob("*.deb"):
        _run(["dpkg-deb", "-x", str(package), str(GLIBC)], work_folder)
    shutil.rmtree(work_folder)


def _lookup(url: str, includes: Sequence[str], *, by_list: bool) -> str:
    if not by_list:
        return f'url: "{url}/{{{{.value.id}}}}", query: {_pairs(_includes(*includes))}'
    key = '{key: "id", value: "{{.value.id}}"}'
    return f'url: "{url}", query: [{key}, {_pairs(_includes(*includes))[1:-1]}], batchKey: ["data", "id"]'


def _includes(*names: str) -> list[tuple[str, str]]:
    return [("include[]", name) for name in names]


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return "[" + ", ".join(f'{{key: "{key}", value: "{value}"}}' for key, value in pairs) + "]"


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, check=True, timeout=_TIMEOUT)  # noqa: S603 - tools of Debian
