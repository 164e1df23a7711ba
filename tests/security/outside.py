"""Runs the console script in another process, with its output in a file, and clients of it and of the sandbox."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from aiohttp import ClientSession
from conftest import FAST_PATH, GATEWAY, ROOT, Running

from usergateway.v1 import users_pb2

__all__ = [
    "Caller",
    "Control",
    "Keys",
    "RecordedProcess",
    "Serve",
    "call_grpc",
    "run_recorded",
    "run_to_end",
    "wait_until",
]

_READY = 60.0  # seconds: a process that is not ready by then hangs
_STOP = 15.0


@dataclass(frozen=True, slots=True)
class RecordedProcess(Running):
    """A process, and the file with its output."""

    file: Path

    @property
    def grpc(self) -> str:
        """The address of gRPC."""
        if self.printed.startswith("{"):
            return self.address("gRPC")
        return next(line.split()[1] for line in self.printed.splitlines() if line.strip().startswith("gRPC"))

    @property
    def output(self) -> str:
        """All output so far."""
        return self.file.read_text()

    async def has_printed(self, text: str) -> None:
        """Wait until a text is in the output."""

        async def is_there() -> bool:
            return text in self.output

        await wait_until(is_there)

    @property
    def records(self) -> list[dict[str, Any]]:
        """All output so far, with the log in JSON: each line of it is an object."""
        return [json.loads(line) for line in self.output.splitlines()]

    def stop(self) -> None:
        """Send SIGTERM, and wait until the process has ended by itself."""
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP * 2
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.monotonic() < deadline, f"the process does not stop:\n{self.output}"
            time.sleep(0.02)


Serve = Callable[..., AbstractContextManager[RecordedProcess]]
"""Starts `gateway serve` with settings given as environment variables."""


@contextmanager
def run_recorded(
    file: Path, *arguments: str, last: str = "metrics", files: int | None = None, **environment: str
) -> Iterator[RecordedProcess]:
    """Run `gateway …` until the block ends, with its output in `file`; it is ready when it has printed `last`.

    `files` limits how many files the process may have open.
    """
    limited = [] if files is None else ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"]
    with file.open("w") as output:
        process = subprocess.Popen(
            [*limited, GATEWAY, *arguments], env=_clean(environment), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + _READY
        while last not in file.read_text():
            assert process.poll() is None, f"`gateway {' '.join(arguments)}` ended early:\n{file.read_text()}"
            assert time.monotonic() < deadline, f"`gateway {' '.join(arguments)}` is not ready:\n{file.read_text()}"
            time.sleep(0.02)
        yield RecordedProcess(process.pid, file.read_text(), file)
    finally:
        process.terminate()
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_to_end(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run `gateway …` to its end; return the exit status and the output."""
    result = subprocess.run(
        [GATEWAY, *arguments],
        env=_clean(environment),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_READY,
        check=False,
    )
    return result.returncode, result.stdout


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_") or name == FAST_PATH
    } | dict(environment)


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that sends operations with fixed headers."""

    session: ClientSession
    url: str
    headers: Mapping[str, str]

    async def send(self, payload: Any, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
        """Post a payload; return the status, the JSON and the headers of the response."""
        strict = {"Accept": "application/graphql-response+json"}
        async with self.session.post(self.url, json=payload, headers=strict | dict(self.headers) | headers) as response:
            return response.status, await response.json(), response.headers

    async def execute(self, query: str, **variables: Any) -> Any:
        """Send an operation; return the JSON of the response, whatever its status."""
        return (await self.send({"query": query, "variables": variables}))[1]


@dataclass(frozen=True, slots=True)
class Keys:
    """API keys by the names of their callers, and the file with their hashes."""

    file: Path
    by_name: dict[str, str]


@dataclass(frozen=True, slots=True)
class Control:
    """A client of the control API of the sandbox."""

    session: ClientSession
    url: str

    async def calls(self) -> list[dict[str, Any]]:
        """Return every request to the sandbox since the last `reset`."""
        async with self.session.get(f"{self.url}/calls") as response:
            calls: list[dict[str, Any]] = await response.json()
            return calls

    async def has_calls(self) -> bool:
        """Return whether there was a request since the last `reset`."""
        return bool(await self.calls())

    async def reset(self) -> None:
        """Delete the logged requests and the planned faults."""
        for resource in ("calls", "faults"):
            await (await self.session.delete(f"{self.url}/{resource}")).read()

    async def fault(self, **fault: Any) -> None:
        """Plan a fault."""
        async with self.session.post(f"{self.url}/faults", json=fault) as response:
            assert response.status < 300, await response.text()


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds, for at most 30 seconds."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - another process cannot set an event
            await asyncio.sleep(0.02)


async def call_grpc(channel: grpc.aio.Channel, method: str, key: str | None = None, **fields: Any) -> Any:
    """Call a gRPC method; return its response, or the first one of a stream.

    Raises:
        AioRpcError: the call was refused.
    """
    descriptor = users_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name[method]
    method_call = (channel.unary_stream if descriptor.server_streaming else channel.unary_unary)(
        f"/usergateway.v1.UserService/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=getattr(users_pb2, descriptor.output_type.name).FromString,
    )
    pending = method_call(
        getattr(users_pb2, descriptor.input_type.name)(**fields),
        metadata=() if key is None else (("x-api-key", key),),
        timeout=30,
    )
    return await (pending.read() if descriptor.server_streaming else pending)
