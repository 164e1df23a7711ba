"""Reads forms of the GraphQL multipart request specification: `operations`, `map`, then one part for each file."""

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from gateway.api.graphql.execution.file import File
from gateway.api.graphql.execution.request import GraphQLRequest, RefusedError, from_mapping, refusal, refused_for
from gateway.api.graphql.http.strict_json import parse_json
from gateway.api.web.http import WebRequest
from gateway.errors import BadUserInput, Rule, SourceUnavailable, Violation
from gateway.kit.blob import BlobWriter
from gateway.users.icons import Icon, too_large

__all__ = ["FileRefused", "UploadLimits", "read_form"]

_LOG = logging.getLogger("gateway.graphql")
_MAX_MAP = 16 * 1024  # bytes
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")


class FileRefused(Exception):  # noqa: N818 - named as it is read in `except`
    """A file breaks a rule. `path` is in the variables of `request`, whose document has the argument for it."""

    def __init__(self, status: int, request: GraphQLRequest, path: tuple[str | int, ...], violation: Violation) -> None:
        super().__init__(violation.message)
        self.request = request
        self.path = path
        self._status = status
        self._violation = violation

    def at(self, path: tuple[str | int, ...]) -> RefusedError:
        """Return the refusal with the violation at the path of an argument."""
        return RefusedError(self._status, BadUserInput.of([replace(self._violation, path=path)]))


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """`file` is in bytes, for each file; `files` is how many a request may have, `paths` how many `map` may have."""

    file: int
    files: int = 1
    paths: int = 20


async def read_form(
    request: WebRequest, max_bytes: int, limits: UploadLimits, wait_to_parse: Callable[[], Awaitable[None]]
) -> GraphQLRequest:
    """Read the request in the form's `operations`, with its files among the variables.

    All checks are made as early as possible, most of them before the content of a file is read. A large file is written
    to a temporary file. `max_bytes` bounds `operations`; `wait_to_parse` is called before it is parsed.

    Raises:
        RefusedError: 400 for a form that is not as specified, 413 for a part that is too large, 503 if the disk
            is full.
        FileRefused: 413 for a file that is too large, 400 for one with an invalid content type.
    """
    form = _Form(max_bytes, limits)
    try:
        boundary = parse_options_header(request.headers["content-type"])[1].get("boundary", "")
        parser = PushMultipartParser(boundary)
        async for chunk in request.chunks():
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    form.begin(event)
                elif event is None:
                    if form.is_at_operations:
                        await wait_to_parse()
                    form.end()
                else:
                    form.write(event)
        parser.close()
        return form.request()
    except ParserLimitReached as error:
        raise refusal(400, f"A part of the form has headers that are too large: {error}.") from None
    except (MultipartError, UnicodeError) as error:
        # Only the first argument: a second one is a Python exception with the client's bytes in it.
        raise refusal(400, f"The form is malformed: {error.args[0] if error.args else 'unknown error'}.") from None
    finally:
        form.release()  # now, since the traceback of an exception may keep the form alive


class _Form:
    """A form that is being received, part by part."""

    def __init__(self, max_bytes: int, limits: UploadLimits) -> None:
        self._limits = limits
        self._max_field_bytes = {"operations": max_bytes, "map": min(max_bytes, _MAX_MAP)}
        self._request: GraphQLRequest | None = None
        self._files: list[Icon] = []
        self._targets: dict[str, list[_Target]] | None = None  # of each file that has not arrived
        self._names: list[str] = []
        self._part: MultipartSegment
        self._content = BlobWriter()
        self._max_bytes = 0

    @property
    def is_at_operations(self) -> bool:
        """Whether the present part is `operations`."""
        return self._request is None

    def begin(self, part: MultipartSegment) -> None:
        """Start a part."""
        name, index = part.name, len(self._names)
        if name in self._names:
            raise refusal(400, "The form has two parts of the same name.")
        is_file = index >= len(self._max_field_bytes)
        if not is_file:
            if name != list(self._max_field_bytes)[index]:
                raise refusal(400, "The form must start with the parts `operations` and `map`.")
            self._max_bytes = self._max_field_bytes[name]
        else:
            if self._targets is None or name not in self._targets:
                raise refusal(400, "A part of the form is not in `map`.")
            self._max_bytes = self._limits.file
        self._names.append(name)
        self._part = part
        self._content = BlobWriter() if is_file else BlobWriter(self._max_bytes)  # only files go to a temporary file

    def write(self, chunk: bytes) -> None:
        """Add bytes to the part."""
        if self._content.size + len(chunk) > self._max_bytes:
            if self._targets is not None:
                raise self._refused(413, too_large(self._max_bytes))
            raise refusal(413, f"The part `{self._part.name}` is larger than {self._max_bytes} bytes.")
        try:
            self._content.write(chunk)
        except OSError as error:
            _LOG.warning("a file that a client sent could not be stored: %s", error.strerror)
            message = "The gateway has no room for the file at the moment. Retry later."
            raise refused_for(SourceUnavailable(message, retry_after=5.0)) from None

    def end(self) -> None:
        """Finish the part: parse it, or put the file among the variables."""
        content = self._content.close()
        if self._targets is not None:
            name = self._part.name
            try:
                # The specification requires a content type; browsers send this one if they cannot determine it.
                content_type = self._part.content_type or "application/octet-stream"
                file = Icon(content=content, filename=self._part.filename or name, content_type=content_type)
            except BadUserInput:
                violation = Violation((), "must have a valid media type", Rule.FORMAT, {"format": "mediaType"})
                raise self._refused(400, violation) from None
            for target in self._targets.pop(name):
                target.holder[target.key] = File(file)
            self._files.append(file)
            return
        value = parse_json(b"".join(content.chunks()), f"The part `{self._part.name}`")
        if self._request is None:
            self._request = from_mapping(value)
        else:
            self._targets = self._targets_in(value, {"variables": self._request.variables})

    def request(self) -> GraphQLRequest:
        """Return the request, after the last part."""
        if self._request is None or self._targets is None:
            raise refusal(400, "The form must start with the parts `operations` and `map`.")
        if self._targets:
            raise refusal(400, "A file in `map` is not in the form.")
        return structs.replace(self._request, files=tuple(self._files))

    def release(self) -> None:
        """Release the references to files."""
        self._files.clear()
        self._content = BlobWriter()

    def _refused(self, status: int, violation: Violation) -> FileRefused:
        """Return the exception for the present file, which breaks a rule."""
        if self._request is None or self._targets is None:
            raise RuntimeError("a file begins only after `operations` and `map`")
        return FileRefused(status, self._request, self._targets[self._part.name][0].path, violation)

    def _targets_in(self, paths_by_file: Any, operations: dict[str, Any]) -> dict[str, list["_Target"]]:
        """Return where each file of `map` belongs."""
        if not isinstance(paths_by_file, dict) or not all(
            isinstance(paths, list) and paths for paths in paths_by_file.values()
        ):
            raise refusal(400, "The part `map` must give each file a list of paths in `operations`.")
        if len(paths_by_file) > self._limits.files:
            raise refusal(400, f"The form has more files than the {self._limits.files} that a request may have.")
        all_paths = [path for paths in paths_by_file.values() for path in paths]
        if len(all_paths) > self._limits.paths:
            raise refusal(400, f"The part `map` has more than {self._limits.paths} paths.")
        if len(all_paths) != len({str(path) for path in all_paths}):
            raise refusal(400, "The part `map` has a path twice.")
        return {name: [_target(operations, path) for path in paths] for name, paths in paths_by_file.items()}


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a file belongs: a container among the variables, the key or index in it, and the path in the variables."""

    holder: Any
    key: str | int
    path: tuple[str | int, ...]


def _target(operations: dict[str, Any], path: Any) -> _Target:
    """Return where a file belongs by a path of `map`, e.g. `variables.input.icon` or `variables.icons.0`.

    Raises:
        RefusedError: the path is malformed, or leads to anything but null.
    """
    first, *names = path.split(".") if isinstance(path, str) else [""]
    if first != "variables" or not names:
        raise refusal(400, "`map` has a path outside of the variables: files belong below `variables.`.")
    holder: Any = operations
    key = _key(holder, first)
    keys: list[str | int] = []
    for name in names:
        holder = holder[key] if key is not None else None
        key = _key(holder, name)
        keys.append(name if key is None else key)
    if key is None or holder[key] is not None:
        raise refusal(400, "`map` has a path where `operations` has no null.")
    return _Target(holder, key, tuple(keys))


def _key(holder: Any, name: str) -> str | int | None:
    if isinstance(holder, dict):
        return name if name in holder else None
    if isinstance(holder, list) and _INDEX.fullmatch(name) and int(name) < len(holder):
        return int(name)
    return None
