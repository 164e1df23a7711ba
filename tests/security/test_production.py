"""Features that are off in production, and authentication on every surface."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from aiohttp import ClientSession, WSMsgType
from grpc_reflection.v1alpha import reflection_pb2_grpc
from security.outside import Caller, Control, Keys, RecordedProcess, Serve, call_grpc

from gateway.sandbox import LANDMARKS
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource
from usergateway.v1 import users_pb2

PROTOCOL = "graphql-transport-ws"
ADA = encode(Ref(Kind.USER, UserSource.ACCOUNT, LANDMARKS["account"]["ada"]))
ADA_IN_SOFTWAREONE = encode(Ref(Kind.USER, UserSource.SOFTWAREONE, LANDMARKS["softwareone"]["ada"]))
READ_ADA = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
METHODS = tuple(users_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name)
WRONG = ["ugk_" + "x" * 43, "x", "Bearer x", "null", "e30.e30."]


@pytest.fixture
async def channel(production: RecordedProcess) -> AsyncIterator[grpc.aio.Channel]:
    """A gRPC channel to production."""
    async with grpc.aio.insecure_channel(production.grpc) as channel:
        yield channel


async def test_nothing_of_the_schema(production: RecordedProcess, caller_of: Callable[..., Caller]) -> None:
    """Production reveals nothing of the schema: no introspection, and no suggestions for unknown names."""
    caller = caller_of(production, "all")
    for query in ("{ __schema { types { name } } }", '{ __type(name: "User") { name } }'):
        body = await caller.execute(query)
        assert "data" not in body
        assert "Account" not in str(body)
    for query, variables in {
        "{ usrs { nodes { id } } }": {},
        "{ users { nodes { nme } } }": {},
        '{ user(id: "x", sourc: ACCOUNT) { id } }': {},
        '{ user(id: "x", source: ACCOUN) { id } }': {},
        "query ($f: UserFilte) { users(filter: $f) { nodes { id } } }": {},
        "query ($f: UserFilter) { users(filter: $f) { nodes { id } } }": {"f": {"serch": "x"}},
        "query ($s: UserSource) { user(id: 1, source: $s) { id } }": {"s": "ACCOUN"},
    }.items():
        body = await caller.execute(query, **variables)
        assert body["errors"], query
        assert "did you mean" not in str(body).lower(), query


async def test_no_page_for_browsers(production: RecordedProcess, keys: Keys, session: ClientSession) -> None:
    """In production a browser gets neither GraphiQL nor its files."""
    for headers in ({}, {"X-API-Key": keys.by_name["all"]}):
        browser = headers | {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        async with session.get(production.address("GraphQL"), headers=browser) as response:
            assert response.status >= 400
            assert "text/html" not in response.headers["Content-Type"]
        async with session.get(f"{production.address('GraphQL')}iql/index.js", headers=browser) as response:
            assert response.status == 404


async def test_graphiql_runs_nothing_else(development: RecordedProcess, session: ClientSession) -> None:
    """The page of GraphiQL may load and call only this gateway, and no page may frame it."""
    async with session.get(development.address("GraphQL"), headers={"Accept": "text/html"}) as response:
        policy = response.headers["Content-Security-Policy"]
        text = await response.text()
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "https://" not in text.replace("http://www.w3.org", "")


async def test_no_reflection(channel: grpc.aio.Channel, keys: Keys) -> None:
    """gRPC reflection is off in production."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    for metadata in ((), (("x-api-key", keys.by_name["all"]),)):
        # Without a request: grpc.aio reports INTERNAL where the call is refused while a request is being sent.
        async with asyncio.timeout(20):
            assert await stub.ServerReflectionInfo(metadata=metadata).code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("key", [None, *WRONG])
async def test_nobody(production: RecordedProcess, session: ClientSession, key: str | None) -> None:
    """POST, GET and Server-Sent Events without a key, or with an unknown one, are a 401."""
    url = production.address("GraphQL")
    credentials = {"GraphQL-Require-Preflight": "1"} | ({} if key is None else {"X-API-Key": key})
    for kind in ("application/json", "application/graphql-response+json", "text/event-stream"):
        for query in (READ_ADA, "{ __typename }", "subscription { userChanged { id } }"):
            async with session.post(url, json={"query": query}, headers=credentials | {"Accept": kind}) as response:
                assert (response.status, await response.text()).__repr__().count("UNAUTHENTICATED") == 1
                assert response.status == 401
            async with session.get(url, params={"query": query}, headers=credentials | {"Accept": kind}) as response:
                assert response.status == 401
    async with session.put(url, headers=credentials) as response:  # a reservation of graphql-sse
        assert response.status == 401


@pytest.mark.parametrize("key", [None, *WRONG])
async def test_nobody_on_a_socket(production: RecordedProcess, session: ClientSession, key: str | None) -> None:
    """A WebSocket without a key, or with an unknown one, is closed before anything is executed on it."""
    async with session.ws_connect(production.address("GraphQL"), protocols=[PROTOCOL]) as socket:
        await socket.send_json({"type": "connection_init", "payload": {} if key is None else {"x-api-key": key}})
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": READ_ADA}})
        message = await socket.receive(timeout=20)
        assert message.type is WSMsgType.CLOSE, message
        assert socket.close_code in {4401, 4403}


async def test_a_socket_with_a_key(production: RecordedProcess, keys: Keys, session: ClientSession) -> None:
    """A WebSocket with a key in connection_init executes operations of its caller."""
    async with session.ws_connect(production.address("GraphQL"), protocols=[PROTOCOL]) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"x-api-key": keys.by_name["reader"]}})
        assert await socket.receive_json(timeout=20) == {"type": "connection_ack"}
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": READ_ADA}})
        assert (await socket.receive_json(timeout=20))["payload"]["data"]["user"]["name"] == "Ada Lovelace"


async def test_nobody_over_grpc(channel: grpc.aio.Channel, keys: Keys) -> None:
    """Every gRPC method refuses calls without a key or with an unknown one, and accepts a known one."""
    for method in METHODS:
        for key in (None, *WRONG):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call_grpc(channel, method, key)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED, method
    assert (await call_grpc(channel, "GetUser", keys.by_name["reader"], id=ADA)).name == "Ada Lovelace"


@pytest.mark.parametrize(
    "method", ["CreateAccountUser", "UpdateAccountUser", "UpdateSoftwareOneUser", "UpdateResellerUser"]
)
async def test_who_may_only_read_over_grpc(
    channel: grpc.aio.Channel, keys: Keys, control: Control, method: str
) -> None:
    """A caller without the scope to write changes nothing over gRPC."""
    await control.reset()
    fields = {} if method.startswith("Create") else {"id": "x"}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call_grpc(channel, method, keys.by_name["reader"], **fields)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert await control.calls() == []


async def test_a_foreign_site_on_a_socket(production: RecordedProcess, keys: Keys, session: ClientSession) -> None:
    """A WebSocket that a page of another site opens is refused, even with a valid credential."""
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": PROTOCOL,
        "Origin": "https://evil.example",
        "X-API-Key": keys.by_name["all"],
    }
    async with session.get(production.address("GraphQL"), headers=headers) as response:
        assert response.status == 403


READS = {
    "user": f'{{ user(id: "{ADA_IN_SOFTWAREONE}") {{ email }} }}',
    "by its source id": f'{{ user(id: "{LANDMARKS["softwareone"]["ada"]}", source: SOFTWAREONE) {{ email }} }}',
    "node": f'{{ node(id: "{ADA_IN_SOFTWAREONE}") {{ ... on User {{ email }} }} }}',
    "list": "{ users(filter: {sources: [SOFTWAREONE]}) { nodes { email } } }",
}


@pytest.mark.parametrize("query", READS.values(), ids=READS)
async def test_users_of_another_source(
    production: RecordedProcess, caller_of: Callable[..., Caller], query: str
) -> None:
    """A caller with the scope for one source gets no user of another one, by whichever field."""
    body = await caller_of(production, "account-reader").execute(query)
    assert {error["extensions"]["code"] for error in body["errors"]} == {"FORBIDDEN"}
    assert "@" not in str(body)
    assert "@" in str(await caller_of(production, "reader").execute(query))


async def test_nodes_one_by_one(production: RecordedProcess, caller_of: Callable[..., Caller]) -> None:
    """Of several nodes, those that the caller may read are returned, and the others are FORBIDDEN."""
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on User { source } } }"
    body = await caller_of(production, "account-reader").execute(query, ids=[ADA, ADA_IN_SOFTWAREONE])
    assert body["data"]["nodes"] == [{"source": "ACCOUNT"}, None]
    assert [(error["path"], error["extensions"]["code"]) for error in body["errors"]] == [(["nodes", 1], "FORBIDDEN")]


async def test_nodes_of_every_kind(production: RecordedProcess, caller_of: Callable[..., Caller]) -> None:
    """A record of any kind, also one that is only inside users, needs the scope for its source."""
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename } }"
    ids = [encode(Ref(kind, UserSource.SOFTWAREONE, "x")) for kind in Kind]
    body = await caller_of(production, "account-reader").execute(query, ids=ids)
    assert body["data"]["nodes"] == [None] * len(Kind)
    assert [error["extensions"]["code"] for error in body["errors"]] == ["FORBIDDEN"] * len(Kind)


async def test_lists_are_narrowed(production: RecordedProcess, caller_of: Callable[..., Caller]) -> None:
    """Lists, their edges, and persons have only users of sources that the caller may read."""
    query = (
        "query ($e: String!) { users(first: 100) { nodes { source } edges { node { source } } } "
        "person(email: $e) { users { source } } }"
    )
    email = (await caller_of(production, "reader").execute(READ_ADA.replace("name", "email")))["data"]["user"]["email"]
    body = (await caller_of(production, "account-reader").execute(query, e=email))["data"]
    found = [*body["users"]["nodes"], *(edge["node"] for edge in body["users"]["edges"]), *body["person"]["users"]]
    assert {user["source"] for user in found} == {"ACCOUNT"}
    all_sources = (await caller_of(production, "reader").execute(query, e=email))["data"]
    assert {user["source"] for user in all_sources["users"]["nodes"]} == {"ACCOUNT", "SOFTWAREONE", "RESELLER"}


CHANGES = {
    "createAccountUser": '(input: {email: "new@a.example"})',
    "updateAccountUser": '(id: "acus_adalovelace1", input: {name: "x"})',
    "updateSoftwareOneUser": '(id: "USR-0000-0001", input: {firstName: "x"})',
    "updateResellerUser": '(id: "x", input: {firstName: "x"})',
}


@pytest.mark.parametrize("field", CHANGES)
async def test_who_may_only_read(
    production: RecordedProcess, caller_of: Callable[..., Caller], control: Control, field: str
) -> None:
    """Every mutation of a caller without the scope to write is refused before any call is made."""
    await control.reset()
    for name in ("reader", "account-reader", "nobody"):
        body = await caller_of(production, name).execute(f"mutation {{ {field}{CHANGES[field]} {{ id }} }}")
        assert body["data"] in (None, {field: None})
        assert [error["extensions"]["code"] for error in body["errors"]] == ["FORBIDDEN"]
    assert await control.calls() == []


async def test_every_change_is_here(development: RecordedProcess, caller_of: Callable[..., Caller]) -> None:
    """The test above has every mutation of the schema."""
    body = await caller_of(development).execute("{ __schema { mutationType { fields { name } } } }")
    assert {field["name"] for field in body["data"]["__schema"]["mutationType"]["fields"]} == CHANGES.keys()


async def test_what_is_open(production: RecordedProcess, session: ClientSession) -> None:
    """Health and metrics need no key, and contain neither a user nor a credential."""
    base = production.address("GraphQL").removesuffix("/graphql")
    for path in ("healthz", "readyz", "metrics"):
        async with session.get(f"{base}/{path}") as response:
            assert response.status == 200
            assert "@" not in await response.text()
    async with session.post(f"{base}/webhooks/reseller", json={}) as response:
        assert response.status in {401, 404}


async def test_no_status_for_callers(production: RecordedProcess, session: ClientSession) -> None:
    """In production the status, which has the names of callers, is on no port that callers reach."""
    base = production.address("GraphQL").removesuffix("/graphql")
    for path in ("status", "status/", "status?format=json"):
        async with session.get(f"{base}/{path}", headers={"Accept": "text/html"}) as response:
            assert response.status == 404


async def test_operators_have_another_port(
    serve: Serve, production_settings: dict[str, str], session: ClientSession
) -> None:
    """With an admin port, callers reach neither health nor metrics nor the status."""
    with serve(**production_settings, GATEWAY_ADMIN_PORT="0", GATEWAY_DRAIN_DELAY="0") as running:
        base = running.address("GraphQL").removesuffix("/graphql")
        for path in ("healthz", "readyz", "metrics", "status"):
            async with session.get(f"{base}/{path}") as response:
                assert response.status == 404
            async with session.get(running.address("status").removesuffix("status") + path) as response:
                assert response.status == 200
