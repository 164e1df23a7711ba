"""HTTP header fields as they arrived, with an index of their names that messages of the same sender share."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any

__all__ = ["Shape", "ShapedHeaders", "shape_of"]


class Shape:
    """The names of header fields: `names` has them as they arrived, by the same names in lower case.

    The messages of a sender nearly always have the same names, so that one object stands for all of them. `getters` has
    what `getter` has returned.
    """

    __slots__ = ("_among", "getters", "names")

    def __init__(self, names: Mapping[str, bytes]) -> None:
        self.names = names
        self.getters: dict[frozenset[str], Callable[[Mapping[bytes, bytes]], Any]] = {}
        self._among: dict[frozenset[str], frozenset[str]] = {}

    def getter(self, names: frozenset[str]) -> Callable[[Mapping[bytes, bytes]], Any]:
        """Return the function that takes the values of those of these names that there are, from the fields.

        They are in the order of the names in lower case, so that shapes with the same names have the same order.
        """
        present = [self.names[name] for name in sorted(names) if name in self.names]
        found = self.getters[names] = itemgetter(*present) if present else _no_values
        return found

    def among(self, names: frozenset[str]) -> frozenset[str]:
        """Return those of the names, which are in lower case, that there are fields of."""
        found = self._among.get(names)
        if found is None:
            found = self._among[names] = names.intersection(self.names)
        return found


@lru_cache(maxsize=256)
def shape_of(names: tuple[bytes, ...]) -> Shape | None:
    """Return the shape of a head with fields of these names; None if two of them differ in their case only."""
    index = {name.decode("latin-1").lower(): name for name in names}
    return Shape(index) if len(index) == len(names) else None


def _no_values(_fields: Mapping[bytes, bytes]) -> None:
    return None


class ShapedHeaders(Mapping[str, str]):
    """The values of header fields by name in any case, without the blanks after them (RFC 9110, 5.5).

    `fields` has the names as they arrived, which `shape` has too. Values are decoded when they are read.

    An object belongs to one head: requests that have the same one have the same method, target and fields. `checked` is
    what a handler has found out about that head alone, None until then.
    """

    __slots__ = ("_fields", "_names", "checked", "shape")

    def __init__(self, fields: Mapping[bytes, bytes], shape: Shape) -> None:
        self._fields = fields
        self._names = shape.names
        self.shape = shape
        self.checked: object = None

    def __getitem__(self, name: str) -> str:
        return self._fields[self._names[name.lower()]].decode("utf-8", "surrogateescape").rstrip(" \t")

    def get(self, name: str, default: Any = None) -> Any:
        key = self._names.get(name)  # most names are looked up in lower case, and most are missing
        if key is None and (name.islower() or (key := self._names.get(name.lower())) is None):
            return default
        return self._fields[key].decode("utf-8", "surrogateescape").rstrip(" \t")

    def key(self, names: frozenset[str]) -> tuple[Shape, Any]:
        """Return a hashable value that is equal for heads in which the fields of these names are equal."""
        shape = self.shape
        getter = shape.getters.get(names) or shape.getter(names)
        return shape, getter(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"ShapedHeaders({sorted(self._names)})"  # names only: values may be credentials
