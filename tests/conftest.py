"""Fixtures for all tests: the console script in a separate process, on real sockets."""

import fcntl
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from moved_time import MovedTime

from gateway.api.graphql.graphiql.build import find_node

ROOT = Path(__file__).parents[1]
GATEWAY = str(Path(sys.executable).with_name("gateway"))
SERVER = "GATEWAY_HTTP_SERVER"
FAST_PATH = "GATEWAY_FAST_PATH"
FROM_ENVIRONMENT = frozenset({SERVER, FAST_PATH})
"""The only settings that tests take from the environment, since the result of each is the same."""

if "TEST_FAST_PATH" in os.environ:
    os.environ[FAST_PATH] = os.environ["TEST_FAST_PATH"]
# By default an example fails that takes 200 ms, and a test whose examples take long to make.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")
_READY_TIMEOUT = 60.0  # seconds: a process that is not ready by then hangs


def pytest_collection_finish() -> None:
    """Leave out of garbage collections what was made until now: otherwise they take a third of the CPU of the tests."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True, slots=True)
class Running:
    """A process that is ready: its id, and its output until then."""

    pid: int
    printed: str

    def address(self, name: str) -> str:
        """Return the URL that was printed after a name; with the log in JSON, in the field of that name."""
        if self.printed.startswith("{"):
            ready = next(line for line in self.printed.splitlines() if '"event":"ready"' in line)
            return str(json.loads(ready)[name.lower()])
        found = re.search(rf"^\s*{re.escape(name)}[ =]+(http\S+)", self.printed, re.MULTILINE)
        assert found, f"no {name} in:\n{self.printed}"
        return found[1]


@contextmanager
def command(*arguments: str, last: str, **environment: str) -> Iterator[Running]:
    """Run `gateway …` until the block ends; it is ready when it has printed a line that contains `last`."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_") or name in FROM_ENVIRONMENT
    }
    process = subprocess.Popen(
        [GATEWAY, *arguments],
        env=clean | environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    )
    assert process.stdout is not None
    previous_handler = signal.signal(signal.SIGALRM, lambda *_: process.kill())
    signal.setitimer(signal.ITIMER_REAL, _READY_TIMEOUT)
    printed = ""
    try:
        for line in process.stdout:
            printed += line
            if last in line:
                break
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert last in printed, f"`gateway {' '.join(arguments)}` ended early:\n{printed}"
        yield Running(process.pid, printed)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous_handler)
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def demo() -> Iterator[Running]:
    """`gateway demo`, shared by all tests that need no separate state."""
    with command("demo", "--http-port", "0", "--grpc-port", "0", "--no-rate-limits", last="{ user(") as running:
        yield running


@pytest.fixture(scope="session")
def gateway_url(demo: Running) -> str:
    """The base URL of the shared `gateway demo`."""
    return demo.address("GraphQL").removesuffix("/graphql")


@pytest.fixture
def moved_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[MovedTime]:
    """The time of the event loop, which the test moves on. A test that hangs fails, though no other limit ends it."""

    def fail(*_: object) -> None:
        raise TimeoutError("the test hangs")

    previous_handler = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, 60, 30)  # again: the first may be taken for a timeout of the gateway
    try:
        yield MovedTime(monkeypatch)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous_handler)


@pytest.fixture(scope="session")
def node_in() -> Callable[[Path], Path]:
    """Returns Node after installing the locked packages of a folder.

    One process installs at a time: `npm ci` begins by removing what another one has installed and uses already.
    """

    def installed(folder: Path) -> Path:
        node, npm = find_node()
        with (folder / "package-lock.json").open() as locked:
            fcntl.flock(locked, fcntl.LOCK_EX)
            if not (folder / "node_modules" / ".package-lock.json").is_file():
                path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
                install = [*npm, "ci", "--ignore-scripts", "--loglevel=error", "--prefer-offline"]
                try:
                    subprocess.run(install, cwd=folder, env=os.environ | {"PATH": path}, check=True, timeout=120)
                except BaseException:
                    shutil.rmtree(folder / "node_modules", ignore_errors=True)
                    raise
        return node

    return installed
