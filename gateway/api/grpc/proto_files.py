"""The .proto of the API with all that a client needs beside it, as files below one include path."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.rpc import error_details_pb2

import usergateway
from usergateway.v1 import users_pb2

__all__ = ["USERS_PROTO", "proto_files"]

USERS_PROTO = str(users_pb2.DESCRIPTOR.name)

_WELL_KNOWN = "google/protobuf/"
_INCLUDE_PATHS = (
    Path(usergateway.__file__).parents[1],
    Path(error_details_pb2.__file__).parents[2],  # googleapis-common-protos has its .proto files
)


def proto_files() -> dict[str, str]:
    """Return the texts of the files, by their names below the include path; that of the API is the first.

    The others are its imports, and the details of errors. `google/protobuf/` is not among them: each compiler brings
    it, and a second copy could differ from that.
    """
    needed = [*_names(users_pb2.DESCRIPTOR), *_names(error_details_pb2.DESCRIPTOR)]
    return {name: _path(name).read_text() for name in needed}


def _names(descriptor: Any) -> Iterator[str]:
    """Yield the name of a file, and those of all files that it imports."""
    if not descriptor.name.startswith(_WELL_KNOWN):
        yield descriptor.name
        for imported in descriptor.dependencies:
            yield from _names(imported)


def _path(name: str) -> Path:
    return next(path for folder in _INCLUDE_PATHS if (path := folder / name).is_file())
