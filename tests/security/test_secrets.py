"""Secrets appear in no output, no response and no repr, whatever fails."""

import asyncio
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any, get_args
from urllib.parse import urlsplit

import grpc
import pytest
from aiohttp import ClientSession
from security.leaking_source import KINDS, LeakingSource
from security.outside import Caller, Keys, Serve, call_grpc, run_to_end

from gateway import Gateway, Settings
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.api.web.servers import ServerName
from gateway.auth import Credential
from gateway.cli import main
from gateway.principal import Principal
from gateway.users.changes import CreateAccountUser
from gateway.users.model import UserSource

SOURCES = ("ACCOUNT", "SOFTWAREONE", "RESELLER")
OPERATIONS = {
    "users": "{ users { nodes { name } unavailable { code message } } }",
    "person": '{ person(email: "ada@a.example") { users { name } unavailable { code message } } }',
    "role": '{ role(id: "x") { name } roles { nodes { name } } departments { nodes { name } } }',
    "create": 'mutation { createAccountUser(input: {email: "a@b.example"}) { id } }',
    "account": 'mutation { updateAccountUser(id: "x", input: {name: "x"}) { id role { name } } }',
    "softwareone": 'mutation { updateSoftwareOneUser(id: "x", input: {firstName: "x"}) { id } }',
    "reseller": 'mutation { updateResellerUser(id: "x", input: {firstName: "x"}) { id organization { name } } }',
    **{f"user of {source}": f'{{ user(id: "x", source: {source}) {{ name }} }}' for source in SOURCES},
}


def _secret(name: str) -> str:
    return f"leak-{name}-{secrets.token_hex(12)}"


@pytest.fixture
def tokens() -> dict[str, str]:
    """Secret settings, each with a value that occurs nowhere else."""
    return {
        "GATEWAY_ACCOUNT__TOKEN": _secret("account"),
        "GATEWAY_SOFTWAREONE__TOKEN": _secret("softwareone"),
        "GATEWAY_RESELLER__TOKEN": _secret("reseller"),
        "GATEWAY_CURSOR_SECRET": _secret("cursor"),
    }


def _found_in(text: str, tokens: dict[str, str]) -> list[str]:
    return [name for name, token in tokens.items() if token in text]


async def test_whatever_a_source_responds(
    serve: Serve,
    production_settings: dict[str, str],
    tokens: dict[str, str],
    keys: Keys,
    caller_of: Callable[..., Caller],
) -> None:
    """A source may return its credential in any response: no caller gets it, and no log, not even at DEBUG, or status.

    Nor does a caller get the address of the source, or why the call failed, which are for operators.
    """
    async with LeakingSource().serve() as leaking_source:
        internal = tokens | {"address": urlsplit(leaking_source.url).netloc, "cause": "a redirect to"}
        bases = {f"GATEWAY_{source}__BASE_URL": leaking_source.url for source in SOURCES}
        quick = {f"GATEWAY_{source}__MAX_ATTEMPTS": "1" for source in SOURCES}
        rates = {f"GATEWAY_{source}__RATE_LIMIT": "10000" for source in SOURCES}
        ids = {"GATEWAY_ACCOUNT__ACCOUNT_ID": "ac_1", "GATEWAY_RESELLER__RESELLER_ID": "re_1"}
        debug = {"GATEWAY_LOG_LEVEL": "DEBUG", "GATEWAY_LOG_FORMAT": "json"}
        leaking: dict[str, list[str]] = {}
        debug["GATEWAY_ADMIN_PORT"] = "0"
        with serve(**production_settings, **bases, **quick, **rates, **ids, **debug, **tokens) as running:
            caller = caller_of(running, "all")
            async with grpc.aio.insecure_channel(running.grpc) as channel:
                for kind in KINDS:
                    leaking_source.kind, before = kind, leaking_source.request_count
                    for name, query in OPERATIONS.items():
                        _, body, headers = await caller.send({"query": query})
                        if found := _found_in(f"{body}{dict(headers)}", internal):
                            leaking[f"{kind}: {name}"] = found
                    try:
                        text = str(await call_grpc(channel, "UpdateAccountUser", keys.by_name["all"], id="x"))
                    except grpc.aio.AioRpcError as error:
                        text = f"{error.details()}{error.trailing_metadata()}"
                    if found := _found_in(text, internal):
                        leaking[f"{kind}: gRPC"] = found
                    # The circuit may be open after a 503.
                    assert kind == "a documented 503" or leaking_source.request_count > before
            for page in ("metrics", "status"):
                for accepted in ("*/*", "text/html"):
                    async with caller.session.get(running.address(page), headers={"Accept": accepted}) as response:
                        assert response.status == 200
                        assert not _found_in(await response.text(), tokens | keys.by_name), page
        assert leaking == {}
        assert not _found_in(running.output, tokens | keys.by_name)
        assert not any("exception" in record for record in running.records)
        assert {record["state"] for record in running.records if "state" in record} >= {
            "calls_fail",
            "credentials_refused",
            "out_of_budget",
            "responses_invalid",
        }
        changes = [record for record in running.records if record["logger"] == "gateway.changes"]
        assert {record["source"] for record in changes} == {source.lower() for source in SOURCES}


async def test_provided_credentials(caplog: pytest.LogCaptureFixture) -> None:
    """The same holds for a credential that the embedding program provides for a caller."""
    secret, caller = _secret("provided"), Principal("ann", frozenset({"users:read", "users:write"}))

    async def provide(_: str, principal: Principal) -> Credential:
        return Credential({"authorization": f"Bearer {secret}{principal.name}"})

    async with LeakingSource().serve() as leaking_source:
        source: Any = {"base_url": leaking_source.url, "max_attempts": 1, "rate_limit": 10_000}
        settings = Settings(account=source, softwareone=source, reseller=source | {"reseller_id": "re_1"})
        with caplog.at_level(logging.DEBUG):
            async with Gateway(settings, credentials=provide) as gateway:
                for leaking_source.kind in KINDS:
                    for name in ("account", "user of SOFTWAREONE"):
                        result = await gateway.execute(OPERATIONS[name], principal=caller)
                        assert secret not in str(result), (leaking_source.kind, name)
        assert leaking_source.request_count > len(KINDS)
    assert secret not in caplog.text


async def test_what_callers_bring(
    serve: Serve,
    production_settings: dict[str, str],
    keys: Keys,
    caller_of: Callable[..., Caller],
    session: ClientSession,
) -> None:
    """API keys, forwarded credentials and passwords of callers, and names of users, are in no line of the log."""
    mine, wrong, forwarded, password = _secret("mine"), _secret("wrong"), _secret("forwarded"), f"Aa1!{_secret('pw')}"
    forwarding = {"GATEWAY_ACCOUNT__CREDENTIALS": "forward", "GATEWAY_ACCOUNT__FORWARD_HEADERS": "x-mine=authorization"}
    with serve(**production_settings, **forwarding, GATEWAY_LOG_LEVEL="DEBUG") as running:
        url = running.address("GraphQL")
        answers = [await caller_of(running, "all").execute(query) for query in OPERATIONS.values()]
        for credentials in (
            {"X-API-Key": wrong},
            {"Authorization": f"Bearer {wrong}"},
            {"Authorization": f"Bearer e30.{mine}.x"},
        ):
            async with session.post(url, json={"query": "{ __typename }"}, headers=credentials) as response:
                answers.append(await response.text())
                assert response.status == 401
        headers = {"X-API-Key": keys.by_name["all"], "X-Mine": f"Bearer {forwarded}"}
        for query in OPERATIONS.values():
            async with session.post(url, json={"query": query}, headers=headers) as response:
                answers.append(await response.text())
        created = "mutation ($i: CreateAccountUserInput!) { createAccountUser(input: $i) { id } }"
        answers.append(await caller_of(running, "all").execute(created, i={"username": "x", "password": password}))
        answers.append(await caller_of(running, "all").execute(created, i={"username": "x y", "password": "no"}))
        async with grpc.aio.insecure_channel(running.grpc) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call_grpc(channel, "GetUser", wrong, id="x")
            answers.append(f"{refused.value.details()}{refused.value.trailing_metadata()}")
        async with session.ws_connect(url, protocols=["graphql-transport-ws"]) as socket:
            await socket.send_json({"type": "connection_init", "payload": {"x-api-key": wrong}})
            answers.append(str(await socket.receive(timeout=20)))
        async with session.ws_connect(url, protocols=[f"bearer.{wrong}"]) as socket:  # as some browser clients do
            answers.append(str(await socket.receive(timeout=20)))
    secrets_sent = {"mine": mine, "wrong": wrong, "forwarded": forwarded, "password": password} | keys.by_name
    assert not _found_in(running.output, secrets_sent)
    assert not _found_in(str(answers), secrets_sent)
    people = {name for names in re.findall(r"'name': '([^']+ [^']+)'", str(answers)) for name in names.split()}
    assert len(people) > 20
    assert not [name for name in people if len(name) > 4 and re.search(rf"\b{name}\b", running.output)]


_CHUNKS = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
INVALID_REQUESTS = {
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
    """Credentials in requests that are not valid HTTP are in no line of the log, not even at DEBUG."""
    sent_secrets = {name: _secret("sent") for name in INVALID_REQUESTS}
    with serve(GATEWAY_HTTP_SERVER=server, GATEWAY_LOG_LEVEL="DEBUG") as running:
        address = urlsplit(running.address("GraphQL"))
        for name, rest in INVALID_REQUESTS.items():
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\n" + rest.replace(b"%b", sent_secrets[name].encode()))
            async with asyncio.timeout(30):
                status = (await reader.readline()).split()[1]
                writer.write_eof()
                await reader.read()
            writer.close()
            await writer.wait_closed()
            assert status in {b"400", b"415", b"431"}, name
    assert not _found_in(running.output, sent_secrets)
    assert "Traceback" not in running.output


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
def config_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function that runs a command with invalid settings and returns its output."""

    def printed(*arguments: str, **environment: str) -> str:
        for name, value in ({"GATEWAY_CONFIG": ""} | environment).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as exit_info:
            main(["config", *arguments])
        assert exit_info.value.code == 2
        return "".join(capsys.readouterr())

    return printed


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_settings(config_error: Callable[..., str], tokens: dict[str, str], bad: dict[str, str]) -> None:
    """The error for an invalid setting does not contain secrets of other settings."""
    message = config_error(**tokens, GATEWAY_REDIS_URL="redis://:leak-redis@127.0.0.1:1/0", **bad)
    assert message.startswith("GATEWAY_") or __file__ in message
    assert not _found_in(message, tokens | {"redis": "leak-redis"})


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
def test_a_secret_in_a_bad_setting(config_error: Callable[..., str], wrong: dict[str, str]) -> None:
    """The error for an invalid value does not contain a secret in that value."""
    message = config_error(**wrong)
    assert "ac" in message.lower() or "auth" in message.lower()  # the setting is named
    assert "leak-it" not in message


def test_a_bad_address_of_redis() -> None:
    """An invalid URL of Redis ends `serve` with an error that does not contain it."""
    status, output = run_to_end(
        "serve", "--allow-none", GATEWAY_REDIS_URL="leak-it", GATEWAY_HTTP_PORT="0", GATEWAY_GRPC_PORT="off"
    )
    assert status in {1, 2}
    assert "leak-it" not in output
    assert "Traceback" not in output


def test_a_file_of_settings_that_is_not_there(config_error: Callable[..., str]) -> None:
    """A missing settings file ends the command, since it may have the settings of authentication."""
    assert "/nowhere/at.toml" in config_error(GATEWAY_CONFIG="/nowhere/at.toml")
    assert "/nowhere/at.toml" in config_error("--config", "/nowhere/at.toml")


def test_commands(tokens: dict[str, str]) -> None:
    """The output of `config` and `check` contains no secret, also when the sources are unreachable."""
    bases = {f"GATEWAY_{source}__BASE_URL": "http://127.0.0.1:1" for source in SOURCES}
    redis = {"GATEWAY_REDIS_URL": "redis://:leak-redis@127.0.0.1:1/0"}
    for command, status in (("config", 0), ("check", 1)):
        exit_status, output = run_to_end(command, **tokens, **bases, **redis, GATEWAY_LOG_LEVEL="DEBUG")
        assert exit_status == status, output
        assert not _found_in(output, tokens | {"redis": "leak-redis"})


async def test_a_redis_that_is_away(serve: Serve, caller_of: Callable[..., Caller]) -> None:
    """While Redis is unreachable, no log and no response has its password."""
    with serve(GATEWAY_REDIS_URL="redis://:leak-redis@127.0.0.1:1/0", GATEWAY_LOG_LEVEL="DEBUG") as running:
        body = await caller_of(running).execute(
            OPERATIONS["account"].replace('id: "x"', 'id: "x", idempotencyKey: "k"')
        )
    assert {error["extensions"]["code"] for error in body["errors"]} == {"SOURCE_UNAVAILABLE"}
    assert "leak-redis" not in f"{body}{running.output}"


def test_reprs(tokens: dict[str, str]) -> None:
    """The reprs of settings, gateways and principals contain no secret."""
    source_settings = {
        name.lower(): {"base_url": "http://127.0.0.1:1", "token": tokens[f"GATEWAY_{name}__TOKEN"]} for name in SOURCES
    }
    settings = Settings(
        redis_url="redis://:leak-redis@h", cursor_secret=tokens["GATEWAY_CURSOR_SECRET"], **source_settings
    )
    principal = Principal("x", frozenset(), {UserSource.ACCOUNT: {"authorization": "leak-forwarded"}})
    shown = [settings, settings.account, settings.model_dump(), Gateway(settings), vars(Gateway(settings)), principal]
    text = f"{shown!r} {shown!s} {settings.model_dump_json()}"
    assert not _found_in(text, tokens | {"redis": "leak-redis", "forwarded": "leak-forwarded"})


def test_a_password_has_no_repr() -> None:
    """The password of a new user is neither in the repr of the change nor in that of the request."""
    change = CreateAccountUser(username="ada", password="Leak-passw0rd!")
    request = GraphQLRequest("mutation { x }", {"input": {"password": "Leak-passw0rd!"}})
    assert "Leak-passw0rd!" not in f"{change!r} {request!r}"
