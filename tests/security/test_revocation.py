"""Open connections and streams obey within a second when a key is removed, or a scope is taken away from it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import ClientResponse, ClientSession
from security.outside import RecordedProcess, Serve

from gateway.callers.api_keys import new_api_key
from gateway.principal import scopes as all_scopes
from gateway.users.model import UserSource
from usergateway.v1 import users_pb2

KNOWN = all_scopes(UserSource)
PROTOCOL = "graphql-transport-ws"
ADA = 'id: "acus_adalovelace1", source: ACCOUNT'
READ = f"{{ user({ADA}) {{ name }} }}"
WATCH = "subscription { userChanged { user { name } } }"
WITHIN = 8.0  # seconds: one, and those in which a busy machine stops a process. Streams went on without end before.


@dataclass
class KeysFile:
    """The keys of a gateway, in a file that the test changes while the gateway runs."""

    path: Path
    scopes: dict[str, frozenset[str]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)

    def write(self, **scopes: tuple[str, ...]) -> None:
        """Replace the file by one with these callers and scopes; a caller keeps its key."""
        entries = []
        for name, given in scopes.items():
            key, entry = new_api_key(name, given, KNOWN)
            key, sha256 = self.keys.setdefault(name, key), self.hashes.setdefault(name, entry.sha256)
            entries.append(entry.model_copy(update={"sha256": sha256}).to_toml())
        new = self.path.with_suffix(".new")
        new.write_text("\n".join(entries))
        new.replace(self.path)

    def headers(self, name: str) -> dict[str, str]:
        return {"X-API-Key": self.keys[name]}


ALL = ("users:read", "users:write")


@pytest.fixture
def keys_file(tmp_path: Path) -> KeysFile:
    """A file with two callers who may do everything."""
    file = KeysFile(tmp_path / "keys.toml")
    file.write(leaving=ALL, staying=ALL)
    return file


@pytest.fixture(params=["aiohttp", "lean"])
def gateway(request: pytest.FixtureRequest, serve: Serve, second_sandbox: dict[str, str], keys_file: KeysFile) -> Any:
    """A gateway in production with these keys, on either server."""
    production = {"GATEWAY_ENVIRONMENT": "production", "GATEWAY_AUTH__MODE": "api_key"}
    with serve(
        **second_sandbox,
        **production,
        GATEWAY_AUTH__KEYS_FILE=str(keys_file.path),
        GATEWAY_HTTP_SERVER=request.param,
        GATEWAY_ACCOUNT__TIMEOUT="100",
    ) as running:
        yield running


@dataclass
class Stream:
    """An open stream of a caller; `ended` waits for its end, and returns what arrived until then as text."""

    ended: Callable[[], Awaitable[str]]


@asynccontextmanager
async def opened(kind: str, running: RecordedProcess, headers: dict[str, str]) -> AsyncIterator[Stream]:
    """Open a stream of a kind, which has started when the block begins."""
    async with ClientSession() as session:
        url = running.address("GraphQL")
        if kind == "socket":
            async with session.ws_connect(url, protocols=[PROTOCOL], headers=headers) as socket:
                await socket.send_json({"type": "connection_init"})
                assert (await socket.receive_json())["type"] == "connection_ack"
                await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": WATCH}})
                await socket.send_json({"type": "ping"})
                assert (await socket.receive_json())["type"] == "pong"

                async def closed() -> str:
                    received = [message.data async for message in socket]
                    return f"{received} {socket.close_code}"

                yield Stream(closed)
        elif kind in {"events", "parts"}:
            media_type = "text/event-stream" if kind == "events" else "multipart/mixed;subscriptionSpec=1.0"
            accept = headers | {"Accept": media_type}
            async with session.post(url, json={"query": WATCH}, headers=accept) as response:
                yield await _response_stream(response)
        elif kind == "reserved events":
            async with session.put(url, headers=headers, skip_auto_headers=["Content-Type"]) as response:
                assert response.status == 201
                token = {"X-GraphQL-Event-Stream-Token": await response.text()}
            operation = {"query": WATCH, "extensions": {"operationId": "one"}}
            async with session.post(url, json=operation, headers=headers | token) as response:
                assert response.status == 202, await response.text()
            accept = headers | token | {"Accept": "text/event-stream"}
            async with session.get(url, headers=accept) as response:
                yield await _response_stream(response)
        elif kind == "deferred":
            query = f"{{ __typename ... @defer {{ user({ADA}) {{ name }} }} }}"
            accept = headers | {"Accept": "multipart/mixed"}
            async with session.post(url, json={"query": query}, headers=accept) as response:
                yield await _response_stream(response)
        else:
            async with grpc.aio.insecure_channel(running.grpc) as channel:
                metadata = tuple((name.lower(), value) for name, value in headers.items())
                call = channel.stream_stream("/usergateway.v1.UserService/WatchUsers")(metadata=metadata)
                await call.write(users_pb2.WatchUsersRequest().SerializeToString())
                await call.initial_metadata()

                async def ended() -> str:
                    return str(await call.code())

                yield Stream(ended)


async def _response_stream(response: ClientResponse) -> Stream:
    assert response.status == 200
    first = await response.content.readany()

    async def ended() -> str:
        return (first + await response.content.read()).decode()

    return Stream(ended)


ENDS = {
    "socket": "4403",
    "events": "UNAUTHENTICATED",
    "parts": "UNAUTHENTICATED",
    "reserved events": "UNAUTHENTICATED",
    "deferred": "UNAUTHENTICATED",
    "grpc": "UNAUTHENTICATED",
}


@pytest.fixture
async def slow_account(kind: str, second_control: str, session: ClientSession) -> None:
    """The response of the account source that a deferred part waits for takes 30 seconds."""
    if kind != "deferred":
        return
    fault = {"source": "account", "kind": "slow", "delay": 30, "times": 1}
    async with session.post(f"{second_control}/faults", json=fault) as response:
        assert response.status < 300


@pytest.fixture
def second_control(second_sandbox: dict[str, str]) -> str:
    """The address of the control API of the second sandbox."""
    base = re.match(r"http://[^/]+", second_sandbox["GATEWAY_ACCOUNT__BASE_URL"])
    assert base
    return f"{base[0]}/_sandbox"


@pytest.mark.parametrize("kind", ENDS)
async def test_a_removed_key(kind: str, gateway: RecordedProcess, keys_file: KeysFile, slow_account: None) -> None:
    """Every open stream of a removed key ends within a second, with a reason; those of other callers go on."""
    async with opened(kind, gateway, keys_file.headers("leaving")) as leaving:
        other = "grpc" if kind == "deferred" else kind  # only one response is slow
        async with opened(other, gateway, keys_file.headers("staying")) as staying:
            keys_file.write(staying=ALL)
            async with asyncio.timeout(WITHIN):
                assert ENDS[kind] in await leaving.ended()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await staying.ended()


@pytest.mark.parametrize("kind", [kind for kind in ENDS if kind != "socket"])
async def test_a_scope_that_is_taken_away(
    kind: str, gateway: RecordedProcess, keys_file: KeysFile, slow_account: None
) -> None:
    """Every open stream of a caller who loses a scope ends within a second; the caller may begin another one."""
    async with opened(kind, gateway, keys_file.headers("leaving")) as leaving:
        keys_file.write(leaving=("users:read:reseller",), staying=ALL)
        async with asyncio.timeout(WITHIN):
            text = await leaving.ended()
        assert "FORBIDDEN" in text or "PERMISSION_DENIED" in text
    if kind != "deferred":
        async with opened(kind, gateway, keys_file.headers("leaving")):
            pass


async def test_operations_on_a_socket(gateway: RecordedProcess, keys_file: KeysFile, session: ClientSession) -> None:
    """A socket stays open when its caller loses a scope, and each operation gets what the present scopes permit."""
    url, headers = gateway.address("GraphQL"), keys_file.headers("leaving")
    change = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada Lovelace"}) { name } }'

    async def execute(socket: Any, number: int, query: str) -> str:
        await socket.send_json({"type": "subscribe", "id": f"{number}", "payload": {"query": query}})
        received = [await socket.receive_json(timeout=20), await socket.receive_json(timeout=20)]
        return str(received)

    async with session.ws_connect(url, protocols=[PROTOCOL], headers=headers) as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json())["type"] == "connection_ack"
        await socket.send_json({"type": "subscribe", "id": "watch", "payload": {"query": WATCH}})
        assert "Ada" in await execute(socket, 1, READ)
        keys_file.write(leaving=("users:read:account",), staying=ALL)
        async with asyncio.timeout(WITHIN):
            ended = await socket.receive_json()
        assert (ended["type"], ended["id"]) == ("error", "watch")
        assert ended["payload"][0]["extensions"]["code"] == "FORBIDDEN"
        assert "FORBIDDEN" in await execute(socket, 2, change)
        assert "Ada" in await execute(socket, 3, READ)
        keys_file.write(staying=ALL)
        async with asyncio.timeout(WITHIN):
            closed = await socket.receive()
        assert (closed.type.name, socket.close_code) == ("CLOSE", 4403)


async def test_an_operation_at_once(gateway: RecordedProcess, keys_file: KeysFile, session: ClientSession) -> None:
    """A caller with a steady flow of changes on one socket is stopped within a second, like over HTTP."""
    url, headers = gateway.address("GraphQL"), keys_file.headers("leaving")
    change = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada Lovelace"}) { name } }'
    async with session.ws_connect(url, protocols=[PROTOCOL], headers=headers) as socket:
        await socket.send_json({"type": "connection_init"})
        assert (await socket.receive_json())["type"] == "connection_ack"
        keys_file.write(staying=ALL)
        async with asyncio.timeout(WITHIN):
            for number in range(10_000):
                with suppress(ConnectionResetError):  # the reason is read next
                    await socket.send_json({"type": "subscribe", "id": f"{number}", "payload": {"query": change}})
                if "CLOSE" in {(await socket.receive()).type.name for _ in ("next", "complete")}:
                    break
                await asyncio.sleep(0.02)
        assert socket.close_code == 4403
    async with session.post(url, json={"query": READ}, headers=headers) as response:
        assert response.status == 401
