"""What production leaves out, and whom it lets in, by each way in."""

from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from aiohttp import ClientSession, WSMsgType
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from security.outside import Caller, Control, Keys, Recorded, called

from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.sandbox import LANDMARKS
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource

PROTOCOL = "graphql-transport-ws"
ADA = encode(Ref(Kind.USER, UserSource.ACCOUNT, LANDMARKS["account"]["ada"]))
ADA_THERE = encode(Ref(Kind.USER, UserSource.SOFTWAREONE, LANDMARKS["softwareone"]["ada"]))
ASKED = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
METHODS = tuple(users_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name)
WRONG = ["ugk_" + "x" * 43, "x", "Bearer x", "null", "e30.e30."]


@pytest.fixture
async def channel(production: Recorded) -> AsyncIterator[grpc.aio.Channel]:
    """gRPC to production."""
    async with grpc.aio.insecure_channel(production.grpc) as channel:
        yield channel


async def test_nothing_of_the_schema(production: Recorded, at: Callable[..., Caller]) -> None:
    """Production tells nothing about the schema: no introspection, and of a wrong name not the right one."""
    caller = at(production, "all")
    for query in ("{ __schema { types { name } } }", '{ __type(name: "User") { name } }'):
        said = await caller.ask(query)
        assert "data" not in said
        assert "Account" not in str(said)
    for query, variables in {
        "{ usrs { nodes { id } } }": {},
        "{ users { nodes { nme } } }": {},
        '{ user(id: "x", sourc: ACCOUNT) { id } }': {},
        '{ user(id: "x", source: ACCOUN) { id } }': {},
        "query ($f: UserFilte) { users(filter: $f) { nodes { id } } }": {},
        "query ($f: UserFilter) { users(filter: $f) { nodes { id } } }": {"f": {"serch": "x"}},
        "query ($s: UserSource) { user(id: 1, source: $s) { id } }": {"s": "ACCOUN"},
    }.items():
        said = await caller.ask(query, **variables)
        assert said["errors"], query
        assert "did you mean" not in str(said).lower(), query


async def test_no_page_for_browsers(production: Recorded, keys: Keys, session: ClientSession) -> None:
    """A browser gets no GraphiQL in production, nor its files."""
    for headers in ({}, {"X-API-Key": keys.by_name["all"]}):
        browser = headers | {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        async with session.get(production.address("GraphQL"), headers=browser) as answer:
            assert answer.status >= 400
            assert "text/html" not in answer.headers["Content-Type"]
        async with session.get(f"{production.address('GraphQL')}iql/index.js", headers=browser) as answer:
            assert answer.status == 404


async def test_graphiql_runs_nothing_else(development: Recorded, session: ClientSession) -> None:
    """GraphiQL's page may load and call nothing but this gateway, and be framed by nobody."""
    async with session.get(development.address("GraphQL"), headers={"Accept": "text/html"}) as answer:
        policy = answer.headers["Content-Security-Policy"]
        text = await answer.text()
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "https://" not in text.replace("http://www.w3.org", "")


async def test_no_reflection(channel: grpc.aio.Channel, keys: Keys) -> None:
    """gRPC reflection is not there in production."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    for metadata in ((), (("x-api-key", keys.by_name["all"]),)):
        call = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), metadata=metadata
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("key", [None, *WRONG])
async def test_nobody(production: Recorded, session: ClientSession, key: str | None) -> None:
    """Who brings no key, or one that is none, gets a 401 from POST, GET and Server-Sent Events alike."""
    url = production.address("GraphQL")
    who = {"GraphQL-Require-Preflight": "1"} | ({} if key is None else {"X-API-Key": key})
    for kind in ("application/json", "application/graphql-response+json", "text/event-stream"):
        for query in (ASKED, "{ __typename }", "subscription { userChanged { id } }"):
            async with session.post(url, json={"query": query}, headers=who | {"Accept": kind}) as answer:
                assert (answer.status, await answer.text()).__repr__().count("UNAUTHENTICATED") == 1
                assert answer.status == 401
            async with session.get(url, params={"query": query}, headers=who | {"Accept": kind}) as answer:
                assert answer.status == 401
    async with session.put(url, headers=who) as answer:  # a reservation of graphql-sse
        assert answer.status == 401


@pytest.mark.parametrize("key", [None, *WRONG])
async def test_nobody_on_a_socket(production: Recorded, session: ClientSession, key: str | None) -> None:
    """A WebSocket without a key, or with a wrong one, is closed before anything is executed on it."""
    async with session.ws_connect(production.address("GraphQL"), protocols=[PROTOCOL]) as socket:
        await socket.send_json({"type": "connection_init", "payload": {} if key is None else {"x-api-key": key}})
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": ASKED}})
        message = await socket.receive(timeout=5)
        assert message.type is WSMsgType.CLOSE, message
        assert socket.close_code in {4401, 4403}


async def test_a_socket_with_a_key(production: Recorded, keys: Keys, session: ClientSession) -> None:
    """With a key in connection_init a WebSocket is served as its caller."""
    async with session.ws_connect(production.address("GraphQL"), protocols=[PROTOCOL]) as socket:
        await socket.send_json({"type": "connection_init", "payload": {"x-api-key": keys.by_name["reader"]}})
        assert await socket.receive_json(timeout=5) == {"type": "connection_ack"}
        await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": ASKED}})
        assert (await socket.receive_json(timeout=5))["payload"]["data"]["user"]["name"] == "Ada Lovelace"


async def test_nobody_over_grpc(channel: grpc.aio.Channel, keys: Keys) -> None:
    """No method of gRPC answers without a key, or with a wrong one; with one it does."""
    for method in METHODS:
        for key in (None, *WRONG):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await called(channel, method, key)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED, method
    assert (await called(channel, "GetUser", keys.by_name["reader"], id=ADA)).name == "Ada Lovelace"


@pytest.mark.parametrize(
    "method", ["CreateAccountUser", "UpdateAccountUser", "UpdateSoftwareOneUser", "UpdateResellerUser"]
)
async def test_who_may_only_read_over_grpc(
    channel: grpc.aio.Channel, keys: Keys, control: Control, method: str
) -> None:
    """Who may only read changes nothing over gRPC either."""
    await control.forget()
    fields = {} if method.startswith("Create") else {"id": "x"}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await called(channel, method, keys.by_name["reader"], **fields)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert await control.calls() == []


async def test_a_foreign_site_on_a_socket(production: Recorded, keys: Keys, session: ClientSession) -> None:
    """A WebSocket that another site's page opens is refused, whatever credential the browser would add."""
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": PROTOCOL,
        "Origin": "https://evil.example",
        "X-API-Key": keys.by_name["all"],
    }
    async with session.get(production.address("GraphQL"), headers=headers) as answer:
        assert answer.status == 403


READS = {
    "user": f'{{ user(id: "{ADA_THERE}") {{ email }} }}',
    "by its own id": f'{{ user(id: "{LANDMARKS["softwareone"]["ada"]}", source: SOFTWAREONE) {{ email }} }}',
    "node": f'{{ node(id: "{ADA_THERE}") {{ ... on User {{ email }} }} }}',
    "list": "{ users(filter: {sources: [SOFTWAREONE]}) { nodes { email } } }",
}


@pytest.mark.parametrize("query", READS.values(), ids=READS)
async def test_another_systems_users(production: Recorded, at: Callable[..., Caller], query: str) -> None:
    """Who may read one system gets no user of another, by whichever field it is asked for."""
    said = await at(production, "account-reader").ask(query)
    assert {error["extensions"]["code"] for error in said["errors"]} == {"FORBIDDEN"}
    assert "@" not in str(said)
    assert "@" in str(await at(production, "reader").ask(query))


async def test_nodes_one_by_one(production: Recorded, at: Callable[..., Caller]) -> None:
    """Of several nodes those are given that the caller may read, and the others are told as forbidden."""
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on User { source } } }"
    said = await at(production, "account-reader").ask(query, ids=[ADA, ADA_THERE])
    assert said["data"]["nodes"] == [{"source": "ACCOUNT"}, None]
    assert [(error["path"], error["extensions"]["code"]) for error in said["errors"]] == [(["nodes", 1], "FORBIDDEN")]


async def test_lists_are_narrowed(production: Recorded, at: Callable[..., Caller]) -> None:
    """The list, its edges, and a person have only users of systems that the caller may read."""
    query = (
        "query ($e: String!) { users(first: 100) { nodes { source } edges { node { source } } } "
        "person(email: $e) { users { source } } }"
    )
    email = (await at(production, "reader").ask(ASKED.replace("name", "email")))["data"]["user"]["email"]
    said = (await at(production, "account-reader").ask(query, e=email))["data"]
    found = [*said["users"]["nodes"], *(edge["node"] for edge in said["users"]["edges"]), *said["person"]["users"]]
    assert {user["source"] for user in found} == {"ACCOUNT"}
    more = (await at(production, "reader").ask(query, e=email))["data"]
    assert {user["source"] for user in more["users"]["nodes"]} == {"ACCOUNT", "SOFTWAREONE", "RESELLER"}


CHANGES = {
    "createAccountUser": '(input: {email: "new@a.example"})',
    "updateAccountUser": '(id: "acus_adalovelace1", input: {name: "x"})',
    "updateSoftwareOneUser": '(id: "USR-0000-0001", input: {firstName: "x"})',
    "updateResellerUser": '(id: "x", input: {firstName: "x"})',
}


@pytest.mark.parametrize("field", CHANGES)
async def test_who_may_only_read(production: Recorded, at: Callable[..., Caller], control: Control, field: str) -> None:
    """Who may only read changes nothing, by no mutation: nothing is even sent to the system."""
    await control.forget()
    for name in ("reader", "account-reader", "nobody"):
        said = await at(production, name).ask(f"mutation {{ {field}{CHANGES[field]} {{ id }} }}")
        assert said["data"] in (None, {field: None})
        assert [error["extensions"]["code"] for error in said["errors"]] == ["FORBIDDEN"]
    assert await control.calls() == []


async def test_every_change_is_here(development: Recorded, at: Callable[..., Caller]) -> None:
    """The test above tries each mutation that the schema has."""
    said = await at(development).ask("{ __schema { mutationType { fields { name } } } }")
    assert {field["name"] for field in said["data"]["__schema"]["mutationType"]["fields"]} == CHANGES.keys()


async def test_what_is_open(production: Recorded, session: ClientSession) -> None:
    """Without a key there are health and metrics, and neither tells of a user or a credential."""
    base = production.address("GraphQL").removesuffix("/graphql")
    for path in ("healthz", "readyz", "metrics"):
        async with session.get(f"{base}/{path}") as answer:
            assert answer.status == 200
            assert "@" not in await answer.text()
    async with session.post(f"{base}/webhooks/reseller", json={}) as answer:
        assert answer.status in {401, 404}
