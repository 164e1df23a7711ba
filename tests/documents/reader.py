"""Executes the blocks of a document as a reader at a terminal does, and compares the output with the document."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from conftest import SERVER
from documents.blocks import Block
from ports import free_port

from gateway.api.graphql.graphiql.build import find_node

__all__ = ["Reader", "running_reader"]

_RUN_WITH_TOP_LEVEL_AWAIT = """
import ast, asyncio, inspect, sys
code = compile(open(sys.argv[1]).read(), sys.argv[1], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
coroutine = eval(code, {"__name__": "__main__"})
if inspect.iscoroutine(coroutine): asyncio.run(coroutine)
"""
_READY = re.compile(r"^(ready|:|\{\}|watching)|Ready to accept|[Rr]unning on", re.MULTILINE)
_PORTS = re.compile(r"(?<![\w-])(8000|8001|50051|50052|8080|8100|6379|9464)(?![\w-])")
_SUBSCRIPTION_URL = re.compile(r"(?:http|ws)://(127\.0\.0\.1:\d+\S*?)/graphql")
_TIMEOUT = 20.0  # seconds: a program without output by then hangs
_CURL = [shutil.which("curl") or "curl", "-sS"]


class Reader:
    """Executes blocks in a folder; each port number in the document is replaced by a free port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports: dict[str, int] = {}
        self._outputs: list[Path] = []
        self._running: list[subprocess.Popen[bytes]] = []
        self._metrics_urls: list[str] = []
        self.last_output = ""
        self._node = find_node()[0]

    def do(self, block: Block) -> None:
        """Execute a block, or compare it with the output so far."""
        text = _PORTS.sub(lambda found: str(self.port(found[1])), block.text)
        if block.language == "graphql":
            self._execute(text)
        elif block.use == "run":
            self._run(block, text)
        elif block.use == "background":
            self._start(block, text)
        elif block.language == "json" and not block.use:
            expected, actual = json.loads(text), json.loads(self.last_output)
            assert matches(expected, actual), f"line {block.line} shows {expected}, there was {actual}"
        elif block.language == "text":
            self._wait_for(text, f"line {block.line}")

    def serve(self) -> None:
        """Start the demo, for sections that start no gateway."""
        self.do(Block("sh", "background", "gateway demo", 0))

    def stop(self) -> None:
        """Stop all running programs, the last one first."""
        for process in reversed(self._running):
            with suppress(ProcessLookupError):  # the program may have ended already
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(_TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def port(self, documented: str) -> int:
        """Return the free port that replaces a port number of the document."""
        if documented not in self._ports:
            self._ports[documented] = free_port()
        return self._ports[documented]

    def _process(self, block: Block, text: str) -> subprocess.Popen[bytes]:
        name = f"{block.line}.{'mjs' if block.language == 'js' else block.language}"
        (self.folder / name).write_text(text)
        command = {
            "sh": ["bash", "-eu", name],
            "python": [sys.executable, "-c", _RUN_WITH_TOP_LEVEL_AWAIT, name],
            "js": [str(self._node), name],
        }[block.language]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_") or name == SERVER
        }
        ports = {"GATEWAY_HTTP_PORT": self.port("8000"), "GATEWAY_GRPC_PORT": self.port("50051")}
        path = os.pathsep.join([str(Path(sys.executable).parent), str(self._node.parent), environment["PATH"]])
        output = self.folder / f"{block.line}.output"
        self._outputs.append(output)
        with output.open("wb") as file:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment | {name: str(port) for name, port in ports.items()} | {"PATH": path},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its child processes are stopped with it
            )

    def _run(self, block: Block, text: str) -> None:
        process = self._process(block, text)
        try:
            status = process.wait(_TIMEOUT * 2)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.last_output = self._outputs[-1].read_text()
        assert status == 0, f"line {block.line}:\n{text}\n{self.last_output}"

    def _start(self, block: Block, text: str) -> None:
        process = self._process(block, text)
        self._running.append(process)
        output, end = self._outputs[-1], time.monotonic() + _TIMEOUT
        while not _READY.search(output.read_text()):
            assert process.poll() is None, f"line {block.line} ended:\n{output.read_text()}"
            assert time.monotonic() < end, f"line {block.line} is not ready:\n{output.read_text()}"
            time.sleep(0.05)
        if subscription_url := _SUBSCRIPTION_URL.search(text):
            self._wait_for_subscriber(f"http://{subscription_url[1]}/metrics")

    def _wait_for_subscriber(self, metrics: str) -> None:
        """Wait until the gateway counts a new subscription, which is later than the connection of its client."""
        self._metrics_urls.append(metrics)
        end = time.monotonic() + _TIMEOUT
        while not self._counts_subscribers(metrics, self._metrics_urls.count(metrics)):
            assert time.monotonic() < end, f"no new subscription at {metrics}"
            time.sleep(0.05)

    def _counts_subscribers(self, metrics: str, number: int) -> bool:
        return f"gateway_event_subscribers {number}.0" in self._curl(metrics)

    def _curl(self, *arguments: str) -> str:
        return subprocess.run(
            [*_CURL, *arguments], capture_output=True, text=True, timeout=_TIMEOUT, check=False
        ).stdout

    def _subscribe(self, *arguments: str) -> str:
        """Return the beginning of a response that goes on: until it has ended, or the gateway counts the subscriber."""
        metrics = f"http://127.0.0.1:{self.port('8000')}/metrics"
        number = self._metrics_urls.count(metrics) + 1
        command = [*_CURL, "--max-time", str(_TIMEOUT), "--no-buffer", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            while process.poll() is None and not self._counts_subscribers(metrics, number):
                time.sleep(0.05)
            process.kill()
            return first + process.stdout.read()

    def _execute(self, query: str) -> None:
        arguments = [f"http://127.0.0.1:{self.port('8000')}/graphql", "--json", json.dumps({"query": query})]
        if query.startswith("subscription"):
            response = self._subscribe(*arguments, "-H", "Accept: text/event-stream")
        else:
            response = self._curl(*arguments)
        assert "errors" not in response, response
        assert response.startswith(("{", ":")), response
        self.last_output = response

    def _wait_for(self, expected: str, where: str) -> None:
        lines = [".*".join(map(re.escape, line.split("…"))) for line in expected.splitlines()]
        pattern = re.compile("(?:.*\n)*?.*".join(lines))
        end = time.monotonic() + _TIMEOUT
        while not pattern.search(printed := "".join(output.read_text() for output in self._outputs)):
            assert time.monotonic() < end, f"{where}: not in\n{printed}"
            time.sleep(0.05)


def matches(expected: Any, actual: Any) -> bool:
    """Return whether a value is as expected; … in an expected text stands for any text."""
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and expected.keys() == actual.keys()
            and all(matches(expected[k], actual[k]) for k in expected)
        )
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and all(map(matches, expected, actual))
    if isinstance(expected, str) and "…" in expected:
        return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), str(actual)) is not None
    return bool(expected == actual)


@contextmanager
def running_reader(folder: Path) -> Iterator[Reader]:
    """Yield a reader, and stop its programs at the end of the block."""
    reader = Reader(folder)
    try:
        yield reader
    finally:
        reader.stop()
