"""Validates the service's arguments: filters, page sizes, changes."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from gateway.errors import BadUserInput, Rule, Violation
from gateway.users.changes import AnyChange, Change, UpdateSoftwareOneUser, read_change
from gateway.users.fields import UserFilter
from gateway.users.icons import check_icon
from gateway.users.ids import Kind, can_exist, resolve
from gateway.users.model import RoleType, UserSource
from gateway.users.source import IconSource, Source, UserQuery

__all__ = [
    "check_after",
    "check_first",
    "check_icon_in",
    "check_length",
    "member_of",
    "members_of",
    "parse_change",
    "parse_filter",
]

_MAX_FIRST = 200  # users; the page sizes of the sources do not depend on it
# Characters. The account API accepts 500 (docs/upstreams/account.md, "Lists", `q`); an address has 320 at most
# (RFC 3696, 3).
_MAX_LENGTHS: Mapping[str, int] = {"search": 500, "email": 320}
AnyEnum = TypeVar("AnyEnum", bound=StrEnum)

# The fields of changes that hold the id of a record: a global id or a source id.
_ID_FIELDS: Mapping[str, tuple[Kind, UserSource]] = {
    "role_id": (Kind.ROLE, UserSource.ACCOUNT),
    "department_id": (Kind.DEPARTMENT, UserSource.ACCOUNT),
    "organization_id": (Kind.ORGANIZATION, UserSource.RESELLER),
    "current_account_id": (Kind.MARKETPLACE_ACCOUNT, UserSource.SOFTWAREONE),
}


def parse_filter(filter: Mapping[str, Any]) -> tuple[UserQuery, list[UserSource] | None]:
    """Return the query for each source, and the requested sources, None where the filter does not name any.

    Raises:
        BadUserInput: no source would accept the filter, or it has other fields than `UserFilter`.
    """
    unknown = [name for name in filter if name not in UserFilter.__annotations__]
    if unknown:
        message = "is not a field of this filter"
        raise BadUserInput.of([Violation(("filter", str(name)), message, Rule.UNKNOWN) for name in unknown])
    search, email, tenant = (_text(filter, name) for name in ("search", "email", "reseller_id"))
    if tenant and not can_exist(tenant):
        raise BadUserInput.at(("filter", "reseller_id"), "is not a valid source id", Rule.FORMAT, format="id")
    for name in _MAX_LENGTHS:
        check_length(name, filter.get(name), "filter")
    role_type, sources, removed = (filter.get(name) for name in ("role_type", "sources", "include_removed"))
    if removed is not None and not isinstance(removed, bool):
        raise BadUserInput.at(("filter", "include_removed"), "must be true or false", Rule.TYPE, type="boolean")
    return UserQuery(
        search=search or None,
        email=email or None,
        role_type=None if role_type is None else member_of(RoleType, role_type, "filter", "role_type"),
        include_removed=bool(removed),
        tenant=tenant or "",
    ), None if sources is None else members_of(UserSource, sources, "filter", "sources")


def member_of(kind: type[AnyEnum], value: Any, *path: str | int) -> AnyEnum:
    """Return the member of an enum that has a value.

    Raises:
        BadUserInput: none has it.
    """
    try:
        return kind(value)
    except ValueError:
        values = [member.value for member in kind]
        raise BadUserInput.at(path, f"must be one of {', '.join(values)}", Rule.ENUM, values=values) from None


def members_of(kind: type[AnyEnum], values: Any, *path: str | int) -> list[AnyEnum]:
    """Return the members of an enum that have these values.

    Raises:
        BadUserInput: they are no list, or none has one of them.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise BadUserInput.at(path, "must be a list", Rule.TYPE, type="list")
    return [member_of(kind, value, *path, index) for index, value in enumerate(values)]


def _text(filter: Mapping[str, Any], name: str) -> str | None:
    value = filter.get(name)
    if value is None or isinstance(value, str):
        return value
    raise BadUserInput.at(("filter", name), "must be a string", Rule.TYPE, type="string")


def check_length(name: str, text: str | None, *parents: str) -> None:
    """Check the length of a text to search for; `parents` is the path of the object that contains the argument.

    Raises:
        BadUserInput: it is longer than every source accepts, or no text.
    """
    if not isinstance(text, str | None):
        raise BadUserInput.at((*parents, name), "must be a string", Rule.TYPE, type="string")
    if text is not None and len(text) > _MAX_LENGTHS[name]:
        most = _MAX_LENGTHS[name]
        raise BadUserInput.at((*parents, name), f"must have at most {most} characters", Rule.MAX_LENGTH, max=most)


def check_after(after: str | None, name: str = "after") -> None:
    """Check the type of a cursor; `name` is that of the argument.

    Raises:
        BadUserInput: it is no text.
    """
    if not isinstance(after, str | None):
        raise BadUserInput.at((name,), "must be a string", Rule.TYPE, type="string")


def check_first(first: int, name: str = "first") -> None:
    """Check the size of a page; `name` is that of the argument.

    Raises:
        BadUserInput: it is negative, too large or no number.
    """
    if not isinstance(first, int):
        raise BadUserInput.at((name,), "must be a whole number", Rule.TYPE, type="integer")
    if not 0 <= first <= _MAX_FIRST:
        raise BadUserInput.at((name,), f"must be from 0 to {_MAX_FIRST}", Rule.RANGE, min=0, max=_MAX_FIRST)


def parse_change(kind: type[AnyChange], fields: AnyChange | Mapping[str, Any]) -> AnyChange:
    """Return the change with all global ids in it replaced by source ids.

    Raises:
        BadUserInput: with all broken rules, or the change is empty: its source would execute nothing, and its result
            would show the user to a caller who may not read it.
    """
    change = read_change(kind, fields)
    given = change.given()
    for value in given.values():
        if value.__class__ is str or _alters(value):
            break
    else:
        raise BadUserInput.at(("change",), "must contain at least one field to change", Rule.MIN_FIELDS, min=1)
    if _ID_FIELDS.keys().isdisjoint(given):
        return change
    source_ids: dict[str, str] = {}
    violations: list[Violation] = []
    for name, (id_kind, source) in _ID_FIELDS.items():
        if value := given.get(name):
            try:
                source_ids[name] = resolve(value, id_kind, source=source, path=("change", name)).source_id
            except BadUserInput as error:
                violations += error.violations
    if violations:
        raise BadUserInput.of(violations)
    return change.model_copy(update=source_ids) if source_ids else change


def check_icon_in(change: UpdateSoftwareOneUser, source: Source) -> None:
    """Check the icon in a change, before its idempotency key is used: another icon may follow under the same key.

    Raises:
        BadUserInput: the source does not accept it.
    """
    if change.icon is not None and isinstance(source, IconSource):
        check_icon(change.icon, source.icon_rules)


def _alters(value: Any) -> bool:
    """Return whether the value of a field alters anything: a list of preferences may be empty, and so may settings."""
    if isinstance(value, Change):
        return bool(value.model_fields_set)
    return not (isinstance(value, list) and not value)
