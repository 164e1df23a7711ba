"""Newest-first pages with signed cursors (account.md, section 4)."""

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

__all__ = ["list_document", "page", "short_list"]

# Constant, so that a cursor still works after a restart over the same file.
_KEY = b"sandbox cursor key"


def page(
    store: Store,
    query: Select,
    call: SandboxRequest,
    render: Callable[[Row], Any],
    *,
    table: str,
    limit: int,
    april: bool,
    time: str = "created_at",
) -> dict[str, Any]:
    """The page of a query that the call's `cursor` and `limit` ask for, as a list envelope.

    `table` is the alias whose `time` and id give the order.
    """
    cursor = next((value for name, value in parse_qsl(call.query) if name == "cursor"), None)
    backwards, position = _read_cursor(cursor) if cursor else (False, None)
    if position is not None:
        query.where(f"({table}.{time}, {table}.id) {'>' if backwards else '<'} (?, ?)", *position)
    direction = "ASC" if backwards else "DESC"
    query.order = f"{table}.{time} {direction}, {table}.id {direction}"
    query.limit = limit + 1
    rows = store.select(query)
    more = len(rows) > limit
    del rows[limit:]
    if backwards:
        rows.reverse()
    # What lies on the side we came from is there: the position was taken from a row of it.
    has_next = bool(rows) and (backwards or more)
    has_previous = bool(rows) and (more if backwards else position is not None)
    after = _write_cursor("n", rows[-1][time], rows[-1]["id"]) if has_next else None
    before = _write_cursor("p", rows[0][time], rows[0]["id"]) if has_previous else None
    if not april:
        after, before = _url(call, after), _url(call, before)
    return list_document([render(row) for row in rows], april=april, after=after, before=before)


def list_document(
    data: Sequence[Any], *, april: bool, after: str | None = None, before: str | None = None
) -> dict[str, Any]:
    """The list envelope; `after` and `before` are cursors in April's form, relative URLs today."""
    names = ("next_cursor", "prev_cursor") if april else ("next_page_url", "previous_page_url")
    info = {
        names[0]: after,
        names[1]: before,
        "has_next_page": after is not None,
        "has_prev_page": before is not None,
    }
    return {"object": "list", "page_info": info, "data": list(data)}


def short_list(data: Sequence[Any], *, april: bool) -> Any:
    """A list inside a production step: a plain array in April, an envelope now."""
    return list(data) if april else list_document(data, april=False)


def _write_cursor(direction: str, at: int, key: str) -> str:
    payload = base64.urlsafe_b64encode(orjson.dumps([direction, at, key])).rstrip(b"=")
    return f"{payload.decode()}.{_signature(payload)}"


def _read_cursor(text: str) -> tuple[bool, tuple[int, str]]:
    payload, _, signature = text.partition(".")
    try:
        genuine = hmac.compare_digest(signature.encode(), _signature(payload.encode()).encode())
        direction, at, key = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error):
        genuine = False
    if not genuine:
        raise ApiError(400, "parameter_invalid", "Query parameter 'cursor' is invalid.", "cursor")
    return direction == "p", (at, key)


def _signature(payload: bytes) -> str:
    digest = hmac.digest(_KEY, payload, hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:18]).decode()


def _url(call: SandboxRequest, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    pairs = [pair for pair in parse_qsl(call.query, keep_blank_values=True) if pair[0] != "cursor"]
    # Go's url.Values.Encode: sorted by key, everything escaped.
    return f"{call.path}?{urlencode(sorted([*pairs, ('cursor', cursor)], key=lambda pair: pair[0]))}"
