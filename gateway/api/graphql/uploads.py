"""The GraphQL multipart request specification: `operations`, `map`, then one part a file."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from gateway.api.graphql.request import refusal
from gateway.api.graphql.strict_json import parse_json
from gateway.api.web.http import Request
from gateway.users.blob import Blob, BlobWriter
from gateway.users.changes import Icon

__all__ = ["UploadLimits", "read_form"]


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """`file` in bytes, one file; `files` how many a request may have."""

    file: int
    files: int = 1


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    filename: str | None
    content_type: str
    content: Blob

    def read(self) -> bytes:
        return b"".join(self.content.chunks())


async def read_form(request: Request, most: int, limits: UploadLimits) -> Any:
    """The JSON object in the form's `operations`, its files in their places.

    Raises:
        RefusedError: 400 for what is no such form, 413 for a part past its cap.
    """
    parts: dict[str, _Part] = {}
    async for part in _parts(request, most, limits):
        if part.name in parts:
            raise refusal(400, f"The form has two parts `{part.name}`.")
        parts[part.name] = part
    if list(parts)[:2] != ["operations", "map"]:
        raise refusal(400, "The form must start with the parts `operations` and `map`.")
    operations = parse_json(parts.pop("operations").read(), "The part `operations`")
    places = parse_json(parts.pop("map").read(), "The part `map`")
    if not isinstance(places, dict) or not all(isinstance(paths, list) for paths in places.values()):
        raise refusal(400, "The part `map` must give each file a list of places in `operations`.")
    for name, paths in places.items():
        if name not in parts:
            raise refusal(400, f"The file `{name}` is in `map` and not in the form.")
        sent = parts[name]
        file = Icon.model_construct(
            content=sent.content, filename=sent.filename or name, content_type=sent.content_type
        )
        for path in paths:
            _put(operations, str(path), file)
    return operations


async def _parts(request: Request, most: int, limits: UploadLimits) -> AsyncIterator[_Part]:
    boundary = parse_options_header(request.headers["content-type"])[1].get("boundary", "")
    if not boundary:
        raise refusal(400, "The form's content type names no boundary.")
    parser = PushMultipartParser(boundary, max_segment_count=limits.files + 2)
    part: MultipartSegment | None = None
    content = BlobWriter()
    try:
        async for chunk in request.chunks():
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    part, content = event, BlobWriter()
                elif part is not None and event is not None:
                    content.write(event)
                    cap = most if part.filename is None else limits.file
                    if content.size > cap:
                        raise refusal(413, f"The part `{part.name}` is larger than {cap} bytes.")
                elif part is not None:
                    kind = part.header("content-type", "application/octet-stream")
                    yield _Part(part.name, part.filename, str(kind), content.close())
                    part = None
        parser.close()
    except ParserLimitReached:
        raise refusal(400, f"The form has more than {limits.files} file(s), or headers past their cap.") from None
    except MultipartError as error:
        raise refusal(400, f"The form is malformed: {error}.") from None
    finally:
        with suppress(MultipartError):
            parser.close(check_complete=False)


def _put(operations: Any, path: str, file: Icon) -> None:
    """Put the file where the path says, e.g. `variables.input.icon`; there must be null."""
    *parents, last = path.split(".")
    place = operations
    for name in parents:
        place = place.get(name) if isinstance(place, dict) else None
    if parents[:1] != ["variables"] or not isinstance(place, dict) or place.get(last, file) is not None:
        raise refusal(400, f"`map` names {path}, where `operations` has no null.")
    place[last] = file
