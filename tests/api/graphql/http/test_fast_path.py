"""Tests of the fast path of the GraphQL endpoint: which requests it takes, and that it responds as the endpoint."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace
from still_clock import StillClock

from gateway import Gateway, Settings
from gateway.api.graphql.http import fast_path
from gateway.api.web.http import Headers, WebRequest, WebResponse
from gateway.api.web.site import Site
from gateway.callers.api_keys import new_api_key
from gateway.principal import scopes
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, LANDMARKS, SandboxOptions, SandboxServer
from gateway.telemetry.report import RequestReport
from gateway.users.model import UserSource

USER = "query User($id: ID!) { user(id: $id, source: ACCOUNT) { name role { name } } }"
ID = LANDMARKS["account"]["ada"]
JSON = {"Content-Type": "application/json"}
_TIMES = re.compile(r"dur=[0-9.]+")


@asynccontextmanager
async def _gateway(**settings: Any) -> AsyncIterator[Gateway]:
    """Open a gateway in front of a sandbox, with fast paths also where `TEST_FAST_PATH` is off for all tests.

    Its clock stands still: what is kept stays as old as it is, and no allowance grows.
    """
    async with SandboxServer(SandboxOptions(users=4, rate_limits=False)) as sandbox:
        account = {"base_url": sandbox.account_url, "token": ACCOUNT_TOKEN, "account_id": ACCOUNT_ID}
        async with Gateway(Settings(account=account, fast_path="on", **settings), clock=StillClock()) as gateway:
            yield gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway with default settings."""
    async with _gateway() as gateway:
        yield gateway


def _request(body: Any, headers: dict[str, str] = JSON, method: str = "POST") -> WebRequest:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    fields = {"Host": "localhost", "X-Request-ID": "r1"} | headers
    return WebRequest(method, "/graphql", "", Headers(fields.items()), content)


async def _responses(gateway: Gateway, request: WebRequest) -> tuple[WebResponse | None, WebResponse]:
    """Return the response of the fast path, if it takes the request, and that of the endpoint."""
    site: Site = gateway._serving.site()
    fast: Any = site.try_respond(request)
    response = await fast() if callable(fast) else fast
    return response, await site.respond(replace(request, report=RequestReport()))


async def _prepare(gateway: Gateway) -> None:
    """Let the document be parsed, and its operation be found with and without its name."""
    for name in ("User", None):
        await _responses(gateway, _request({"query": USER, "variables": {"id": ID}, "operationName": name}))


def _shown(response: WebResponse) -> Any:
    return response.status, response.body, [(name, _TIMES.sub("dur=", value)) for name, value in response.headers]


TAKEN: dict[str, tuple[Any, dict[str, str]]] = {
    "a query with variables": ({"query": USER, "variables": {"id": ID}}, {}),
    "its operation by name": ({"query": USER, "variables": {"id": ID}, "operationName": "User"}, {}),
    "JSON with blanks and escapes": (
        b'{ "query" : "%b", "variables": {"i\\u0064": "%b"} }' % (USER.encode(), ID.encode()),
        {},
    ),
    "a user that does not exist": ({"query": USER, "variables": {"id": "acus_nobody"}}, {}),
    "a variable of a wrong type": ({"query": USER, "variables": {"id": True}}, {}),
    "a missing variable": ({"query": USER}, {}),
    "variables beyond the limit": ({"query": USER, "variables": {"id": [0] * 7000}}, {}),
    "an error behavior": ({"query": USER, "variables": {"id": "?"}, "onError": "HALT"}, {}),
    "requested extensions": ({"query": USER, "variables": {"id": ID}, "extensions": {"cost": True}}, {}),
    "the other media type": (
        {"query": USER, "variables": {"id": ID}},
        {"Accept": "application/graphql-response+json"},
    ),
    "what Apollo Client accepts": (
        {"query": USER, "variables": {"id": ID}},
        {"Accept": "multipart/mixed;deferSpec=20220824,application/json"},
    ),
    "header fields about the operation": (
        {"query": USER, "variables": {"id": ID}},
        {
            "Idempotency-Key": '"k"',
            "X-Request-Timeout": "30",
            "Cache-Control": "no-cache",
            "Origin": "http://a.example",
        },
    ),
    "a timeout that has passed": ({"query": USER, "variables": {"id": ID}}, {"X-Request-Timeout": "0.000001"}),
}

LEFT: dict[str, tuple[Any, dict[str, str], str]] = {
    "a query by GET": (b"", {}, "GET"),
    "JSON that is none": (b"{", {}, "POST"),
    "a name twice": (b'{"query":"{__typename}","query":"{__typename}"}', {}, "POST"),
    "no object": ([], {}, "POST"),
    "a document that is not in the cache": ({"query": "{ user(id: 1) { email } }"}, {}, "POST"),
    "an operation that is not in the document": ({"query": USER, "operationName": "Other"}, {}, "POST"),
    "introspection": ({"query": "{ __schema { queryType { name } } }"}, {}, "POST"),
    "an unknown error behavior": ({"query": USER, "onError": "IGNORE"}, {}, "POST"),
    "a form": (b"query=1", {"Content-Type": "application/x-www-form-urlencoded"}, "POST"),
    "another character set": ({"query": USER}, {"Content-Type": "application/json; charset=latin-1"}, "POST"),
    "an event stream": ({"query": USER}, {"Accept": "text/event-stream"}, "POST"),
    "a reserved event stream": ({"query": USER}, {"X-GraphQL-Event-Stream-Token": "t"}, "POST"),
    "a media type that is not supported": ({"query": USER}, {"Accept": "image/png"}, "POST"),
    "a long body": ({"query": USER, "variables": {"id": "x" * 20_000}}, {}, "POST"),
    "a body beyond the limit": ({"query": USER, "variables": {"id": "x" * 2_000_000}}, {}, "POST"),
}


async def test_the_fast_path_responds_as_the_endpoint(gateway: Gateway) -> None:
    """A plain request is taken once its document is prepared, and has the response of the endpoint."""
    await _prepare(gateway)
    for name, (body, headers) in TAKEN.items():
        fast, slow = await _responses(gateway, _request(body, JSON | headers))
        assert fast is not None, name
        assert _shown(fast) == _shown(slow), name


async def test_the_fast_path_leaves_other_requests_to_the_endpoint(gateway: Gateway) -> None:
    """A request that is not plain, or not right, is not taken."""
    await _prepare(gateway)
    for name, (body, headers, method) in LEFT.items():
        fast, _ = await _responses(gateway, _request(body, JSON | headers, method))
        assert fast is None, name


NOT_IMMEDIATE: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a user that was not read": ({"variables": {"id": LANDMARKS["account"]["grace"]}}, {}),
    "no id": ({"variables": {"id": ""}}, {}),
    "a wrong variable": ({"variables": {"id": True}}, {}),
    "what must not be kept": ({}, {"Cache-Control": "no-cache"}),
    "extensions": ({"extensions": {"calls": True}}, {}),
    "an execution that ends at the first error": ({"onError": "HALT"}, {}),
    "a field that is looked up": ({"query": "query($id: ID!) { user(id: $id) { role { permissions } } }"}, {}),
    "a list": ({"query": "{ users(first: 1) { nodes { name } } }"}, {}),
}


async def test_a_kept_user_is_given_without_a_wait() -> None:
    """The response with a user that is kept needs no task, and is that of the endpoint; others wait."""
    async with _gateway(keep_mode="on") as gateway:
        site: Site = gateway._serving.site()
        request = _request({"query": USER, "variables": {"id": ID}})
        await site.respond_by_handler(replace(request, report=RequestReport()))
        now = site.try_respond(replace(request, report=RequestReport()))
        assert isinstance(now, WebResponse)
        slow = await site.respond_by_handler(replace(request, report=RequestReport()))
        assert _shown(now) == _shown(slow)
        assert isinstance(now.body, bytes)
        assert b"Ada" in now.body
        assert dict(now.headers)["Cache-Status"].startswith("usergateway; hit")
        for name, (changed, headers) in NOT_IMMEDIATE.items():
            body = {"query": USER, "variables": {"id": ID}} | changed
            if name != "a user that was not read":
                await site.respond_by_handler(_request(body))
            later = site.try_respond(_request(body, JSON | headers))
            assert callable(later), name
            await later()


async def test_a_kept_user_waits_for_a_slot() -> None:
    """An operation that gets no slot at once waits for one, also if it would need no other wait."""
    async with _gateway(keep_mode="on", gate={"at_once": 1}) as gateway:
        site: Site = gateway._serving.site()
        request = _request({"query": USER, "variables": {"id": ID}})
        await site.respond_by_handler(replace(request, report=RequestReport()))
        async with gateway._parts.capacity.slot(""):
            assert callable(site.try_respond(replace(request, report=RequestReport())))
        assert isinstance(site.try_respond(replace(request, report=RequestReport())), WebResponse)


async def test_nothing_is_parsed_for_a_client_without_a_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body of a request is parsed after its caller was authenticated, on the fast path as well."""
    key, entry = new_api_key("billing", ["users:read"], scopes(UserSource))
    (tmp_path / "keys.toml").write_text(entry.to_toml())
    parsed: list[bytes] = []

    def parse(body: bytes, limits: Any) -> None:
        parsed.append(body)

    monkeypatch.setattr(fast_path, "try_read_json", parse)
    async with _gateway(auth={"mode": "api_key", "keys_file": tmp_path / "keys.toml"}) as gateway:
        site: Site = gateway._serving.site()
        for credential in ({}, {"X-API-Key": "ugk_wrong"}):
            assert site.try_respond(_request({"query": USER}, JSON | credential)) is None
        assert parsed == []
        site.try_respond(_request({"query": USER}, JSON | {"X-API-Key": key}))
        assert len(parsed) == 1


async def test_callers_with_a_key_and_an_allowance_may_take_it(tmp_path: Path) -> None:
    """A request with an API key and the name of a trusted document is taken and charged; without the key it is left."""
    key, entry = new_api_key("billing", ["users:read"], scopes(UserSource))
    (tmp_path / "keys.toml").write_text(entry.to_toml())
    (tmp_path / "manifest.json").write_text(orjson.dumps({"user-by-id": USER}).decode())
    auth = {"mode": "api_key", "keys_file": tmp_path / "keys.toml"}
    documents = {"manifests": (tmp_path / "manifest.json",), "trust": "enforce"}
    async with _gateway(auth=auth, documents=documents, rate_limit={"cost": 23}) as gateway:
        site: Site = gateway._serving.site()
        body = {"documentId": "user-by-id", "variables": {"id": ID}}

        async def respond(headers: dict[str, str]) -> WebResponse:
            fast = site.try_respond(_request(body, JSON | headers))
            assert callable(fast)
            return await fast()

        assert site.try_respond(_request(body)) is None
        assert site.try_respond(_request(body, JSON | {"X-API-Key": f"{key}x"})) is None
        assert site.try_respond(_request({"query": "{ users { nodes { id } } }"}, JSON | {"X-API-Key": key})) is None
        first = await respond({"X-API-Key": key})
        assert dict(first.headers)["RateLimit"].startswith('"default";r=11;')
        assert (await respond({"Authorization": f"Bearer {key}"})).status == 429
