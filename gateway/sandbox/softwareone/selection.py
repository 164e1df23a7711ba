"""The parameter `select`: the fields of a user that a response contains."""

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
_OMITTED = ("audit", "accounts")


class RqlSelection:
    """Applies each `+a`, `-b`, `-*` or plain `a` of a `select` value, in order, to the default fields.

    `omitted` are all fields that are left out, by default or because `select` excludes them.
    """

    def __init__(self, text: str | None) -> None:
        self._fields = [name for name in _FIELDS if name not in _OMITTED]
        self._excluded: list[tuple[str, str]] = []
        for item in (text or "").split(","):
            if path := item.strip():
                self._apply(path)
        self.omitted = [name for name in _FIELDS if name not in self._fields]

    @property
    def audit(self) -> bool:
        """Whether `audit` is selected, so that filters and orders may use its fields."""
        return "audit" in self._fields

    def trim(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the selected fields of a user; a field that is null is always absent."""
        selected = {name: document[name] for name in self._fields if document.get(name) is not None}
        for field, inner_name in self._excluded:
            if isinstance(selected.get(field), dict):
                selected[field] = {name: value for name, value in selected[field].items() if name.lower() != inner_name}
        return selected

    def _apply(self, path: str) -> None:
        exclude = path.startswith("-")
        name, _, inner_name = path.lstrip("+-").partition(".")
        if name == "*":
            self._fields = [] if exclude else list(_FIELDS)
            return
        field = _NAMES.get(name.lower())
        if field is None:
            raise ProblemError(400, "The select parameter is invalid.", {"select": ["Invalid property path."]})
        if exclude and inner_name:
            self._excluded.append((field, inner_name.lower()))
        elif exclude:
            self._fields = [name for name in self._fields if name != field]
        elif field not in self._fields:
            self._fields.append(field)
