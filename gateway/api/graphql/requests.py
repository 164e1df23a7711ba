"""An HTTP request → what is to be executed: JSON, URL parameters or a multipart form with files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import BodyPartReader, web

from gateway.users.changes import Icon

__all__ = ["GraphQLRequest", "Limits", "RefusedError", "read_request"]


@dataclass(frozen=True, slots=True)
class Limits:
    """In bytes: a request without its files, and one file."""

    body: int
    file: int


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client sent; nothing of it is checked against the schema yet."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict)


class RefusedError(Exception):
    """A request that is none: the status, and a sentence for its sender."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


async def read_request(request: web.Request, limits: Limits) -> GraphQLRequest:
    """The GraphQL request in an HTTP request.

    Raises:
        RefusedError: 400 for what is no GraphQL request, 413 for too much of it, 415 for a media type
            that cannot hold one.
    """
    if request.method == "GET":
        return _from_mapping(_parameters(request))
    if request.content_type == "application/json":
        return _from_mapping(_json(await _capped(request, limits.body), "The request's body"))
    if request.content_type == "multipart/form-data":
        return _from_mapping(await _form(request, limits))
    raise RefusedError(415, "Send the request as application/json, or with files as multipart/form-data.")


def _from_mapping(sent: Any) -> GraphQLRequest:
    if isinstance(sent, list):
        raise RefusedError(400, "Send one operation a request: a batch is not taken.")
    if not isinstance(sent, dict):
        raise RefusedError(400, "The request must be a JSON object with a `query`.")
    query, variables, name = sent.get("query"), sent.get("variables"), sent.get("operationName")
    extensions = sent.get("extensions")
    if not isinstance(query, str) or not query:
        raise RefusedError(400, "The request has no `query`.")
    if variables is not None and not isinstance(variables, dict):
        raise RefusedError(400, "`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise RefusedError(400, "`operationName` must be a string.")
    if extensions is not None and not isinstance(extensions, dict):
        raise RefusedError(400, "`extensions` must be an object.")
    return GraphQLRequest(query, variables, name or None, extensions or {})


def _parameters(request: web.Request) -> dict[str, Any]:
    sent: dict[str, Any] = dict(request.query)
    for name in ("variables", "extensions"):
        if text := sent.get(name):
            sent[name] = _json(text.encode("utf-8", "surrogatepass"), f"The parameter `{name}`")
        else:
            sent.pop(name, None)
    return sent


def _json(body: bytes, what: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, f"{what} is not JSON: {error.msg}.") from None


async def _capped(request: web.Request, most: int) -> bytes:
    chunks = bytearray()
    async for chunk in request.content.iter_any():
        chunks += chunk
        if len(chunks) > most:
            raise RefusedError(413, f"The request is larger than {most} bytes.")
    return bytes(chunks)


async def _form(request: web.Request, limits: Limits) -> Any:
    """The GraphQL multipart request specification: `operations`, `map`, then one part a file."""
    try:
        parts = [part async for part in _parts(request, limits)]
    except ValueError as error:
        raise RefusedError(400, f"The form is malformed: {error}.") from None
    named = {name: content for name, content, _, _ in parts}
    if [name for name, *_ in parts[:2]] != ["operations", "map"]:
        raise RefusedError(400, "The form must start with the parts `operations` and `map`.")
    operations = _json(named["operations"], "The part `operations`")
    places = _json(named["map"], "The part `map`")
    if not isinstance(places, dict) or not all(isinstance(paths, list) for paths in places.values()):
        raise RefusedError(400, "The part `map` must give each file a list of places in `operations`.")
    files = {
        name: Icon.model_construct(content=content, filename=filename or name, content_type=content_type)
        for name, content, filename, content_type in parts[2:]
    }
    for name, paths in places.items():
        if name not in files:
            raise RefusedError(400, f"The file `{name}` is in `map` and not in the form.")
        for path in paths:
            _put(operations, str(path), files[name])
    return operations


async def _parts(request: web.Request, limits: Limits) -> Any:
    """Name, content, filename and type of each part of the form, each within its cap."""
    reader = await request.multipart()
    count = 0
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise RefusedError(400, "The form has a part without a name.")
        count += 1
        if count > 3:  # noqa: PLR2004 - `operations`, `map` and the one file that an operation here can take
            raise RefusedError(400, "The form has more than one file.")
        most = limits.body if part.filename is None else limits.file
        content = bytearray()
        while chunk := await part.read_chunk(64 * 1024):
            content += chunk
            if len(content) > most:
                raise RefusedError(413, f"The part `{part.name}` is larger than {most} bytes.")
        yield (
            part.name,
            bytes(content),
            part.filename,
            part.headers.get("Content-Type", "application/octet-stream"),
        )


def _put(operations: Any, path: str, file: Icon) -> None:
    """Put the file where the path says, e.g. `variables.input.icon`; there must be null."""
    *parents, last = path.split(".")
    place = operations
    for name in parents:
        place = place.get(name) if isinstance(place, dict) else None
    if parents[:1] != ["variables"] or not isinstance(place, dict) or place.get(last, file) is not None:
        raise RefusedError(400, f"`map` names {path}, where `operations` has no null.")
    place[last] = file
