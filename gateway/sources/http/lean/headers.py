"""The headers of an answer: bytes as they came, decoded when somebody looks."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

__all__ = ["Headers"]


@lru_cache(maxsize=256)
def _key(name: str) -> bytes:
    return name.lower().encode("utf-8", "surrogateescape")


class Headers(Mapping[str, str]):
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
