"""Idempotency keys, with their hazard (account.md, section 6).

The scope of a key contains the route's *template*, not the id in the path: one key for two users and
one body replays the first user's answer for the second.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import orjson

from gateway.sandbox.account.audit import ACTOR
from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.clock import SECOND, now
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.store import Store

__all__ = ["SCHEMA", "IdempotencyError", "once"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS idempotency (
  id TEXT PRIMARY KEY, request TEXT NOT NULL, owner TEXT NOT NULL, status INTEGER, body BLOB,
  lock_expires_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
);
"""

_METHODS = {"POST", "PATCH"}
_RETENTION = 30 * 86_400 * SECOND
_LOCK = 300 * SECOND
_NOT_STORED = {429, 500, 502, 503, 504}
_LONGEST_BODY = 64 * 1024


class IdempotencyError(ApiError):
    """The idempotency layer itself refuses."""

    @property
    def idempotency(self) -> bool:
        """Always true."""
        return True


async def once(
    store: Store, call: SandboxRequest, *, template: str, account: str, work: Callable[[], Awaitable[SandboxResponse]]
) -> SandboxResponse:
    """Do the work, or answer from what was stored under the call's `Idempotency-Key`."""
    key = call.headers.get("idempotency-key")
    if not key or call.method not in _METHODS:
        return await work()
    scope = _hash([ACTOR, account, call.method, template, key])
    request = _request_hash(call)
    if (stored := _stored(store, scope, request, key)) is not None:
        return stored
    owner = secrets.token_hex(8)
    lock = now() + _LOCK
    store.run(
        "INSERT INTO idempotency (id, request, owner, lock_expires_at, expires_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, lock_expires_at = excluded.lock_expires_at",
        scope,
        request,
        owner,
        lock,
        now() + _RETENTION,
    )
    try:
        answer = await work()
    except BaseException:
        _release(store, scope, owner)
        raise
    if answer.status in _NOT_STORED:
        _release(store, scope, owner)
        return answer
    answer.body = answer.body[:_LONGEST_BODY]
    store.run(
        "UPDATE idempotency SET status = ?, body = ?, lock_expires_at = 0 WHERE id = ? AND owner = ?",
        answer.status,
        answer.body,
        scope,
        owner,
    )
    return answer


def _stored(store: Store, scope: str, request: str, key: str) -> SandboxResponse | None:
    row = store.row("SELECT * FROM idempotency WHERE id = ? AND expires_at > ?", scope, now())
    if row is None:
        store.run("DELETE FROM idempotency WHERE id = ?", scope)
        return None
    if row["request"] != request:
        message = f"Idempotency key '{key}' was used with different request parameters; use a new key."
        raise IdempotencyError(400, "validation_failed", message)
    if row["status"] is not None:
        headers = {"Content-Type": "application/json", "Idempotent-Replayed": "true"}
        return SandboxResponse(row["status"], row["body"], headers)
    if row["lock_expires_at"] > now():
        message = f"Request for the idempotency key '{key}' is already being processed."
        raise IdempotencyError(409, "idempotency_in_progress", message)
    return None


def _release(store: Store, scope: str, owner: str) -> None:
    store.run("UPDATE idempotency SET lock_expires_at = 0 WHERE id = ? AND owner = ?", scope, owner)


def _request_hash(call: SandboxRequest) -> str:
    first: dict[str, str] = {}
    for name, value in parse_qsl(call.query, keep_blank_values=True):
        first.setdefault(name, value)
    try:
        body = orjson.loads(call.body) if call.body else None
    except orjson.JSONDecodeError:
        body = call.body.hex()
    return _hash([body, first])


def _hash(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
