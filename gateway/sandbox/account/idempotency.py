"""Idempotency keys, with the documented defect (docs/upstreams/account.md, "Idempotency").

The scope of a key contains the *template* of the route, not the id in the path: with one key for two users and the
same body, the response for the first user is replayed for the second.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import orjson

from gateway.sandbox.account.audit import ACTOR
from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.clock import SECOND
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.store import Store

__all__ = ["SCHEMA", "IdempotencyError", "execute_once"]

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
_MAX_BODY = 64 * 1024


class IdempotencyError(ApiError):
    """An error that the idempotency layer raises."""

    @property
    def is_idempotency_error(self) -> bool:
        """True: the idempotency layer raised the error."""
        return True


async def execute_once(
    store: Store,
    request: SandboxRequest,
    *,
    template: str,
    account: str,
    execute: Callable[[], Awaitable[SandboxResponse]],
) -> SandboxResponse:
    """Execute a request, or return the response that is stored under its `Idempotency-Key`.

    Raises:
        IdempotencyError: the key was used for another request, or its first request is still running.
    """
    key = request.headers.get("idempotency-key")
    if not key or request.method not in _METHODS:
        return await execute()
    record_id = _hash([ACTOR, account, request.method, template, key])
    request_hash = _request_hash(request)
    if (stored := _stored_response(store, record_id, request_hash, key)) is not None:
        return stored
    owner = secrets.token_hex(8)
    lock = store.clock.now() + _LOCK
    store.execute(
        "INSERT INTO idempotency (id, request, owner, lock_expires_at, expires_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, lock_expires_at = excluded.lock_expires_at",
        record_id,
        request_hash,
        owner,
        lock,
        store.clock.now() + _RETENTION,
    )
    try:
        response = await execute()
    except BaseException:
        _release(store, record_id, owner)
        raise
    if response.status in _NOT_STORED:
        _release(store, record_id, owner)
        return response
    response.body = response.body[:_MAX_BODY]
    store.execute(
        "UPDATE idempotency SET status = ?, body = ?, lock_expires_at = 0 WHERE id = ? AND owner = ?",
        response.status,
        response.body,
        record_id,
        owner,
    )
    return response


def _stored_response(store: Store, record_id: str, request_hash: str, key: str) -> SandboxResponse | None:
    row = store.row("SELECT * FROM idempotency WHERE id = ? AND expires_at > ?", record_id, store.clock.now())
    if row is None:
        store.execute("DELETE FROM idempotency WHERE id = ?", record_id)
        return None
    if row["request"] != request_hash:
        message = f"Idempotency key '{key}' was used with different request parameters; use a new key."
        raise IdempotencyError(400, "validation_failed", message)
    if row["status"] is not None:
        headers = {"Content-Type": "application/json", "Idempotent-Replayed": "true"}
        return SandboxResponse(row["status"], row["body"], headers)
    if row["lock_expires_at"] > store.clock.now():
        message = f"Request for the idempotency key '{key}' is already being processed."
        raise IdempotencyError(409, "idempotency_in_progress", message)
    return None


def _release(store: Store, record_id: str, owner: str) -> None:
    store.execute("UPDATE idempotency SET lock_expires_at = 0 WHERE id = ? AND owner = ?", record_id, owner)


def _request_hash(request: SandboxRequest) -> str:
    first_values: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        first_values.setdefault(name, value)
    try:
        body = orjson.loads(request.body) if request.body else None
    except orjson.JSONDecodeError:
        body = request.body.hex()
    return _hash([body, first_values])


def _hash(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
