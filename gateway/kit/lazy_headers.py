"""HTTP header fields that are kept as bytes and decoded when they are read."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["LazyHeaders"]


@lru_cache(maxsize=256)
def _key(name: str) -> bytes:
    return name.lower().encode("utf-8", "surrogateescape")


class LazyHeaders(Mapping[str, str]):
    """The values of header fields by name in any case, without the blanks after them (RFC 9110, 5.5).

    `fields` has lower-case names. The parser that fills it decides about a name that was sent several times: the server
    joins the values by commas, the client keeps the first one.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields[_key(name)].decode("utf-8", "surrogateescape").rstrip(" \t")

    def get(self, name: str, default: Any = None) -> Any:
        # `Mapping.get` raises and catches a KeyError for a missing name; most names that are looked up are missing.
        value = self._fields.get(_key(name))
        return default if value is None else value.decode("utf-8", "surrogateescape").rstrip(" \t")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _key(name) in self._fields

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"LazyHeaders({sorted(self._fields)})"  # names only: values may be credentials
