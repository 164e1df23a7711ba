"""What clients request by Cache-Control, and what marks records that were given past their lifetime."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData
from httpx2 import ASGITransport, AsyncClient
from still_clock import StillClock
from web_app import running

from gateway import Gateway
from gateway.testing import Sandbox

NODE_FOLDER = Path(__file__).parent / "clients" / "node"
ADA = 'user(id: "acus_adalovelace1", source: ACCOUNT)'
ONE = "{ %s { id name } }" % ADA  # noqa: UP031 - the braces are those of GraphQL
PAGE = """{ users(first: 50, filter: { sources: [ACCOUNT, SOFTWAREONE] }) {
    nodes { id source name } unavailable { source code asOf }
} }"""
PARTS = "multipart/mixed; incrementalSpec=v0.2"


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to an operation."""

    body: Any
    headers: Any

    @property
    def status(self) -> str | None:
        return self.headers.get("Cache-Status")  # type: ignore[no-any-return]  # of any client

    @property
    def freshness(self) -> Any:
        return self.body.get("extensions", {}).get("freshness")

    @property
    def code(self) -> Any:
        return self.body["errors"][0]["extensions"]["code"]


@dataclass(frozen=True, slots=True)
class Keeping:
    """A gateway that keeps users, its sandbox with the clock of both, and a client."""

    sandbox: Sandbox
    gateway: Gateway
    session: ClientSession
    url: str

    async def send(self, query: str, control: str | None = None, **extensions: Any) -> Answer:
        """Execute an operation; `control` is the `Cache-Control` of the request."""
        headers = {} if control is None else {"Cache-Control": control}
        body = {"query": query, "extensions": extensions}
        async with self.session.post(f"{self.url}/graphql", json=body, headers=headers) as response:
            return Answer(await response.json(), response.headers)

    @property
    def calls(self) -> int:
        """The number of calls that the sources have received."""
        return len(list(self.sandbox.calls))

    async def known(self, query: str, seconds: float = 6) -> None:
        """Read what the query selects, and let so much time pass."""
        assert "errors" not in (await self.send(query)).body
        self.sandbox.advance(seconds)

    def stop(self, source: Any = "account") -> None:
        """Let a source fail from now on."""
        self.sandbox.fail(source, "status", status=503, times=None)


@asynccontextmanager
async def keeping(**changes: Any) -> AsyncIterator[Keeping]:
    # Nobody waits on a clock that stands still: a call that fails is not repeated after a pause.
    sandbox, once = Sandbox(users=6, clock=StillClock()), {"max_attempts": 1}
    sources = dict.fromkeys(("account", "softwareone", "reseller"), once)
    settings: dict[str, Any] = {"keep_mode": "on", "http_port": 0} | sources | changes
    async with (
        sandbox,
        Gateway(sandbox.settings(**settings), clock=sandbox.clock) as gateway,
        ClientSession() as client,
    ):
        server = await gateway.serve_http(grace=0)
        host, port = server.address
        try:
            yield Keeping(sandbox, gateway, client, f"http://{host}:{port}")
        finally:
            await server.stop()


@pytest.mark.parametrize("server", ["aiohttp", "lean"])
async def test_a_user_is_kept_and_read_again_on_request(server: str) -> None:
    """The second read calls no source; `no-cache` and an age that is exceeded do, and Cache-Status has the reason."""
    async with keeping(http_server=server) as world:
        first = await world.send(ONE)
        assert first.status == "usergateway; fwd=uri-miss; stored"
        assert first.headers.getall("Cache-Control") == ["private, no-store"]
        calls = world.calls
        again = await world.send(ONE)
        assert again.status == "usergateway; hit; ttl=5"
        assert (again.body, world.calls) == (first.body, calls)
        for number, control in enumerate(("no-cache", "no-store", "max-age=0"), 1):
            assert (await world.send(ONE, control)).status == "usergateway; fwd=request; stored"
            assert world.calls == calls + number
        world.sandbox.advance(2)
        assert (await world.send(ONE, "max-age=60, max-age=x")).status == "usergateway; hit; ttl=3"
        assert (await world.send(ONE, "max-age=1")).status == "usergateway; fwd=request; stored"
        world.sandbox.advance(6)
        assert (await world.send(ONE)).status == "usergateway; fwd=stale; stored"


async def test_every_form_of_a_request() -> None:
    """The header counts in a GET, and for parts and event streams; `cacheControl` in the extensions replaces it."""
    async with keeping() as world:
        await world.send(ONE)
        url = f"{world.url}/graphql"
        control = {"Cache-Control": "no-cache", "X-API-Key": "k", "Apollo-Require-Preflight": "1"}
        async with world.session.get(url, params={"query": ONE}, headers=control) as response:
            assert response.headers["Cache-Status"] == "usergateway; fwd=request; stored"
        async with world.session.post(url, json={"query": ONE}, headers=control | {"Accept": PARTS}) as response:
            assert response.headers["Cache-Status"] == "usergateway; fwd=request; stored"
        form = FormData({"operations": json.dumps({"query": ONE}), "map": "{}"}, default_to_multipart=True)
        async with world.session.post(url, data=form, headers=control) as response:
            assert response.headers["Cache-Status"] == "usergateway; fwd=request; stored"
        calls = world.calls
        async with world.session.post(
            url, json={"query": ONE}, headers=control | {"Accept": "text/event-stream"}
        ) as response:
            assert '"name":"Ada Lovelace"' in await response.text()
        assert world.calls == calls + 1
        assert (await world.send(ONE, "no-cache", cacheControl="max-age=60")).status.startswith("usergateway; hit")
        assert (await world.send(ONE, None, cacheControl="no-cache")).status == "usergateway; fwd=request; stored"
        for odd in (None, 5, ["no-cache"], {"no-cache": True}):
            assert (await world.send(ONE, None, cacheControl=odd)).status.startswith("usergateway; hit")


async def test_a_reserved_event_stream() -> None:
    """Of several operations on one event stream, each has the header of its request."""
    async with keeping() as world:
        await world.send(ONE)
        url = f"{world.url}/graphql"
        async with world.session.put(url, skip_auto_headers=["Content-Type"]) as reserved:
            token = {"X-GraphQL-Event-Stream-Token": await reserved.text()}
        async with world.session.get(url, headers=token | {"Accept": "text/event-stream"}) as stream:
            for number, (control, made) in enumerate([("max-age=60", 0), ("no-cache", 1)]):
                calls = world.calls
                body = {"query": ONE, "extensions": {"operationId": str(number)}}
                async with world.session.post(url, json=body, headers=token | {"Cache-Control": control}) as accepted:
                    assert accepted.status == 202
                async with asyncio.timeout(30):
                    while b'"data":{"user"' not in await stream.content.readline():
                        pass
                assert world.calls == calls + made


async def test_applications_of_other_servers() -> None:
    """The applications for ASGI and for aiohttp read and answer the headers, too."""
    async with keeping() as world:
        await world.send(ONE)
        transport = ASGITransport(app=world.gateway.asgi_app())
        async with AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for control, status in (("no-cache", "fwd=request; stored"), ("max-age=60", "hit; ttl=")):
                response = await client.post("/graphql", json={"query": ONE}, headers={"Cache-Control": control})
                assert response.headers["Cache-Status"].startswith(f"usergateway; {status}")
        async with running(world.gateway.aiohttp_app()) as url:
            headers = {"Cache-Control": "no-cache"}
            async with world.session.post(f"{url}/graphql", json={"query": ONE}, headers=headers) as response:
                assert response.headers["Cache-Status"] == "usergateway; fwd=request; stored"


async def test_the_handshake_of_a_socket() -> None:
    """Browsers send `no-cache` with each handshake, so that it does not count; the extensions of an operation do."""
    async with keeping() as world:
        await world.send(ONE)
        calls = world.calls
        async with world.session.ws_connect(
            f"{world.url}/graphql", protocols=["graphql-transport-ws"], headers={"Cache-Control": "no-cache"}
        ) as socket:
            await socket.send_json({"type": "connection_init"})
            assert (await socket.receive_json())["type"] == "connection_ack"
            for number, (control, made) in enumerate([("", 0), ("no-cache", 1)]):
                payload = {"query": ONE, "extensions": {"cacheControl": control}}
                await socket.send_json({"id": str(number), "type": "subscribe", "payload": payload})
                assert (await socket.receive_json())["payload"]["data"]["user"]["name"] == "Ada Lovelace"
                assert (await socket.receive_json())["type"] == "complete"
                assert world.calls == calls + made
            world.sandbox.advance(60)
            world.stop()
            await socket.send_json({"id": "stale", "type": "subscribe", "payload": {"query": ONE}})
            payload = (await socket.receive_json())["payload"]
            assert [entry["path"] for entry in payload["extensions"]["freshness"]] == [["user"]]


async def test_max_stale() -> None:
    """What is past its lifetime is given to whoever accepts that, marked, and is read again in the background."""
    async with keeping() as world:
        await world.known(ONE)
        calls = world.calls
        stale = await world.send(ONE, "max-stale=60")
        [entry] = stale.freshness
        assert 6 <= entry.pop("age") < 60
        assert entry == {"path": ["user"], "source": "ACCOUNT", "reason": "revalidating"}
        assert stale.status.startswith("usergateway; hit; ttl=-")
        assert stale.status.endswith("; detail=revalidating")
        async with asyncio.timeout(30):
            while world.calls == calls:  # noqa: ASYNC110 - the log is that of another thread
                await asyncio.sleep(0.01)
        assert world.calls == calls + 1
        assert (await world.send(ONE)).freshness is None


async def test_only_if_cached_and_past_its_lifetime() -> None:
    """Whoever forbids calls and accepts what is past its lifetime causes no call in the background."""
    async with keeping() as world:
        await world.known(ONE)
        calls = world.calls
        stale = await world.send(ONE, "only-if-cached, max-stale=60")
        assert stale.freshness[0]["reason"] == "only-if-cached"
        await asyncio.sleep(0.05)
        assert world.calls == calls
        assert (await world.send(ONE, "only-if-cached")).code == "SOURCE_UNAVAILABLE"


@pytest.mark.parametrize("mode", ["off", "shadow", "on"])
async def test_only_if_cached(mode: str) -> None:
    """What is not kept is the error of its field, in each mode and for each field; no source is called."""
    async with keeping(keep_mode=mode) as world:
        for field in (
            ADA + " { name }",
            "users { nodes { name } }",
            'person(email: "a@b.c") { users { name } }',
            'role(id: "role_viewer") { name }',
            'department(id: "dept_1") { name }',
            "roles { nodes { name } }",
            "departments { nodes { name } }",
        ):
            refused = await world.send("{ %s }" % field, "only-if-cached")  # noqa: UP031 - as above
            assert refused.code == "SOURCE_UNAVAILABLE", field
            assert "only-if-cached" in refused.body["errors"][0]["message"]
        assert world.calls == 0


async def test_a_change_needs_calls() -> None:
    """A mutation ignores `only-if-cached`, and what it reads again is read from its source."""
    async with keeping() as world:
        await world.send(ONE)
        change = (
            'mutation { updateAccountUser(id: "acus_adalovelace1", input: { name: "Ada" }) { name role { name } } }'
        )
        assert (await world.send(change, "only-if-cached")).body["data"]["updateAccountUser"]["name"] == "Ada"
        assert (await world.send(ONE)).body["data"]["user"]["name"] == "Ada"


async def test_a_source_that_fails() -> None:
    """Its users are in the list as they were read, `asOf` is when that was, and there is no error."""
    async with keeping() as world:
        before = (await world.send(PAGE)).body["data"]["users"]
        assert before["unavailable"] == []
        read_at = world.sandbox.clock.time()
        world.sandbox.advance(60)
        world.stop()
        answer = await world.send(PAGE)
        assert "errors" not in answer.body
        after = answer.body["data"]["users"]
        assert after["nodes"] == before["nodes"]
        [missing] = after["unavailable"]
        as_of = datetime.fromisoformat(missing.pop("asOf"))
        assert abs(as_of.timestamp() - read_at) < 30
        assert missing == {"source": "ACCOUNT", "code": "SOURCE_UNAVAILABLE"}
        [entry] = answer.freshness
        assert (entry["path"], entry["source"], entry["reason"]) == (["users"], "ACCOUNT", "source-unavailable")
        assert entry["age"] >= 60


async def test_a_person() -> None:
    """The same holds for the users of a person, and a source whose users are not kept has no `asOf`."""
    query = """{ person(email: "ada.lovelace@example.com") {
        users { source name } unavailable { source asOf }
    } }"""
    async with keeping() as world:
        before = (await world.send(query)).body["data"]["person"]
        world.sandbox.advance(60)
        world.stop()
        answer = await world.send(query)
        after = answer.body["data"]["person"]
        assert after["users"] == before["users"]
        assert [(missing["source"], missing["asOf"] is None) for missing in after["unavailable"]] == [
            ("ACCOUNT", False)
        ]
        assert [entry["path"] for entry in answer.freshness] == [["person"]]
        fresh = await world.send(query, "no-cache")
        assert [(each["source"], each["asOf"]) for each in fresh.body["data"]["person"]["unavailable"]] == [
            ("ACCOUNT", None)
        ]
        assert fresh.freshness is None


async def test_positions_of_records() -> None:
    """Each field and each item that is stale has an entry, sorted, by compiled code and by graphql-core the same."""
    user_id = "acus_adalovelace1"
    async with keeping() as world:
        ada = (await world.send(ONE)).body["data"]["user"]["id"]
        bob = (await world.send("{ users(first: 1) { nodes { id } } }")).body["data"]["users"]["nodes"][0]["id"]
        query = """{
            z: user(id: "%(id)s", source: ACCOUNT) { name }
            nodes(ids: ["%(bob)s", "%(ada)s", "x"]) { id ... on User { name } }
            a: node(id: "%(ada)s") { id }
            %(more)s
        }"""
        compiled = query % {"id": user_id, "ada": ada, "bob": bob, "more": ""}
        slow = query % {"id": user_id, "ada": ada, "bob": bob, "more": '__type(name: "User") { name }'}
        await world.known(compiled)
        for source in ("account", "softwareone", "reseller"):
            world.stop(source)
        answers = [await world.send(each) for each in (compiled, slow)]
        assert all("errors" not in answer.body for answer in answers)
        found = [[(entry["path"], entry["reason"]) for entry in answer.freshness] for answer in answers]
        paths = [["a"], ["nodes", 0], ["nodes", 1], ["z"]]
        assert found == [[(path, "source-unavailable") for path in paths]] * 2


async def test_positions_of_lookups() -> None:
    """A record that several items of a list refer to has an entry for each, by both ways of execution."""
    query = """{ users(first: 6, filter: { sources: [ACCOUNT] }) {
        nodes { name department { name location { name } } }
    } %s}"""
    async with keeping(reference_ttl=1) as world:
        await world.known(query % "", 4)
        for path in ("/departments", "/locations"):
            world.sandbox.fail("account", "status", status=503, times=None, path=path)
        answers = [await world.send(query % more, "max-age=60") for more in ("", '__type(name: "User") { name } ')]
        compiled, slow = ([entry["path"] for entry in answer.freshness or ()] for answer in answers)
        assert all("errors" not in answer.body for answer in answers), answers[0].body
        nodes = answers[0].body["data"]["users"]["nodes"]
        with_department = [index for index, node in enumerate(nodes) if node["department"]]
        assert compiled == slow
        assert with_department
        assert [path[2] for path in compiled if path[:2] == ["users", "nodes"]] == with_department


async def test_parts() -> None:
    """With incremental delivery, the last part has all positions."""
    query = "{ %s { name ... @defer { email } } }" % ADA  # noqa: UP031 - as above
    async with keeping() as world:
        await world.known("{ %s { name email } }" % ADA)  # noqa: UP031 - as above
        world.stop()
        headers = {"Accept": PARTS}
        async with world.session.post(f"{world.url}/graphql", json={"query": query}, headers=headers) as response:
            text = await response.text()
        parts = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        assert parts[-1]["hasNext"] is False
        assert [entry["path"] for entry in parts[-1]["extensions"]["freshness"]] == [["user"]]


async def test_pages_of_other_origins() -> None:
    """A page of a listed origin may send the header, and read the answer's."""
    async with keeping(cors_origins=["https://app.example"]) as world:
        preflight = {
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "cache-control,content-type",
        }
        async with world.session.options(f"{world.url}/graphql", headers=preflight) as response:
            assert "cache-control" in response.headers["Access-Control-Allow-Headers"]
        headers = {"Origin": "https://app.example"}
        async with world.session.post(f"{world.url}/graphql", json={"query": ONE}, headers=headers) as response:
            assert "Cache-Status" in response.headers["Access-Control-Expose-Headers"].split(", ")


async def test_nothing_can_be_kept() -> None:
    """Without keeping there is no Cache-Status, except of reference data."""
    async with keeping(keep_mode="off", reference_ttl=0) as world:
        assert (await world.send(ONE)).status is None
        assert (await world.send("{ roles { nodes { name } } }")).status is None
        assert (await world.send("{ nothing }")).status is None
    async with keeping(keep_mode="off") as world:
        with_role = "{ %s { name role { permissions } } }" % ADA  # noqa: UP031 - as above
        assert (await world.send(with_role)).status == "usergateway; fwd=uri-miss; stored"
        assert (await world.send(with_role)).status.startswith("usergateway; fwd=partial; ttl=")


@pytest.mark.parametrize("name", ["apollo query", "urql query"])
async def test_clients_show_what_is_stale(node_in: Callable[[Path], Path], name: str) -> None:
    """Apollo Client and urql with their defaults show a list of which one source failed, without an error."""
    async with keeping() as world:
        before = (await world.send(PAGE)).body["data"]["users"]["nodes"]
        world.sandbox.advance(60)
        world.stop()
        node = node_in(NODE_FOLDER)
        arguments = ["client.mjs", name, f"{world.url}/graphql", PAGE, '{"x-api-key": "of a caller"}']
        process = await asyncio.create_subprocess_exec(
            str(node), *arguments, cwd=NODE_FOLDER, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                shown = json.loads(await process.stdout.readline())
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        assert "error" not in shown
        assert [node["name"] for node in shown["data"]["users"]["nodes"]] == [node["name"] for node in before]
        assert [each["source"] for each in shown["data"]["users"]["unavailable"]] == ["ACCOUNT"]
