"""An independent account source for the benchmark of kept records: it has a history of every user.

`python -m benchmarks.history PORT CONFIGURATION` runs it. Nothing of the gateway is used. A user has a version, which
its e-mail address shows. A change raises the version, and the history has the time of each one, on the monotonic clock,
which all processes of a Linux machine share.

- It accepts `rate` calls in any second, and responds to each after `latency` seconds; a user is read at a random moment
  between.
- It changes users by itself, with the same distribution as they are read: nobody but the audit events tells. An event
  can be read up to `lateness` seconds after its change.
- `GET /history` returns the times of all changes, and what it counted.
"""

import asyncio
import random
import sys
import time
from bisect import bisect_left
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import orjson
from aiohttp import web

__all__ = ["HistoryConfiguration", "configuration_json", "email_of", "popularity", "user_id_of", "version_of"]

_USERS_PATH = "/v1/identity/account-users"
_WINDOW = 1.0  # seconds
_MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class HistoryConfiguration:
    """The number of users, the limit and the latency of calls, and the changes by the source itself per second.

    `users` are JSON records of the account source, which are repeated with other ids. `exponent` is that of the Zipf
    distribution.
    """

    users: list[dict[str, Any]]
    count: int = 10_000
    rate: int = 20
    latency: float = 0.05
    changes: float = 0.5
    lateness: float = 2.0
    exponent: float = 1.0


def user_id_of(number: int) -> str:
    """Return the id of a user."""
    return f"acus_{number:012d}"


def email_of(number: int, version: int) -> str:
    """Return the e-mail address of a version of a user; all have the same length."""
    return f"user{number:05d}.version{version:06d}@example.com"


def version_of(email: str) -> tuple[int, int]:
    """Return the number and the version of the user with this address."""
    return int(email[4:9]), int(email[17:23])


def popularity(count: int, exponent: float) -> list[float]:
    """Return the cumulative weights of users by Zipf: the n-th is read in proportion to n^-exponent."""
    return list(accumulate((rank + 1) ** -exponent for rank in range(count)))


@dataclass(slots=True)
class _Event:
    visible_at: float
    occurred_at: str
    created_at: str
    id: str
    user: str


@dataclass(slots=True)
class HistorySource:
    """The state of the source."""

    configuration: HistoryConfiguration
    changed_at: dict[int, list[float]] = field(default_factory=dict)
    """The time of each change of a user: version n + 1 begins with the n-th one."""
    events: list[_Event] = field(default_factory=list)
    accepted: deque[float] = field(default_factory=deque)
    counts: Counter[str] = field(default_factory=Counter)
    polls: list[float] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - the same changes in each run

    def version(self, number: int) -> int:
        return len(self.changed_at.get(number, ()))

    def user(self, number: int) -> dict[str, Any]:
        """Return a user as it is now."""
        users = self.configuration.users
        record = users[number % len(users)]
        user = record["user"] | {"email": email_of(number, self.version(number))}
        changes = self.changed_at.get(number)
        updated = {"updated_at": _wall_time(changes[-1])} if changes else {}
        return record | {"id": user_id_of(number), "user": user} | updated

    def change(self, number: int) -> None:
        """Raise the version of a user, and write the audit event, which can be read later."""
        now = time.monotonic()
        self.changed_at.setdefault(number, []).append(now)
        visible_at = now + self.chance.uniform(0, self.configuration.lateness)
        event_id = f"ae_{len(self.events):012d}"
        self.events.append(_Event(visible_at, _wall_time(now), _wall_time(visible_at), event_id, user_id_of(number)))

    def admits(self) -> bool:
        """Count a call, and return whether it is within the limit of any second."""
        now = time.monotonic()
        while self.accepted and self.accepted[0] <= now - _WINDOW:
            self.accepted.popleft()
        if len(self.accepted) >= self.configuration.rate:
            self.counts["refused"] += 1
            return False
        self.accepted.append(now)
        return True

    async def change_users(self) -> None:
        """Change users, as often as configured."""
        weights = popularity(self.configuration.count, self.configuration.exponent)
        while self.configuration.changes:
            await asyncio.sleep(self.chance.expovariate(self.configuration.changes))
            self.change(bisect_left(weights, self.chance.uniform(0, weights[-1])))
            self.counts["changes"] += 1


def _wall_time(monotonic: float) -> str:
    at = datetime.fromtimestamp(time.time() - time.monotonic() + monotonic, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def build(configuration: HistoryConfiguration) -> web.Application:
    """Return the server."""
    source = HistorySource(configuration)

    @web.middleware
    async def limit(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/history":
            response: web.StreamResponse = await handler(request)
            return response
        if not source.admits():
            error = {"error": {"code": "rate_limit_exceeded", "message": "too many requests", "is_transient": True}}
            return _json(error, status=429, headers={"Retry-After": "1"})
        before = source.chance.uniform(0, configuration.latency)
        await asyncio.sleep(before)
        response = await handler(request)
        await asyncio.sleep(configuration.latency - before)
        return response

    async def get_user(request: web.Request) -> web.Response:
        source.counts["reads"] += 1
        return _json(source.user(_number(request)))

    async def patch_user(request: web.Request) -> web.Response:
        source.counts["writes"] += 1
        source.change(_number(request))
        return _json(source.user(_number(request)))

    async def list_users(request: web.Request) -> web.Response:
        source.counts["pages"] += 1
        limit, start = min(int(request.query.get("limit", "10")), _MAX_LIMIT), int(request.query.get("cursor", "0"))
        end = min(start + limit, configuration.count)
        return _json(_page([source.user(number) for number in range(start, end)], end, configuration.count))

    async def audit_events(request: web.Request) -> web.Response:
        source.counts["polls"] += 1
        now = time.monotonic()
        source.polls.append(now)
        since = request.query.get("starts_at", "")
        visible = [each for each in source.events if each.visible_at <= now and each.occurred_at >= since]
        visible.sort(key=lambda each: each.occurred_at, reverse=True)
        limit, start = min(int(request.query.get("limit", "10")), _MAX_LIMIT), int(request.query.get("cursor", "0"))
        data = [
            {
                "id": each.id,
                "action": "update",
                "resource_type": "account_user",
                "resource_id": each.user,
                "occurred_at": each.occurred_at,
                "created_at": each.created_at,
            }
            for each in visible[start : start + limit]
        ]
        return _json(_page(data, start + len(data), len(visible)))

    async def history(_: web.Request) -> web.Response:
        return _json({"changed_at": source.changed_at, "counts": source.counts, "polls": source.polls})

    async def run_changes(_: web.Application) -> Any:
        task = asyncio.create_task(source.change_users())
        yield
        task.cancel()

    app = web.Application(middlewares=[limit])
    app.add_routes(
        [
            web.get(_USERS_PATH + "/{id}", get_user),
            web.patch(_USERS_PATH + "/{id}", patch_user),
            web.get(_USERS_PATH, list_users),
            web.get("/v1/core/audit-events", audit_events),
            web.get("/history", history),
        ]
    )
    app.cleanup_ctx.append(run_changes)
    return app


def _number(request: web.Request) -> int:
    return int(request.match_info["id"].removeprefix("acus_"))


def _page(data: list[Any], end: int, total: int) -> dict[str, Any]:
    url = f"/v1?cursor={end}" if end < total else None
    return {"object": "list", "page_info": {"next_page_url": url, "has_next_page": url is not None}, "data": data}


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    content = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    return web.Response(body=content, status=status, headers=headers, content_type="application/json")


def configuration_json(configuration: HistoryConfiguration) -> bytes:
    """Return the configuration as the program reads it."""
    return orjson.dumps(asdict(configuration))


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:  # noqa: PTH123 - one read at the start
        read = HistoryConfiguration(**orjson.loads(file.read()))
    web.run_app(build(read), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
