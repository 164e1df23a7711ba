"""Removes what was sent to a source from the texts of its errors: credentials, addresses, and values of callers."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

import orjson
from multidict import CIMultiDict

from gateway.sources.http.exchange import Multipart, Request, Response

__all__ = ["redaction_for", "without_credential"]

# A URL, or a path of at least two segments.
_ADDRESS = re.compile(r"https?://\S+|(?<![\w.])/[\w.~%:{}-]+/\S*")
_MIN_LENGTH = 3  # characters; a shorter value is not removed: it may be a part of any text
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")  # a text in RQL
# Parameters whose values the gateway chooses, and never a caller.
_OF_THE_GATEWAY = frozenset({"include", "include[]", "limit", "offset", "order", "page", "select", "sort"})
# Names of roles that all resellers have, and kinds of notifications. They are no secrets, and words that messages are
# made of: a change to the role `user` is refused by "A user with this email already exists.".
_PUBLIC = frozenset({"user", "admin", "invoice", "order_acknowledgement", "purchase_order_submission"})
_REMOVED = "…"


def redaction_for(request: Request) -> Callable[[str | None], str | None]:
    """Return the function that replaces in a text all that the request contained: it is for errors, and not fast.

    A source may quote a value that it refuses, for example a password. A caller gets its values back in no message,
    since messages are logged and shown to others.
    """
    texts = {value for value in _values(request) if len(value) >= _MIN_LENGTH and value.casefold() not in _PUBLIC}
    values = sorted({form for value in texts for form in _forms(value)}, key=len, reverse=True)
    sent = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, values))})(?!\w)", re.IGNORECASE) if values else None
    credential = next((value for name, value in request.headers.items() if name.lower() == "authorization"), "")
    token = credential.rpartition(" ")[2]

    def redacted(text: str | None) -> str | None:
        if not text:
            return text
        if token:
            text = text.replace(token, _REMOVED)
        text = _ADDRESS.sub(_REMOVED, text)
        return sent.sub(_REMOVED, text) if sent else text

    return redacted


def without_credential(response: Response, values: Iterable[str]) -> Response:
    """Return an error response without the credential of its call, which the errors that are made of it do not know.

    `values` are those of the headers: a scheme such as `Bearer` stays in the response.
    """
    tokens = [token for value in values if len(token := value.rpartition(" ")[2]) >= _MIN_LENGTH]
    body, headers = response.body, response.headers
    for token in tokens:
        body = body.replace(token.encode(), _REMOVED.encode())
        if any(token in value for value in headers.values()):
            headers = CIMultiDict({name: value.replace(token, _REMOVED) for name, value in headers.items()})
    return (
        response if body is response.body and headers is response.headers else Response(response.status, headers, body)
    )


def _forms(value: str) -> tuple[str, ...]:
    """Return a value as a source may quote it: by itself, or as it is in JSON or in a URL."""
    in_json = (json.dumps(value, ensure_ascii=only_ascii)[1:-1] for only_ascii in (False, True))
    in_url = quote(value, safe="", errors="replace"), quote_plus(value, errors="replace")
    return value, *in_json, *in_url


def _values(request: Request) -> Iterator[str]:
    """Return the texts that the request contained, in its body, its path and its query."""
    bodies = [request.body] if isinstance(request.body, bytes) else []
    if isinstance(request.body, Multipart):
        bodies = [part.content for part in request.body.parts if isinstance(part.content, bytes)]
        yield from (part.filename for part in request.body.parts if part.filename)
    for body in bodies:
        with suppress(orjson.JSONDecodeError):
            yield from _texts(orjson.loads(body))
    url = urlsplit(request.url)
    # From the end: the base URL may have a path of its own before that of the template.
    for name, segment in zip(reversed(request.template.split("/")), reversed(url.path.split("/")), strict=False):
        if name.startswith("{"):
            yield unquote(segment)
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name not in _OF_THE_GATEWAY:
            yield value
        for text in _QUOTED.findall(f"{name}={value}"):
            yield "".join(text).strip("*")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
