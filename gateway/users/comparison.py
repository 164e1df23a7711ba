"""Compares a change with a user: whether the user is already as the change would make it."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from gateway.users.changes import Change
from gateway.users.model import RoleType, User

__all__ = ["ChangeComparison", "compare"]

# No source returns these fields of a change (docs/upstreams/, "Fields").
_WRITE_ONLY = frozenset({"password", "preferences", "icon", "allow_customer_portal_access"})
# The fields of a change that a user has under another name.
_CURRENT = {
    "role_id": attrgetter("role.source_id"),
    "department_id": attrgetter("department.source_id"),
    "organization_id": attrgetter("organization.source_id"),
    "current_account_id": attrgetter("current_account.source_id"),
    "role": attrgetter("role.source_id"),
}


@dataclass(frozen=True, slots=True)
class ChangeComparison:
    """How the given fields of a change compare with a user.

    `equal` are the paths of those that the user has. `differing` are those of the others, each with what the user has.
    `incomparable` are those that cannot be read.
    """

    equal: tuple[tuple[str, ...], ...]
    differing: tuple[tuple[tuple[str, ...], Any], ...]
    incomparable: tuple[str, ...]


def compare(change: Change, user: User) -> ChangeComparison:
    """Compare the given fields of a change with a user."""
    equal: list[tuple[str, ...]] = []
    differing: list[tuple[tuple[str, ...], Any]] = []
    incomparable: list[str] = []
    for name, wanted in change.given().items():
        if name in _WRITE_ONLY or (name == "role_id" and user.role and user.role.type is RoleType.SALES_REP):
            incomparable.append(name)  # a role of sales representatives is replaced by the platform's
            continue
        fields = wanted.given() if isinstance(wanted, Change) else {}
        for path, value in {(name, inner): value for inner, value in fields.items()}.items() or [((name,), wanted)]:
            current = _current(user, path)
            if _is_same(name, value, current):
                equal.append(path)
            else:
                differing.append((path, current))
    return ChangeComparison(tuple(equal), tuple(differing), tuple(incomparable))


def _current(user: User, path: tuple[str, ...]) -> Any:
    """Return what the user has at the path of a field of a change; None where it has nothing."""
    try:
        return _CURRENT.get(path[0], attrgetter(".".join(path)))(user)
    except AttributeError:  # a part of the path is None
        return None


def _is_same(name: str, wanted: Any, current: Any) -> bool:
    """Return whether two values are the same to a source, which may store nothing for "", and no spaces at the ends."""
    first, second = (_text(value) for value in (wanted, current))
    return first.casefold() == second.casefold() if name == "email" else first == second


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
