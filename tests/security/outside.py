"""Gateways as a stranger meets them: the console script in a process of its own, everything it printed kept."""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from aiohttp import ClientSession
from conftest import GATEWAY, ROOT, Running

from gateway.api.grpc.usergateway.v1 import users_pb2

__all__ = ["Caller", "Control", "Keys", "Recorded", "Serve", "called", "ended", "recorded", "until"]

_READY = 20.0  # seconds: a process that is not ready by then has hung
_STOP = 15.0


@dataclass(frozen=True, slots=True)
class Recorded(Running):
    """A process, and the file with all that it prints."""

    file: Path

    @property
    def grpc(self) -> str:
        """Where gRPC is served."""
        return next(line.split()[1] for line in self.printed.splitlines() if line.strip().startswith("gRPC"))

    @property
    def said(self) -> str:
        """All that it printed so far."""
        return self.file.read_text()


Serve = Callable[..., AbstractContextManager[Recorded]]
"""Starts `gateway serve` with settings by variable."""


@contextmanager
def recorded(file: Path, *arguments: str, last: str = "metrics", **environment: str) -> Iterator[Recorded]:
    """Run `gateway …` until the block ends, all that it prints going to the file; ready once it printed `last`."""
    with file.open("w") as output:
        process = subprocess.Popen(
            [GATEWAY, *arguments], env=_clean(environment), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + _READY
        while last not in file.read_text():
            assert process.poll() is None, f"`gateway {' '.join(arguments)}` ended early:\n{file.read_text()}"
            assert time.monotonic() < until, f"`gateway {' '.join(arguments)}` is not ready:\n{file.read_text()}"
            time.sleep(0.02)
        yield Recorded(process.pid, file.read_text(), file)
    finally:
        process.terminate()
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ended(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run `gateway …` to its end: how it ended, and all that it printed."""
    done = subprocess.run(
        [GATEWAY, *arguments],
        env=_clean(environment),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_READY,
        check=False,
    )
    return done.returncode, done.stdout


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")} | dict(environment)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who sends operations to an address, with the headers that are theirs."""

    session: ClientSession
    url: str
    headers: Mapping[str, str]

    async def send(self, payload: Any, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
        """Post a payload: the status, the JSON, the headers."""
        strict = {"Accept": "application/graphql-response+json"}
        async with self.session.post(self.url, json=payload, headers=strict | dict(self.headers) | headers) as answer:
            return answer.status, await answer.json(), answer.headers

    async def ask(self, query: str, **variables: Any) -> Any:
        """The answer to an operation, whatever its status."""
        return (await self.send({"query": query, "variables": variables}))[1]


@dataclass(frozen=True, slots=True)
class Keys:
    """API keys by the names of their callers, and the file that has their hashes."""

    file: Path
    by_name: dict[str, str]


@dataclass(frozen=True, slots=True)
class Control:
    """The sandbox's own side."""

    session: ClientSession
    url: str

    async def calls(self) -> list[dict[str, Any]]:
        """Every call that reached it since the last `forget`."""
        async with self.session.get(f"{self.url}/calls") as answer:
            calls: list[dict[str, Any]] = await answer.json()
            return calls

    async def called(self) -> bool:
        """Whether there was one."""
        return bool(await self.calls())

    async def forget(self) -> None:
        """Forget calls and faults."""
        for what in ("calls", "faults"):
            await (await self.session.delete(f"{self.url}/{what}")).read()

    async def fault(self, **fault: Any) -> None:
        """Let the next matching calls go wrong."""
        async with self.session.post(f"{self.url}/faults", json=fault) as answer:
            assert answer.status < 300, await answer.text()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that happens soon."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - what happens in another process sets no event
            await asyncio.sleep(0.02)


async def called(channel: grpc.aio.Channel, method: str, key: str | None = None, **fields: Any) -> Any:
    """The answer of a method of gRPC, of a stream the first one.

    Raises:
        AioRpcError: it is refused.
    """
    kind = users_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name[method]
    call = (channel.unary_stream if kind.server_streaming else channel.unary_unary)(
        f"/usergateway.v1.UserService/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=getattr(users_pb2, kind.output_type.name).FromString,
    )
    asked = call(
        getattr(users_pb2, kind.input_type.name)(**fields),
        metadata=() if key is None else (("x-api-key", key),),
        timeout=10,
    )
    return await (asked.read() if kind.server_streaming else asked)
