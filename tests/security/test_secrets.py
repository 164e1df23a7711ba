"""Secrets stay where they are: in nothing that is printed, answered or shown, whatever goes wrong."""

import asyncio
import secrets
from collections.abc import Callable
from typing import get_args
from urllib.parse import urlsplit

import grpc
import pytest
from aiohttp import ClientSession
from security.echoing import WAYS, Echoing
from security.outside import Caller, Keys, Serve, called, ended

from gateway import Gateway, Settings
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.api.web.servers import ServerName
from gateway.cli import main
from gateway.operation import Principal
from gateway.users.changes import CreateAccountUser
from gateway.users.model import UserSource

SYSTEMS = ("ACCOUNT", "SOFTWAREONE", "RESELLER")
OPERATIONS = {
    "users": "{ users { nodes { name } unavailable { code message } } }",
    "person": '{ person(email: "ada@a.example") { users { name } unavailable { code message } } }',
    "role": '{ role(id: "x") { name } roles { nodes { name } } departments { nodes { name } } }',
    "create": 'mutation { createAccountUser(input: {email: "a@b.example"}) { id } }',
    "account": 'mutation { updateAccountUser(id: "x", input: {name: "x"}) { id role { name } } }',
    "softwareone": 'mutation { updateSoftwareOneUser(id: "x", input: {firstName: "x"}) { id } }',
    "reseller": 'mutation { updateResellerUser(id: "x", input: {firstName: "x"}) { id organization { name } } }',
    **{f"user of {source}": f'{{ user(id: "x", source: {source}) {{ name }} }}' for source in SYSTEMS},
}


def _secret(name: str) -> str:
    return f"leak-{name}-{secrets.token_hex(12)}"


@pytest.fixture
def tokens() -> dict[str, str]:
    """Settings whose values are nobody's business, each a text that is nowhere else."""
    return {
        "GATEWAY_ACCOUNT__TOKEN": _secret("account"),
        "GATEWAY_SOFTWAREONE__TOKEN": _secret("softwareone"),
        "GATEWAY_RESELLER__TOKEN": _secret("reseller"),
        "GATEWAY_CURSOR_SECRET": _secret("cursor"),
    }


def _told_in(text: str, tokens: dict[str, str]) -> list[str]:
    return [name for name, token in tokens.items() if token in text]


async def test_whatever_a_system_answers(
    serve: Serve,
    production_settings: dict[str, str],
    tokens: dict[str, str],
    keys: Keys,
    at: Callable[..., Caller],
) -> None:
    """A system may tell its credential in any answer: nobody is told it, and no log has it, not even at DEBUG."""
    async with Echoing().served() as system:
        bases = {f"GATEWAY_{source}__BASE_URL": system.url for source in SYSTEMS}
        quick = {f"GATEWAY_{source}__MAX_ATTEMPTS": "1" for source in SYSTEMS}
        rates = {f"GATEWAY_{source}__RATE_LIMIT": "10000" for source in SYSTEMS}
        ids = {"GATEWAY_ACCOUNT__ACCOUNT_ID": "ac_1", "GATEWAY_RESELLER__RESELLER_ID": "re_1"}
        debug = {"GATEWAY_LOG_LEVEL": "DEBUG"}
        leaking: dict[str, list[str]] = {}
        with serve(**production_settings, **bases, **quick, **rates, **ids, **debug, **tokens) as running:
            caller = at(running, "all")
            async with grpc.aio.insecure_channel(running.grpc) as channel:
                for way in WAYS:
                    system.way, before = way, system.asked
                    for name, query in OPERATIONS.items():
                        _, said, headers = await caller.send({"query": query})
                        if found := _told_in(f"{said}{dict(headers)}", tokens):
                            leaking[f"{way}: {name}"] = found
                    try:
                        text = str(await called(channel, "UpdateAccountUser", keys.by_name["all"], id="x"))
                    except grpc.aio.AioRpcError as error:
                        text = f"{error.details()}{error.trailing_metadata()}"
                    if found := _told_in(text, tokens):
                        leaking[f"{way}: gRPC"] = found
                    assert way == "a documented 503" or system.asked > before  # the circuit may be open by then
            async with caller.session.get(running.address("metrics")) as answer:
                assert not _told_in(await answer.text(), tokens)
        assert leaking == {}
        assert not _told_in(running.said, tokens | keys.by_name)
        assert "Traceback" not in running.said


async def test_what_callers_bring(
    serve: Serve, production_settings: dict[str, str], keys: Keys, at: Callable[..., Caller], session: ClientSession
) -> None:
    """Keys right and wrong, forwarded credentials and passwords come in, and no line of the log has them."""
    mine, wrong, forwarded, password = _secret("mine"), _secret("wrong"), _secret("forwarded"), f"Aa1!{_secret('pw')}"
    forwarding = {"GATEWAY_ACCOUNT__CREDENTIALS": "forward", "GATEWAY_ACCOUNT__FORWARD_HEADERS": "x-mine=authorization"}
    with serve(**production_settings, **forwarding, GATEWAY_LOG_LEVEL="DEBUG") as running:
        url = running.address("GraphQL")
        answers = [await at(running, "all").ask(query) for query in OPERATIONS.values()]
        for who in (
            {"X-API-Key": wrong},
            {"Authorization": f"Bearer {wrong}"},
            {"Authorization": f"Bearer e30.{mine}.x"},
        ):
            async with session.post(url, json={"query": "{ __typename }"}, headers=who) as answer:
                answers.append(await answer.text())
                assert answer.status == 401
        brought = {"X-API-Key": keys.by_name["all"], "X-Mine": f"Bearer {forwarded}"}
        for query in OPERATIONS.values():
            async with session.post(url, json={"query": query}, headers=brought) as answer:
                answers.append(await answer.text())
        created = "mutation ($i: CreateAccountUserInput!) { createAccountUser(input: $i) { id } }"
        answers.append(await at(running, "all").ask(created, i={"username": "x", "password": password}))
        answers.append(await at(running, "all").ask(created, i={"username": "x y", "password": "no"}))
        async with grpc.aio.insecure_channel(running.grpc) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await called(channel, "GetUser", wrong, id="x")
            answers.append(f"{refused.value.details()}{refused.value.trailing_metadata()}")
        async with session.ws_connect(url, protocols=["graphql-transport-ws"]) as socket:
            await socket.send_json({"type": "connection_init", "payload": {"x-api-key": wrong}})
            answers.append(str(await socket.receive(timeout=5)))
    brought_in = {"mine": mine, "wrong": wrong, "forwarded": forwarded, "password": password} | keys.by_name
    assert not _told_in(running.said, brought_in)
    assert not _told_in(str(answers), brought_in)


_CHUNKS = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
NO_REQUESTS = {
    "a blank before the colon": b"Authorization : Bearer %b\r\n\r\n",
    "a control character": b"Authorization: Bearer %b\x01\r\n\r\n",
    "a field without a colon": b"%b\r\n\r\n",
    "a long field": b"Authorization: Bearer %b" + b"a" * 100_000 + b"\r\n\r\n",
    "two lengths": b"X-API-Key: %b\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a body without a length": b"Content-Type: application/json\r\n\r\n%b: {}\r\n\r\n",
    "a chunk without a size": _CHUNKS + b"%b\r\n",
    "a chunk of another size": _CHUNKS + b"2\r\n%b\r\n0\r\n\r\n",
    "no gzip": b"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 40\r\n\r\n%b" + b"a" * 40,
}


@pytest.mark.parametrize("server", get_args(ServerName))
async def test_what_is_no_request(serve: Serve, server: str) -> None:
    """What strangers send that is no HTTP may hold a credential, and no line of the log has it, not even at DEBUG."""
    brought = {name: _secret("sent") for name in NO_REQUESTS}
    with serve(GATEWAY_HTTP_SERVER=server, GATEWAY_LOG_LEVEL="DEBUG") as running:
        at = urlsplit(running.address("GraphQL"))
        for name, rest in NO_REQUESTS.items():
            reader, writer = await asyncio.open_connection(at.hostname, at.port)
            writer.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\n" + rest.replace(b"%b", brought[name].encode()))
            async with asyncio.timeout(10):
                status = (await reader.readline()).split()[1]
                writer.write_eof()
                await reader.read()
            writer.close()
            await writer.wait_closed()
            assert status in {b"400", b"415", b"431"}, name
    assert not _told_in(running.said, brought)
    assert "Traceback" not in running.said


BAD = {
    "a number that is none": {"GATEWAY_ACCOUNT__TIMEOUT": "soon"},
    "half of TLS": {"GATEWAY_GRPC_TLS_CERTIFICATE": __file__},
    "a client authority without TLS": {"GATEWAY_GRPC_TLS_CLIENT_CA": __file__},
    "a mode without what it takes": {"GATEWAY_AUTH__MODE": "api_key"},
    "production for anyone": {"GATEWAY_ENVIRONMENT": "production"},
    "a group that is none": {"GATEWAY_LIMITS": "[]"},
    "a file that is none": {"GATEWAY_CONFIG": __file__},
}


@pytest.fixture
def complaint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints that ends because of its settings."""

    def printed(*arguments: str, **environment: str) -> str:
        for name, value in ({"GATEWAY_CONFIG": ""} | environment).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ending:
            main(["config", *arguments])
        assert ending.value.code == 2
        return "".join(capsys.readouterr())

    return printed


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_settings(complaint: Callable[..., str], tokens: dict[str, str], bad: dict[str, str]) -> None:
    """A complaint about a setting does not come with the secrets that are set beside it."""
    said = complaint(**tokens, GATEWAY_REDIS_URL="redis://:leak-redis@127.0.0.1:1/0", **bad)
    assert said.startswith("GATEWAY_") or __file__ in said
    assert not _told_in(said, tokens | {"redis": "leak-redis"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"GATEWAY_ACCOUNT": '{"token": "leak-it",'},
        {"GATEWAY_ACCOUNT": '["leak-it"]'},
        {"GATEWAY_ACCOUNT": '{"token": ["leak-it"]}'},
        {"GATEWAY_ACCOUNT": '{"token": "leak-it", "base_url": "no address"}'},
        {"GATEWAY_ACCOUNT__BASE_URL": "https://user:leak-it@a.example/?x"},
        {"GATEWAY_ACCOUNT__BASE_URL": "https://user:leak-it@a.example/"},
        {"GATEWAY_AUTH__MODE": "jwt", "GATEWAY_AUTH__JWKS_URL": "https://user:leak-it@a.example/"},
        {"GATEWAY_AUTH__JWKS_URL": "http://user:leak-it@a.example/"},
    ],
)
def test_a_secret_in_a_bad_setting(complaint: Callable[..., str], wrong: dict[str, str]) -> None:
    """A secret that stands in a value that cannot be used is not shown in the complaint."""
    said = complaint(**wrong)
    assert "ac" in said.lower() or "auth" in said.lower()  # it is named
    assert "leak-it" not in said


def test_a_bad_address_of_redis() -> None:
    """An address of Redis that is none ends `serve` in a sentence without it."""
    status, said = ended("serve", GATEWAY_REDIS_URL="leak-it", GATEWAY_HTTP_PORT="0", GATEWAY_GRPC_PORT="off")
    assert status in {1, 2}
    assert "leak-it" not in said
    assert "Traceback" not in said


def test_a_file_of_settings_that_is_not_there(complaint: Callable[..., str]) -> None:
    """A file of settings that is not there ends the command: its settings may be those that keep callers out."""
    assert "/nowhere/at.toml" in complaint(GATEWAY_CONFIG="/nowhere/at.toml")
    assert "/nowhere/at.toml" in complaint("--config", "/nowhere/at.toml")


def test_commands(tokens: dict[str, str]) -> None:
    """`config` and `check` tell how things are without a secret, whether the systems can be reached or not."""
    bases = {f"GATEWAY_{source}__BASE_URL": "http://127.0.0.1:1" for source in SYSTEMS}
    redis = {"GATEWAY_REDIS_URL": "redis://:leak-redis@127.0.0.1:1/0"}
    for command, status in (("config", 0), ("check", 1)):
        ended_with, said = ended(command, **tokens, **bases, **redis, GATEWAY_LOG_LEVEL="DEBUG")
        assert ended_with == status, said
        assert not _told_in(said, tokens | {"redis": "leak-redis"})


async def test_a_redis_that_is_away(serve: Serve, at: Callable[..., Caller]) -> None:
    """While Redis cannot be reached no log and no answer has its password."""
    with serve(GATEWAY_REDIS_URL="redis://:leak-redis@127.0.0.1:1/0", GATEWAY_LOG_LEVEL="DEBUG") as running:
        said = await at(running).ask(OPERATIONS["account"].replace('id: "x"', 'id: "x", idempotencyKey: "k"'))
    assert {error["extensions"]["code"] for error in said["errors"]} == {"SOURCE_UNAVAILABLE"}
    assert "leak-redis" not in f"{said}{running.said}"


def test_reprs(tokens: dict[str, str]) -> None:
    """What may end in a log or a debugger by its repr has no secret in it."""
    systems = {
        name.lower(): {"base_url": "http://127.0.0.1:1", "token": tokens[f"GATEWAY_{name}__TOKEN"]} for name in SYSTEMS
    }
    settings = Settings(redis_url="redis://:leak-redis@h", cursor_secret=tokens["GATEWAY_CURSOR_SECRET"], **systems)
    principal = Principal("x", frozenset(), {UserSource.ACCOUNT: {"authorization": "leak-forwarded"}})
    shown = [settings, settings.account, settings.model_dump(), Gateway(settings), vars(Gateway(settings)), principal]
    text = f"{shown!r} {shown!s} {settings.model_dump_json()}"
    assert not _told_in(text, tokens | {"redis": "leak-redis", "forwarded": "leak-forwarded"})


def test_a_password_has_no_repr() -> None:
    """A new user's password shows neither in the change that holds it nor in the request that brought it."""
    change = CreateAccountUser(username="ada", password="Leak-passw0rd!")
    asked = GraphQLRequest("mutation { x }", {"input": {"password": "Leak-passw0rd!"}})
    assert "Leak-passw0rd!" not in f"{change!r} {asked!r}"
