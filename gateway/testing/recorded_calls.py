"""The file of a recording: calls to sources with their responses, without secrets."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import msgspec
from multidict import CIMultiDict

from gateway.sources.http.exchange import Multipart, Request, Response

__all__ = ["RecordedCall", "RecordedResponse", "Redact", "load", "recorded_request", "recorded_response", "save"]

_VERSION = 1
_REMOVED = "[redacted]"
_MIN_SECRET = 6  # characters; a shorter credential is not removed from other texts, since it may be a part of any
_CONFIDENTIAL = r"pass(?:word|wd|phrase)|secret|token|authorization|credential|signature|api[-_]?key|session"
_SECRET_NAME = re.compile(_CONFIDENTIAL, re.IGNORECASE)
_SECRET_PARAMETER = re.compile(rf"([?&](?:sig|[^=&#]*(?:{_CONFIDENTIAL})[^=&#]*)=)[^&#]*", re.IGNORECASE)
_SECRET_HEADER = re.compile(rf"auth|cookie|{_CONFIDENTIAL}", re.IGNORECASE)
# What the gateway reads, but for the rate limit and the date, which are those of the recording.
_KEPT_HEADERS = frozenset(
    {"content-type", "etag", "last-modified", "location", "request-id", "retry-after", "www-authenticate"}
)

Redact = Callable[[str], str]
"""Removes from a recorded text what must not be in the file."""


class RecordedResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """A response. `json`, `text` or `base64` is its body.

    `error` is the name of an exception instead of a response. `is_unknown`: the call was a change that the source may
    have executed.
    """

    status: int = 0
    headers: dict[str, str] = {}
    json: Any = msgspec.UNSET
    text: str | None = None
    base64: bytes | None = None
    error: str | None = None
    is_unknown: bool = False

    def to_response(self) -> Response:
        """Return the response that a transport returns."""
        body = self.base64 if self.text is None else self.text.encode()
        if self.json is not msgspec.UNSET:
            body = json.dumps(self.json, ensure_ascii=False).encode()
        return Response(self.status, CIMultiDict(self.headers), body or b"")


class RecordedCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request and its response. `path` has the query, but neither the host nor the path of the base URL."""

    source: str
    method: str
    path: str
    body: Any = None
    response: RecordedResponse = RecordedResponse()

    @property
    def key(self) -> str:
        """What equal requests have in common."""
        return json.dumps([self.source, self.method, self.path, self.body], sort_keys=True)


class _File(msgspec.Struct):
    version: int
    calls: list[RecordedCall]


def load(text: bytes) -> list[RecordedCall]:
    """Return the calls in a file. Raises ValueError if it is no recording, or one of another version."""
    try:
        file = msgspec.json.decode(text, type=_File)
    except msgspec.DecodeError as error:
        raise ValueError(f"it is no recording: {error}") from None
    if file.version != _VERSION:
        raise ValueError(f"it has the version {file.version}, not {_VERSION}")
    return file.calls


def save(calls: list[RecordedCall]) -> bytes:
    """Return the file with these calls."""
    return msgspec.json.format(msgspec.json.encode(_File(_VERSION, calls)), indent=2) + b"\n"


def recorded_request(request: Request, redact: Redact) -> RecordedCall:
    """Return a request as it is recorded, and as it is found again."""
    without_secrets = _redaction(request, redact)
    if isinstance(request.body, Multipart):
        body: Any = [_part(part.name, part.content_type, part.content, without_secrets) for part in request.body.parts]
    else:
        body = _body(request.body, without_secrets) if request.body else None
    return RecordedCall(request.source, request.method, without_secrets(_path(request)), body)


def recorded_response(request: Request, response: Response, redact: Redact) -> RecordedResponse:
    """Return a response as it is recorded."""
    without_secrets = _redaction(request, redact)
    headers = {name.lower(): value for name, value in response.headers.items()}
    kept = {name: without_secrets(value) for name, value in sorted(headers.items()) if name in _KEPT_HEADERS}
    if not response.body:
        return RecordedResponse(response.status, kept)
    try:
        text = response.body.decode()
    except UnicodeDecodeError:
        return RecordedResponse(response.status, kept, base64=_without_credentials(request, response.body))
    try:
        return RecordedResponse(response.status, kept, json=_without_secrets(json.loads(text), without_secrets))
    except ValueError:
        return RecordedResponse(response.status, kept, text=without_secrets(text))


def _path(request: Request) -> str:
    if request.base_url and request.url.startswith(request.base_url):
        return request.url[len(request.base_url) :]
    url = urlsplit(request.url)
    return f"{url.path}?{url.query}" if url.query else url.path


def _redaction(request: Request, redact: Redact) -> Redact:
    """Return the function that removes the credentials of a request from a text, and then what `redact` removes."""
    secrets = sorted(_credentials(request.headers), key=len, reverse=True)

    def without_secrets(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, _REMOVED)
        return redact(_SECRET_PARAMETER.sub(rf"\1{_REMOVED}", text))

    return without_secrets


def _credentials(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if _SECRET_HEADER.search(name):
            for credential in {value, value.rpartition(" ")[2]}:
                if len(credential) >= _MIN_SECRET:
                    yield from {credential, quote(credential, safe=""), quote_plus(credential)}  # as in a URL


def _without_credentials(request: Request, body: bytes) -> bytes:
    for secret in _credentials(request.headers):
        body = body.replace(secret.encode(), _REMOVED.encode())
    return body


def _body(body: bytes, without_secrets: Redact) -> Any:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"sha256": hashlib.sha256(body).hexdigest()}
    try:
        return _without_secrets(json.loads(text), without_secrets)
    except ValueError:
        return without_secrets(text)


def _part(name: str, content_type: str, content: Any, without_secrets: Redact) -> Any:
    whole = content if isinstance(content, bytes) else b"".join(content.chunks())
    return {"name": name, "content_type": content_type, "content": _body(whole, without_secrets)}


def _without_secrets(value: Any, without_secrets: Redact) -> Any:
    """Return a JSON value without secrets: those of fields that are named like one, and those in texts."""
    match value:
        case dict():
            return {
                without_secrets(name): _without_values(inner)
                if _SECRET_NAME.search(name)
                else _without_secrets(inner, without_secrets)
                for name, inner in value.items()
            }
        case list():
            return [_without_secrets(inner, without_secrets) for inner in value]
        case str():
            return without_secrets(value)
        case _:
            return value


def _without_values(value: Any) -> Any:
    """Return the value of a field that is named like a secret: of the same form, without texts and numbers."""
    match value:
        case dict():
            return {name: _without_values(inner) for name, inner in value.items()}
        case list():
            return [_without_values(inner) for inner in value]
        case str():
            return _REMOVED
        case bool() | None:
            return value
        case _:
            return 0
