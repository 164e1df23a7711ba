"""The GraphQL multipart request specification: `operations`, `map`, then one part a file."""

import re
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header
from pydantic import ValidationError

from gateway.api.graphql.execution.file import File
from gateway.api.graphql.execution.request import GraphQLRequest, from_mapping, refusal
from gateway.api.graphql.http.strict_json import parse_json
from gateway.api.web.http import WebRequest
from gateway.kit.blob import BlobWriter
from gateway.users.changes import Icon

__all__ = ["UploadLimits", "read_form"]

_MAP = 16 * 1024  # bytes
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """`file` in bytes, one file; `files` how many a request may have, `places` in how many all of them may be put."""

    file: int
    files: int = 1
    places: int = 20


async def read_form(request: WebRequest, most: int, limits: UploadLimits) -> GraphQLRequest:
    """The request in the form's `operations`, its files in their places.

    Whatever can be refused is refused before a file's bytes are read. More than a few of them are in a file of ours.

    Raises:
        RefusedError: 400 for what is no such form, 413 for a part past its cap.
    """
    form = _Form(most, limits)
    try:
        boundary = parse_options_header(request.headers["content-type"])[1].get("boundary", "")
        parser = PushMultipartParser(boundary)
        async for chunk in request.chunks():
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    form.begin(event)
                elif event is None:
                    form.end()
                else:
                    form.write(event)
        parser.close()
        return form.whole()
    except ParserLimitReached as error:
        raise refusal(400, f"A part of the form has headers past their cap: {error}.") from None
    except (MultipartError, UnicodeError) as error:
        # Its second part, if any, is an exception of Python's with the bytes in it.
        raise refusal(400, f"The form is malformed: {error.args[0] if error.args else 'of whatever kind'}.") from None
    finally:
        form.drop()  # at once, though an exception of the server's may keep all that is in here


class _Form:
    """A form as it comes in, one part after the other."""

    def __init__(self, most: int, limits: UploadLimits) -> None:
        self._limits = limits
        self._caps = {"operations": most, "map": min(most, _MAP)}
        self._asked: GraphQLRequest | None = None
        self._files: list[Icon] = []
        self._awaited: dict[str, list[tuple[Any, str | int]]] | None = None  # by file, until it is there
        self._begun: list[str] = []
        self._part: MultipartSegment
        self._content = BlobWriter()
        self._cap = 0

    def begin(self, part: MultipartSegment) -> None:
        name, place = part.name, len(self._begun)
        if name in self._begun:
            raise refusal(400, f"The form has two parts `{name}`.")
        if place < len(self._caps):
            if name != list(self._caps)[place]:
                raise refusal(400, "The form must start with the parts `operations` and `map`.")
            self._cap = self._caps[name]
        else:
            if self._awaited is None or name not in self._awaited:
                raise refusal(400, f"The part `{name}` is not in `map`.")
            self._cap = self._limits.file
        self._begun.append(name)
        # Only files are worth a file.
        self._part, self._content = part, BlobWriter() if place >= len(self._caps) else BlobWriter(self._cap)

    def write(self, chunk: bytes) -> None:
        if self._content.size + len(chunk) > self._cap:
            raise refusal(413, f"The part `{self._part.name}` is larger than {self._cap} bytes.")
        self._content.write(chunk)

    def end(self) -> None:
        content = self._content.close()
        if self._awaited is not None:
            name = self._part.name
            try:
                # The specification knows no file without a type; browsers send this for one that they do not know.
                kind = self._part.content_type or "application/octet-stream"
                file = Icon(content=content, filename=self._part.filename or name, content_type=kind)
            except ValidationError:
                raise refusal(400, f"The part `{name}` has a content type that is none.") from None
            for holder, key in self._awaited.pop(name):
                holder[key] = File(file)
            self._files.append(file)
            return
        sent = parse_json(b"".join(content.chunks()), f"The part `{self._part.name}`")
        if self._asked is None:
            self._asked = from_mapping(sent)
        else:
            self._awaited = self._mapped(sent, {"variables": self._asked.variables})

    def whole(self) -> GraphQLRequest:
        """The request, once there are no more parts."""
        if self._asked is None or self._awaited is None:
            raise refusal(400, "The form must start with the parts `operations` and `map`.")
        for name in self._awaited:
            raise refusal(400, f"The file `{name}` is in `map` and not in the form.")
        return replace(self._asked, files=tuple(self._files))

    def drop(self) -> None:
        """Hold no files any more."""
        self._files.clear()
        self._content = BlobWriter()

    def _mapped(self, sent: Any, operations: dict[str, Any]) -> dict[str, list[tuple[Any, str | int]]]:
        """Where each file goes."""
        if not isinstance(sent, dict) or not all(isinstance(paths, list) and paths for paths in sent.values()):
            raise refusal(400, "The part `map` must give each file a list of places in `operations`.")
        if len(sent) > self._limits.files:
            raise refusal(400, f"The form has more files than the {self._limits.files} that a request may have.")
        paths = [path for several in sent.values() for path in several]
        if len(paths) > self._limits.places:
            raise refusal(400, f"The part `map` has more than {self._limits.places} places.")
        if len(paths) != len(set(map(str, paths))):
            raise refusal(400, "The part `map` has a place twice.")
        return {name: [_place(operations, path) for path in several] for name, several in sent.items()}


def _place(operations: dict[str, Any], path: Any) -> tuple[Any, str | int]:
    """Where a path leads, e.g. `variables.input.icon` or `variables.icons.0`; there must be null."""
    first, *names = path.split(".") if isinstance(path, str) else [""]
    if first != "variables" or not names:
        raise refusal(400, f"`map` names {path}: files go below `variables.`.")
    holder: Any = operations
    key = _key(holder, first)
    for name in names:
        holder = holder[key] if key is not None else None
        key = _key(holder, name)
    if key is None or holder[key] is not None:
        raise refusal(400, f"`map` names {path}, where `operations` has no null.")
    return holder, key


def _key(holder: Any, name: str) -> str | int | None:
    if isinstance(holder, dict):
        return name if name in holder else None
    if isinstance(holder, list) and _INDEX.fullmatch(name) and int(name) < len(holder):
        return int(name)
    return None
