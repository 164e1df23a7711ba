"""The three sources, written without the gateway's sandbox: few endpoints, faults, and a record of what was executed.

A mistake that gateway and sandbox share would not be seen between those two. Shapes and rules are those of
docs/upstreams/: the account source executes a change once for its idempotency key and does not store a 5xx, the other
two know no keys. Each change sets one field of one user to a value that no other change uses, so that the record names
the change that was executed.
"""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from aiohttp import web
from faults.shapes import StoredUser, account_error, not_found, own_error, view

__all__ = ["FIELDS", "Executed", "Fault", "Read", "StandIn", "running"]

FIELDS = {"account": "name", "softwareone": "firstName", "reseller": "company"}
"""The field that the changes set, by source."""

_LATE = 1.6  # seconds: more than the timeout of an attempt in the campaign
_SLOW = 0.3


class Fault(StrEnum):
    """What may happen to a call; those whose text says so before the call is executed, the others after that."""

    CLOSED_BEFORE = "connection closed, not executed"
    REDIRECT = "303 of a proxy, not executed"
    PAGE_BEFORE = "404 with a page of a proxy, not executed"
    TOO_MANY = "429, not executed"
    SLOW = "executed, answered late"
    LATE = "executed after the caller stopped waiting"
    CLOSED_AFTER = "executed, then the connection is closed"
    HALF_BODY = "executed, half of the response"
    GARBAGE = "executed, a response that is not JSON"
    INTERNAL = "executed, 500 of the source"
    BAD_GATEWAY = "executed, 502 with a page of a proxy"
    UNAVAILABLE = "executed, 503 with a page of a proxy"
    TIMEOUT = "executed, 504 with a page of a proxy"
    UNDOCUMENTED = "executed, a status that no source documents"
    SEE_OTHER = "executed, then a redirect"
    NO_BODY = "executed, a success without a body"
    OTHER_RECORD = "executed, the record of another user"


@dataclass(frozen=True, slots=True)
class Executed:
    """A change that was executed, in the order of execution; times are those of `time.monotonic`.

    `forgotten` where the account source did not store the response under the idempotency key, as with all its own 5xx:
    the same request under the same key is executed again.
    """

    source: str
    user: str
    value: str
    arrived: float
    at: float
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """A call that read one user, or a list of users (`user` is empty)."""

    source: str
    user: str
    arrived: float


@dataclass(slots=True)
class _Stored:
    """The response to an idempotency key of the account source; None while the first request runs."""

    fingerprint: bytes
    response: tuple[int, Any] | None = None


class StandIn:
    """The sources in memory. `choose_fault(source, writes)` returns the fault of each call.

    `on_change` is called with each user that a call has changed, before the call is answered.
    """

    def __init__(self) -> None:
        self.choose_fault: Callable[[str, bool], Fault | None] = lambda _source, _writes: None
        self.on_change: Callable[[str, dict[str, Any]], None] = lambda _source, _view: None
        self.executed: list[Executed] = []
        self.reads: list[Read] = []
        self.url = ""
        self._users: dict[str, dict[str, StoredUser]] = {source: {} for source in FIELDS}
        self._keys: dict[tuple[str, str], _Stored] = {}
        self._created = 0

    def add(self, source: str, value: str = "initial") -> str:
        """Add a user without a call; return its id."""
        self._created += 1
        number = self._created
        ids = {
            "account": f"acus_{number:012d}",
            "softwareone": f"USR-{number // 10_000:04d}-{number % 10_000:04d}",
            "reseller": f"00000000-0000-4000-8000-{number:012d}",
        }
        user = StoredUser(ids[source], f"user-{number}@{source}.example", value, number)
        self._users[source][user.id] = user
        return user.id

    def remove(self, source: str, user: str) -> None:
        """Remove a user without a call."""
        del self._users[source][user]

    def values(self) -> dict[tuple[str, str], str]:
        """Return the value of each user."""
        return {(source, user.id): user.value for source, users in self._users.items() for user in users.values()}

    def app(self) -> web.Application:
        app = web.Application()
        account, reseller = "/account/v1/identity/account-users", "/reseller/v3/resellers/{tenant}/users"
        app.router.add_get(account, self._list_account)
        app.router.add_post(account, self._change("account", self._create))
        app.router.add_get(f"{account}/{{id}}", self._get("account"))
        app.router.add_patch(f"{account}/{{id}}", self._change("account", self._update))
        app.router.add_get("/softwareone/public/v1/accounts/users", self._list_softwareone)
        app.router.add_get("/softwareone/public/v1/accounts/users/{id}", self._get("softwareone"))
        app.router.add_put("/softwareone/public/v1/accounts/users/{id}", self._change("softwareone", self._update))
        app.router.add_get(reseller, self._list_reseller)
        app.router.add_get(f"{reseller}/{{id}}", self._get("reseller"))
        app.router.add_patch(f"{reseller}/{{id}}", self._change("reseller", self._update))
        return app

    # Reads

    def _get(self, source: str) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            arrived = time.monotonic()
            self.reads.append(Read(source, request.match_info["id"], arrived))

            def execute() -> tuple[int, Any]:
                user = self._users[source].get(request.match_info["id"])
                return not_found(source) if user is None else (200, view(source, user))

            return await self._answer(request, source, self.choose_fault(source, False), execute)

        return handle

    async def _list_account(self, request: web.Request) -> web.StreamResponse:
        def execute() -> tuple[int, Any]:
            limit, cursor = int(request.query.get("limit", 100)), int(request.query.get("cursor", str(2**62)))
            users = [user for user in self._newest("account") if user.created < cursor]
            more = len(users) > limit
            link = f"/v1/identity/account-users?cursor={users[limit - 1].created}&limit={limit}" if more else None
            info = {"next_page_url": link, "previous_page_url": None, "has_next_page": more, "has_prev_page": False}
            data = [view("account", user) for user in users[:limit]]
            return 200, {"object": "list", "page_info": info, "data": data}

        return await self._list(request, "account", execute)

    async def _list_softwareone(self, request: web.Request) -> web.StreamResponse:
        def execute() -> tuple[int, Any]:
            limit, offset = int(request.query.get("limit", 10)), int(request.query.get("offset", 0))
            users = list(self._newest("softwareone"))
            page = {"offset": offset, "limit": limit, "total": len(users)}
            data = [view("softwareone", user) for user in users[offset : offset + limit]]
            return 200, {"$meta": {"pagination": page}, "data": data}

        return await self._list(request, "softwareone", execute)

    async def _list_reseller(self, request: web.Request) -> web.StreamResponse:
        def execute() -> tuple[int, Any]:
            limit, page = int(request.query.get("limit", 10)), int(request.query.get("page", 1))
            users = list(self._newest("reseller"))
            if wanted := request.query.get("id[eq]"):
                users = [user for user in users if user.id == wanted]
            if not request.query.get("sort", "").startswith("-"):
                users.reverse()
            return 200, [view("reseller", user) for user in users[(page - 1) * limit : page * limit]]

        return await self._list(request, "reseller", execute)

    async def _list(
        self, request: web.Request, source: str, execute: Callable[[], tuple[int, Any]]
    ) -> web.StreamResponse:
        self.reads.append(Read(source, "", time.monotonic()))
        return await self._answer(request, source, self.choose_fault(source, False), execute)

    def _newest(self, source: str) -> Iterator[StoredUser]:
        return iter(sorted(self._users[source].values(), key=lambda user: -user.created))

    # Changes

    def _change(self, source: str, execute: Callable[..., tuple[int, Any]]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            arrived = time.monotonic()
            fault = self.choose_fault(source, True)
            body = await _json(request)
            key = (request.method, request.headers.get("Idempotency-Key", "")) if source == "account" else None
            if key is None:
                return await self._answer(
                    request, source, fault, lambda: execute(source, request.match_info.get("id"), body, arrived)
                )
            fingerprint = request.path.encode() + json.dumps(body, sort_keys=True).encode()
            stored = self._keys.get(key)
            if stored is not None:
                if stored.fingerprint != fingerprint:
                    return _respond(*account_error(400, "validation_failed", "idempotency_error"))
                if stored.response is None:
                    return _respond(*account_error(409, "idempotency_in_progress", "idempotency_error"))
                return _respond(*stored.response)
            if fault in _NOT_EXECUTED:
                return await self._answer(request, source, fault, lambda: (500, None))
            stored = self._keys[key] = _Stored(fingerprint)

            def execute_once() -> tuple[int, Any]:
                stored.response = execute(source, request.match_info.get("id"), body, arrived)
                return stored.response

            try:
                return await self._answer(request, source, fault, execute_once)
            finally:
                # Its own 5xx are not stored, whatever was executed before them; the pages of a proxy are not its own.
                if fault is Fault.INTERNAL:
                    del self._keys[key]
                    if self.executed and self.executed[-1].arrived == arrived:
                        self.executed[-1] = replace(self.executed[-1], forgotten=True)

        return handle

    def _create(self, source: str, _user: None, body: dict[str, Any], arrived: float) -> tuple[int, Any]:
        email = body["email"]
        if any(user.email == email for user in self._users[source].values()):
            return account_error(409, "resource_conflict", "invalid_request_error")
        user = self._users[source][self.add(source, email)]
        user.email = email
        self.executed.append(Executed(source, user.id, email, arrived, time.monotonic()))
        return 201, view(source, user)

    def _update(self, source: str, key: str, body: dict[str, Any], arrived: float) -> tuple[int, Any]:
        user = self._users[source].get(key)
        if user is None:
            return not_found(source)
        user.value, user.updated_at = body[FIELDS[source]], time.time()
        self.executed.append(Executed(source, user.id, user.value, arrived, time.monotonic()))
        self.on_change(source, view(source, user))
        return 200, view(source, user)

    async def _answer(
        self, request: web.Request, source: str, fault: Fault | None, execute: Callable[[], tuple[int, Any]]
    ) -> web.StreamResponse:
        if fault in _NOT_EXECUTED:
            return _NOT_EXECUTED[fault](request)
        if fault is Fault.LATE:
            await asyncio.sleep(_LATE)
        status, body = execute()
        if fault is Fault.SLOW:
            await asyncio.sleep(_SLOW)
        if fault is Fault.HALF_BODY:
            return await _half(request, status, body)
        if fault is Fault.INTERNAL:
            status, body = own_error(source)
        if fault is Fault.OTHER_RECORD and status in {200, 201} and isinstance(body, dict) and "id" in body:
            other = next(user for user in self._users[source].values() if user.id != body["id"])
            body = view(source, other)
        return _EXECUTED[fault](request) if fault in _EXECUTED else _respond(status, body)


@asynccontextmanager
async def running() -> AsyncIterator[StandIn]:
    """Serve the sources on a free port of the loopback interface until the block ends."""
    stand_in = StandIn()
    # Without a timeout of the shutdown, late calls would be waited for.
    runner = web.AppRunner(stand_in.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stand_in.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield stand_in
    finally:
        await runner.cleanup()


async def _json(request: web.Request) -> dict[str, Any]:
    if request.content_type != "multipart/form-data":
        return await request.json()  # type: ignore[no-any-return]  # an object
    async for part in await request.multipart():
        if getattr(part, "name", None) == "user":
            return json.loads(await part.text())  # type: ignore[union-attr,no-any-return]  # no nested form
    raise web.HTTPBadRequest


def _respond(status: int, body: Any) -> web.Response:
    return web.json_response(body, status=status)


def _page(status: int) -> web.Response:
    return web.Response(status=status, text=f"<html>{status}</html>", content_type="text/html")


def _close(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _half(request: web.Request, status: int, body: Any) -> web.StreamResponse:
    text = json.dumps(body).encode()
    response = web.StreamResponse(status=status, headers={"Content-Length": str(len(text))})
    response.content_type = "application/json"
    await response.prepare(request)
    await response.write(text[: math.ceil(len(text) / 2)])
    _close(request)
    return response


_NOT_EXECUTED: dict[Fault | None, Callable[[web.Request], web.Response]] = {
    Fault.CLOSED_BEFORE: _close,
    Fault.REDIRECT: lambda _: web.Response(status=303, headers={"Location": "/elsewhere"}),
    Fault.PAGE_BEFORE: lambda _: _page(404),
    Fault.TOO_MANY: lambda _: web.Response(status=429, headers={"Retry-After": "0"}),
}
_EXECUTED: dict[Fault | None, Callable[[web.Request], web.Response]] = {
    Fault.CLOSED_AFTER: _close,
    Fault.GARBAGE: lambda _: web.Response(text="<html>all is well</html>", content_type="text/html"),
    Fault.BAD_GATEWAY: lambda _: _page(502),
    Fault.UNAVAILABLE: lambda _: _page(503),
    Fault.TIMEOUT: lambda _: _page(504),
    Fault.UNDOCUMENTED: lambda _: _respond(418, {"message": "I am a teapot.", "title": "Teapot"}),
    Fault.SEE_OTHER: lambda _: web.Response(status=303, headers={"Location": "/elsewhere"}),
    Fault.NO_BODY: lambda _: web.Response(status=204),
}
