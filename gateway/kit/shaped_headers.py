"""HTTP header fields as they arrived, with an index of their names that messages of the same sender share."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["ShapedHeaders"]


class ShapedHeaders(Mapping[str, str]):
    """The values of header fields by name in any case, without the blanks after them (RFC 9110, 5.5).

    `fields` has the names as they arrived; `names` has these by the same names in lower case. The messages of a sender
    nearly always have the same names, so that `names` can be one object for all of them. Values are decoded when they
    are read.

    An object belongs to one head: requests that have the same one have the same method, target and fields. `checked` is
    what a handler has found out about that head alone, None until then.
    """

    __slots__ = ("_fields", "_names", "checked")

    def __init__(self, fields: Mapping[bytes, bytes], names: Mapping[str, bytes]) -> None:
        self._fields = fields
        self._names = names
        self.checked: object = None

    def __getitem__(self, name: str) -> str:
        return self._fields[self._names[name.lower()]].decode("utf-8", "surrogateescape").rstrip(" \t")

    def get(self, name: str, default: Any = None) -> Any:
        key = self._names.get(name)  # most names are looked up in lower case, and most are missing
        if key is None and (name.islower() or (key := self._names.get(name.lower())) is None):
            return default
        return self._fields[key].decode("utf-8", "surrogateescape").rstrip(" \t")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"ShapedHeaders({sorted(self._names)})"  # names only: values may be credentials
