"""Pages, newest first, with signed cursors (docs/upstreams/account.md, "Lists")."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from gateway.sandbox.account.errors import ApiError
from gateway.sandbox.exchange import SandboxRequest
from gateway.sandbox.store import Row, Select, Store

__all__ = ["list_envelope", "page", "step_list"]

# Constant, so that a cursor stays valid after a restart with the same database file.
_KEY = b"sandbox cursor key"


def page(
    store: Store,
    query: Select,
    request: SandboxRequest,
    render: Callable[[Row], Any],
    *,
    table: str,
    limit: int,
    april: bool,
    time: str = "created_at",
) -> dict[str, Any]:
    """Return the page that the `cursor` of a request selects, with at most `limit` rows, as a list envelope.

    `table` is the alias of the table by whose columns `time` and `id` the rows are ordered.
    """
    cursor = next((value for name, value in parse_qsl(request.query) if name == "cursor"), None)
    backwards, position = _read_cursor(cursor) if cursor else (False, None)
    if position is not None:
        query.where(f"({table}.{time}, {table}.id) {'>' if backwards else '<'} (?, ?)", *position)
    direction = "ASC" if backwards else "DESC"
    query.order = f"{table}.{time} {direction}, {table}.id {direction}"
    query.limit = limit + 1
    rows = store.select(query)
    has_more = len(rows) > limit
    del rows[limit:]
    if backwards:
        rows.reverse()
    # There is a page on the side that the cursor came from: its position is that of a row there.
    has_next = bool(rows) and (backwards or has_more)
    has_previous = bool(rows) and (has_more if backwards else position is not None)
    after = _write_cursor("n", rows[-1][time], rows[-1]["id"]) if has_next else None
    before = _write_cursor("p", rows[0][time], rows[0]["id"]) if has_previous else None
    if not april:
        after, before = _url(request, after), _url(request, before)
    return list_envelope([render(row) for row in rows], april=april, after=after, before=before)


def list_envelope(
    data: Sequence[Any], *, april: bool, after: str | None = None, before: str | None = None
) -> dict[str, Any]:
    """Return a list envelope; `after` and `before` are cursors in the form of April, and relative URLs otherwise."""
    names = ("next_cursor", "prev_cursor") if april else ("next_page_url", "previous_page_url")
    info = {
        names[0]: after,
        names[1]: before,
        "has_next_page": after is not None,
        "has_prev_page": before is not None,
    }
    return {"object": "list", "page_info": info, "data": list(data)}


def step_list(data: Sequence[Any], *, april: bool) -> Any:
    """Return a list inside a production step: an array in the form of April, and a list envelope otherwise."""
    return list(data) if april else list_envelope(data, april=False)


def _write_cursor(direction: str, timestamp: int, record_id: str) -> str:
    payload = base64.urlsafe_b64encode(orjson.dumps([direction, timestamp, record_id])).rstrip(b"=")
    return f"{payload.decode()}.{_signature(payload)}"


def _read_cursor(text: str) -> tuple[bool, tuple[int, str]]:
    payload, _, signature = text.partition(".")
    try:
        is_valid = hmac.compare_digest(signature.encode(), _signature(payload.encode()).encode())
        direction, timestamp, record_id = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error):
        is_valid = False
    if not is_valid:
        raise ApiError(400, "validation_failed", "The cursor is invalid.", "cursor")
    return direction == "p", (timestamp, record_id)


def _signature(payload: bytes) -> str:
    digest = hmac.digest(_KEY, payload, hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:18]).decode()


def _url(request: SandboxRequest, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    pairs = [pair for pair in parse_qsl(request.query, keep_blank_values=True) if pair[0] != "cursor"]
    # As url.Values.Encode of Go: sorted by key, all special characters escaped.
    return f"{request.path}?{urlencode(sorted([*pairs, ('cursor', cursor)], key=lambda pair: pair[0]))}"
