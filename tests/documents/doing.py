"""A reader at a terminal: pastes blocks, lets servers run, and compares what is printed with what the page shows."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from conftest import SERVER
from documents.reading import Block

from gateway.api.graphql.graphiql.build import find_node

__all__ = ["Reader", "reading"]

_TOP_LEVEL = """
import ast, asyncio, inspect, sys
code = compile(open(sys.argv[1]).read(), sys.argv[1], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
waiting = eval(code, {"__name__": "__main__"})
if inspect.iscoroutine(waiting): asyncio.run(waiting)
"""
_READY = re.compile(r"^(ready|:|watching)|Ready to accept|[Rr]unning on", re.MULTILINE)
_PORTS = re.compile(r"(?<![\w-])(8000|8001|50051|50052|8080|8100|6379)(?![\w-])")
_FOLLOWS = re.compile(r"(?:http|ws)://(127\.0\.0\.1:\d+\S*?)/graphql")
_PATIENCE = 20.0  # seconds: whatever has said nothing by then has hung


class Reader:
    """One reader in a folder of its own, where each port of the page stands for a free one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports: dict[str, int] = {}
        self._outputs: list[Path] = []
        self._running: list[subprocess.Popen[bytes]] = []
        self._followed: list[str] = []
        self._last = ""
        self._node = find_node()[0]

    def do(self, block: Block) -> None:
        """Run it, start it, or look whether what it shows is so."""
        text = _PORTS.sub(lambda found: str(self._port(found[1])), block.text)
        if block.language == "graphql":
            self._ask(text)
        elif block.use == "run":
            self._run(block, text)
        elif block.use == "background":
            self._start(block, text)
        elif block.language == "json" and not block.use:
            shown, got = json.loads(text), json.loads(self._last)
            assert alike(shown, got), f"line {block.line} shows {shown}, there was {got}"
        elif block.language == "text":
            self._wait_for(text, f"line {block.line}")

    def serve(self) -> None:
        """Start the gateway that a page takes for granted: the demo."""
        self.do(Block("sh", "background", "gateway demo", 0))

    def leave(self) -> None:
        """End what runs, the last first."""
        for process in reversed(self._running):
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _port(self, shown: str) -> int:
        if shown not in self._ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self._ports[shown] = free.getsockname()[1]
        return self._ports[shown]

    def _process(self, block: Block, text: str) -> subprocess.Popen[bytes]:
        name = f"{block.line}.{'mjs' if block.language == 'js' else block.language}"
        (self.folder / name).write_text(text)
        command = {
            "sh": ["bash", "-eu", name],
            "python": [sys.executable, "-c", _TOP_LEVEL, name],
            "js": [str(self._node), name],
        }[block.language]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_") or name == SERVER}
        own = {"GATEWAY_HTTP_PORT": self._port("8000"), "GATEWAY_GRPC_PORT": self._port("50051")}
        path = os.pathsep.join([str(Path(sys.executable).parent), str(self._node.parent), clean["PATH"]])
        output = self.folder / f"{block.line}.output"
        self._outputs.append(output)
        with output.open("wb") as file:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=clean | {name: str(port) for name, port in own.items()} | {"PATH": path},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that whatever it starts ends with it
            )

    def _run(self, block: Block, text: str) -> None:
        process = self._process(block, text)
        try:
            status = process.wait(_PATIENCE * 2)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._last = self._outputs[-1].read_text()
        assert status == 0, f"line {block.line}:\n{text}\n{self._last}"

    def _start(self, block: Block, text: str) -> None:
        process = self._process(block, text)
        self._running.append(process)
        output, end = self._outputs[-1], time.monotonic() + _PATIENCE
        while not _READY.search(output.read_text()):
            assert process.poll() is None, f"line {block.line} ended:\n{output.read_text()}"
            assert time.monotonic() < end, f"line {block.line} is not ready:\n{output.read_text()}"
            time.sleep(0.05)
        if follows := _FOLLOWS.search(text):
            self._wait_for_followers(f"http://{follows[1]}/metrics")

    def _wait_for_followers(self, metrics: str) -> None:
        """That a client is connected does not say that it is told of changes yet."""
        self._followed.append(metrics)
        wanted, end = f"gateway_event_subscribers {self._followed.count(metrics)}.0", time.monotonic() + _PATIENCE
        while wanted not in self._fetched(metrics):
            assert time.monotonic() < end, f"nobody follows at {metrics}"
            time.sleep(0.05)

    def _fetched(self, *curl: str) -> str:
        command = [shutil.which("curl") or "curl", "-sS", *curl]
        return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout

    def _ask(self, query: str) -> None:
        asked = [f"http://127.0.0.1:{self._port('8000')}/graphql", "--json", json.dumps({"query": query})]
        if query.startswith("subscription"):
            asked += ["-H", "Accept: text/event-stream", "--max-time", "0.5"]
        answer = self._fetched(*asked)
        assert "errors" not in answer, answer
        assert answer.startswith(("{", ":")), answer
        self._last = answer

    def _wait_for(self, shown: str, where: str) -> None:
        lines = [".*".join(map(re.escape, line.split("…"))) for line in shown.splitlines()]
        wanted = re.compile("(?:.*\n)*?.*".join(lines))
        end = time.monotonic() + _PATIENCE
        while not wanted.search(printed := "".join(output.read_text() for output in self._outputs)):
            assert time.monotonic() < end, f"{where}: not in\n{printed}"
            time.sleep(0.05)


def alike(shown: Any, got: Any) -> bool:
    """Whether that is what the page shows, … standing for anything in a text."""
    if isinstance(shown, dict):
        return isinstance(got, dict) and shown.keys() == got.keys() and all(alike(shown[k], got[k]) for k in shown)
    if isinstance(shown, list):
        return isinstance(got, list) and len(shown) == len(got) and all(map(alike, shown, got))
    if isinstance(shown, str) and "…" in shown:
        return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), str(got)) is not None
    return bool(shown == got)


@contextmanager
def reading(folder: Path) -> Iterator[Reader]:
    """A reader, who ends everything on leaving."""
    reader = Reader(folder)
    try:
        yield reader
    finally:
        reader.leave()
