"""Each fast path with a mistake is found by comparing what can be seen of it with the gateway without fast paths."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from parity.cases import ADA, USER
from parity.credentials import Callers
from parity.recording import Case, post, recorded, recorder

from gateway.api.graphql.execution.charging import Charging
from gateway.api.graphql.execution.preparation import Preparation
from gateway.api.graphql.http import fast_path
from gateway.api.graphql.http.accept import MediaType
from gateway.api.graphql.http.fast_path import FastHandling
from gateway.api.web.lean.whole_request import WholeRequestReader
from gateway.api.web.site import Site
from gateway.errors import SourceTimeout, SourceUnavailable
from gateway.principal import scopes
from gateway.sources.http import fast_call
from gateway.sources.http.fast_call import FastCalls
from gateway.sources.http.lean.connection import ClientConnection
from gateway.sources.http.lean.transport import LeanTransport
from gateway.users.model import UserSource

_PATIENCE = 4.0  # seconds for a case: with a mistake there may be no response
_READER = "X-API-Key: {reader}"
_RENAME = f'mutation {{ updateAccountUser(id: "{ADA}", input: {{name: "Ada"}}) {{ name }} }}'
_OTHER = '{ user(id: "USR-0000-0001", source: SOFTWAREONE) { name } }'
_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_DEFERRED = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ id ... @defer {{ name }} }} }}'
_EMPTY = "query ($id: ID!) { user(id: $id, source: ACCOUNT) { name } }"


def _fault(kind: str, **more: object) -> dict[str, object]:
    return {"source": "account", "kind": kind, "times": 1, **more}


def _cases() -> Iterator[Case]:
    yield Case("a read", [post(USER, None, _READER)] * 3)
    yield Case("a change", [post(_RENAME, None, "X-API-Key: {writer}")] * 2)
    yield Case("a change without the scope", [post(_RENAME, None, _READER)] * 2)
    yield Case("another source", [post(USER, None, "X-API-Key: {one}")] * 2)
    yield Case("expired", [post(USER, None, "X-API-Key: {expired}")])
    yield Case("an empty id", [post(_EMPTY, {"id": ""}, _READER)] * 2)
    yield Case("another page", [post(USER, None, _READER, "Origin: https://app.example")] * 2)
    yield Case("another media type", [post(USER, None, _READER, "Accept: application/graphql-response+json")] * 2)
    yield Case("a trace", [post(USER, None, _READER, f"traceparent: {_TRACE}")])
    yield Case("parts", [post(_DEFERRED, None, _READER, "Accept: multipart/mixed")] * 3)
    yield Case("not as documented", [post(USER, None, _READER)], [_fault("other-api")])
    yield Case("repeated", [post(USER, None, _READER)], [_fault("status", status=503)])
    yield Case("no time", [post(USER, None, _READER, "X-Request-Timeout: 0.3")], [_fault("slow", delay=3)])
    yield Case("together", [post(USER, None, _READER)] * 4, [_fault("slow", delay=0.1)], together=True)
    slow = [_fault("slow", delay=0.6)]
    yield Case("the first leaves", [post(USER, None, _READER)] * 3, slow, together=True, leaves=True)
    failing = {"source": "softwareone", "kind": "status", "times": 60, "status": 503}
    yield Case("failures", [post(_OTHER, None, "X-API-Key: {writer}")] * 26, [failing])
    yield Case("nothing left", [post(USER, None, _READER)] * 12)


_SETTINGS: dict[str, Any] = {
    "http_server": "lean",
    "cors_origins": ("https://app.example",),
    "rate_limit": {"cost": 500, "window": 86_400},
    "gate": {"at_once": 6, "queue": 1, "patience": 0.05, "share": 1},
    "account": {"max_attempts": 2},
    "softwareone": {"max_attempts": 1},
}


class _Without:
    """A step that does not do one thing."""

    def __init__(self, step: Any, name: str) -> None:
        self._step, self._name = step, name

    def __getattr__(self, name: str) -> Any:
        return (lambda *_arguments, **_more: None) if name == self._name else getattr(self._step, name)


Plant = Callable[[pytest.MonkeyPatch], None]


def _step_without(attribute: str, name: str) -> Plant:
    """Let the fast path of calls leave out one thing that a step does."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        begin = FastCalls.__init__

        def changed(self: FastCalls, *arguments: Any, **more: Any) -> None:
            begin(self, *arguments, **more)
            setattr(self, attribute, _Without(getattr(self, attribute), name))

        patch.setattr(FastCalls, "__init__", changed)

    return plant


def _replaced(owner: Any, name: str, value: Any) -> Plant:
    return lambda patch: patch.setattr(owner, name, value)


def _around(owner: Any, name: str, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Plant:
    return lambda patch: patch.setattr(owner, name, change(getattr(owner, name)))


def _without_authorization(take: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, call: take(
        self, replace(call, headers={name: value for name, value in call.headers.items() if name != "Authorization"})
    )


def _mapped_differently(call: Callable[..., Any]) -> Callable[..., Any]:
    async def changed(self: FastCalls, sent: Any) -> Any:
        try:
            return await call(self, sent)
        except SourceTimeout as error:
            raise SourceUnavailable(str(error), error.origin) from error

    return changed


def _without_deadline(send: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, call, message, timeout_at, unsent=None, **_: send(self, call, message, timeout_at, unsent)


def _always_abandoned(self: FastCalls, call: Any, response: Any) -> None:
    self._abandon(call, response)


def _without_field(field: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def change(read: Callable[..., Any]) -> Callable[..., Any]:
        def changed(self: WholeRequestReader, data: bytes, peer: str) -> Any:
            found = read(self, data, peer)
            if found is None:
                return None
            return replace(found, headers={name: found.headers[name] for name in found.headers if name != field})

        return changed

    return change


def _shortened(read: Callable[..., Any]) -> Callable[..., Any]:
    def changed(self: WholeRequestReader, data: bytes, peer: str) -> Any:
        found = read(self, data, peer)
        return None if found is None else replace(found, body=found.body[:-1])

    return changed


def _without_end(_respond: Callable[..., Any]) -> Callable[..., Any]:
    async def changed(self: Site, sent: Any, route: Any, handling: Any) -> Any:
        self._begin(sent, route)
        return self._finished(sent, await handling.respond())

    return changed


def _without_cors(_respond: Callable[..., Any]) -> Callable[..., Any]:
    async def changed(self: Site, sent: Any, route: Any, handling: Any) -> Any:
        self._begin(sent, route)
        return self._end(sent, await handling.respond())

    return changed


def _json_always(respond: Callable[..., Any]) -> Callable[..., Any]:
    async def changed(self: FastHandling) -> Any:
        return await respond(replace(self, media_type=MediaType.JSON))

    return changed


def _with_all_scopes(respond: Callable[..., Any]) -> Callable[..., Any]:
    async def changed(self: FastHandling) -> Any:
        incoming = self.incoming
        principal = dataclasses.replace(incoming.principal, scopes=scopes(UserSource))
        service = incoming.service.by(principal)
        return await respond(
            replace(self, incoming=dataclasses.replace(incoming, principal=principal, service=service))
        )

    return changed


def _without_caller(respond: Callable[..., Any]) -> Callable[..., Any]:
    async def changed(self: FastHandling) -> Any:
        response = await respond(self)
        self.incoming.report.caller = ""
        return response

    return changed


async def _free(*_arguments: Any) -> tuple[int, None]:
    return 0, None


PLANTED: dict[str, Plant] = {
    "a failed attempt is not counted by the circuit": _step_without("_circuit", "count"),
    "an attempt is not measured": _step_without("_timing", "end"),
    "a shared call is not removed after its end": _step_without("_flights", "end"),
    "a failure is not repeated": _replaced(fast_call, "is_transient", lambda _result: False),
    "a call without the credential": _around(LeanTransport, "try_take", _without_authorization),
    "an error is mapped to another one": _around(FastCalls, "__call__", _mapped_differently),
    "the deadline is ignored": _around(ClientConnection, "send", _without_deadline),
    "others lose the call when the first caller leaves": _replaced(FastCalls, "_leave", _always_abandoned),
    "the origin is not read": _around(WholeRequestReader, "try_read", _without_field("origin")),
    "the trace is not read": _around(WholeRequestReader, "try_read", _without_field("traceparent")),
    "the body lacks its last byte": _around(WholeRequestReader, "try_read", _shortened),
    "no line in the access log": _around(Site, "_respond_fast", _without_end),
    "no header fields for browsers": _around(Site, "_respond_fast", _without_cors),
    "the caller is not reported": _around(FastHandling, "respond", _without_caller),
    "the principal has all scopes": _around(FastHandling, "respond", _with_all_scopes),
    "parts are not sent as parts": _replaced(fast_path, "_has_one_part", lambda *_: True),
    "the media type is always the same": _around(FastHandling, "respond", _json_always),
    "the caller is not charged": _replaced(Charging, "operation", _free),
    "the operation is not reported": _replaced(
        Preparation, "accept", lambda _self, _found, request, _incoming: request
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Case], dict[str, Any], dict[str, Any]]:
    """The cases, the settings, and what is seen without fast paths."""
    callers = Callers(tmp_path_factory.mktemp("callers"))
    cases, settings = callers.with_credentials(_cases()), _SETTINGS | callers.settings
    return cases, settings, asyncio.run(recorded(cases, fast_path="off", **settings))


@pytest.mark.parametrize("name", ["nothing", *PLANTED])
async def test_planted(world: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in a fast path is a difference, and without one there is none."""
    cases, settings, slow = world
    if name != "nothing":
        PLANTED[name](monkeypatch)
    patience = _PATIENCE if name != "nothing" else None
    found = ""
    async with recorder(fast_path="on", **settings) as gateway:
        for case in cases:
            try:
                async with asyncio.timeout(patience):
                    same = await gateway.observe(case) == slow[case.name]
            except TimeoutError:  # there is no response
                same = False
            if not same:
                found = case.name
                break
        else:
            found = "metrics" if await gateway.metrics() != slow["metrics"] else ""
    assert bool(found) == (name != "nothing"), found
