"""Validates the service's arguments: filters, page sizes, changes."""

from collections.abc import Mapping
from typing import Any, TypeVar

from gateway.errors import BadUserInput, Rule, Violation
from gateway.users.changes import Change, UpdateSoftwareOneUser
from gateway.users.icons import check_icon
from gateway.users.ids import Kind, can_exist, resolve
from gateway.users.model import RoleType, UserSource
from gateway.users.source import IconSource, Source, UserQuery

__all__ = ["check_first", "check_icon_in", "check_length", "parse_change", "parse_filter"]

_MAX_FIRST = 200  # users; the page sizes of the sources do not depend on it
# Characters. The account API accepts 500 (docs/upstreams/account.md, "Lists", `q`); an address has 320 at most
# (RFC 3696, 3).
_MAX_LENGTHS: Mapping[str, int] = {"search": 500, "email": 320}
AnyChange = TypeVar("AnyChange", bound=Change)

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
        BadUserInput: no source would accept the filter.
    """
    tenant = filter.get("reseller_id") or ""
    if tenant and not can_exist(tenant):
        raise BadUserInput.at(("filter", "reseller_id"), "is not a valid source id", Rule.FORMAT, format="id")
    for name in _MAX_LENGTHS:
        check_length(name, filter.get(name), "filter")
    role_type, sources = filter.get("role_type"), filter.get("sources")
    return UserQuery(
        search=filter.get("search") or None,
        email=filter.get("email") or None,
        role_type=None if role_type is None else RoleType(role_type),
        include_removed=bool(filter.get("include_removed")),
        tenant=tenant,
    ), None if sources is None else [UserSource(source) for source in sources]


def check_length(name: str, text: str | None, *parents: str) -> None:
    """Check the length of a text to search for; `parents` is the path of the object that contains the argument.

    Raises:
        BadUserInput: it is longer than every source accepts.
    """
    if text is not None and len(text) > _MAX_LENGTHS[name]:
        most = _MAX_LENGTHS[name]
        raise BadUserInput.at((*parents, name), f"must have at most {most} characters", Rule.MAX_LENGTH, max=most)


def check_first(first: int) -> None:
    """Check the size of a page.

    Raises:
        BadUserInput: it is negative or too large.
    """
    if not 0 <= first <= _MAX_FIRST:
        raise BadUserInput.at(("first",), f"must be from 0 to {_MAX_FIRST}", Rule.RANGE, min=0, max=_MAX_FIRST)


def parse_change(kind: type[AnyChange], fields: AnyChange | Mapping[str, Any]) -> AnyChange:
    """Return the change with all global ids in it replaced by source ids.

    Raises:
        BadUserInput: with all broken rules, or the change is empty: its source would execute nothing, and its result
            would show the user to a caller who may not read it.
    """
    change = kind.parse(fields)
    if not any(_alters(value) for value in change.given().values()):
        raise BadUserInput.at(("change",), "must contain at least one field to change", Rule.MIN_FIELDS, min=1)
    source_ids: dict[str, str] = {}
    violations: list[Violation] = []
    for name, (id_kind, source) in _ID_FIELDS.items():
        if name in change.model_fields_set and (value := getattr(change, name)):
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
