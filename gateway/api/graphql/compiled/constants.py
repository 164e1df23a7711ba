"""The objects that generated code names: nothing but their names and `repr`s of strings enters its source."""

from typing import Any

__all__ = ["Constants"]


class Constants:
    """Names for objects; the same object has one name."""

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def name(self, value: Any) -> str:
        """The name under which generated code finds the object."""
        known = self._names.get(id(value))
        if known is None:
            known = self._names[id(value)] = f"k{len(self.named)}"
            self.named[known] = value  # which keeps it, and with it its id
        return known
