"""The headers of an answer: bytes as they came, decoded when somebody looks."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["RequestHeaders", "ResponseHeaders"]


@lru_cache(maxsize=256)
def _key(name: str) -> bytes:
    return name.lower().encode("utf-8", "surrogateescape")


class ResponseHeaders(Mapping[str, str]):
    """Values by name in any case; of a name that came twice the first value. `fields` is by lower-case names."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields[_key(name)].decode("utf-8", "surrogateescape")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _key(name) in self._fields

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class RequestHeaders(Mapping[str, str]):
    """Values by name in any case. `came` is by lower-case names, what came several times joined by a comma."""

    __slots__ = ("_came",)

    def __init__(self, came: Mapping[bytes, bytes]) -> None:
        self._came = came

    def __getitem__(self, name: str) -> str:
        return self._came[_key(name)].decode("utf-8", "surrogateescape").rstrip(" \t")

    def get(self, name: str, default: Any = None) -> Any:
        # Mapping's own raises and catches a KeyError; most of what is asked for was not sent.
        value = self._came.get(_key(name))
        return default if value is None else value.decode("utf-8", "surrogateescape").rstrip(" \t")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _key(name) in self._came

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._came)

    def __len__(self) -> int:
        return len(self._came)

    def __repr__(self) -> str:
        return f"Fields({sorted(self._came)})"  # names only: values hold credentials
