"""`select=`: which fields of a user an answer has."""

from typing import Any

from gateway.sandbox.softwareone.problems import ProblemError

__all__ = ["RqlSelection"]

_FIELDS = (
    "id",
    "revision",
    "name",
    "icon",
    "email",
    "status",
    "firstName",
    "lastName",
    "phone",
    "lastLoginAt",
    "settings",
    "accounts",
    "currentAccount",
    "audit",
)
_NAMES = {name.lower(): name for name in _FIELDS}
_OMITTED = ("audit",)


class RqlSelection:
    """The default fields, then each `+a`, `-b`, `-*` or plain `a` in turn."""

    def __init__(self, text: str | None) -> None:
        self._fields = [name for name in _FIELDS if name not in _OMITTED]
        self._without: list[tuple[str, str]] = []
        for item in (text or "").split(","):
            if path := item.strip():
                self._apply(path)
        self.omitted = [name for name in _OMITTED if name not in self._fields]

    @property
    def audit(self) -> bool:
        """Whether audit.* may be filtered and sorted by."""
        return "audit" in self._fields

    def trim(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document with the selected fields only; a null field is always absent."""
        kept = {name: document[name] for name in self._fields if document.get(name) is not None}
        for field, inner in self._without:
            if isinstance(kept.get(field), dict):
                kept[field] = {name: value for name, value in kept[field].items() if name.lower() != inner}
        return kept

    def _apply(self, path: str) -> None:
        drop = path.startswith("-")
        head, _, inner = path.lstrip("+-").partition(".")
        if head == "*":
            self._fields = [] if drop else list(_FIELDS)
            return
        field = _NAMES.get(head.lower())
        if field is None:
            raise ProblemError(400, "The select parameter is invalid.", {"select": ["Invalid property path."]})
        if drop and inner:
            self._without.append((field, inner.lower()))
        elif drop:
            self._fields = [name for name in self._fields if name != field]
        elif field not in self._fields:
            self._fields.append(field)
