"""What callers give the service, read: filters, sizes of pages, changes."""

from collections.abc import Mapping
from typing import Any, TypeVar

from gateway.errors import BadUserInput, Violation
from gateway.users.changes import Change
from gateway.users.ids import Kind, can_exist, resolve
from gateway.users.model import RoleType, UserSource
from gateway.users.source import UserQuery

__all__ = ["check_first", "check_length", "parse", "query_of"]

_LARGEST_PAGE = 200  # what `first` may be; a source's own pages are another matter
# Characters: what the account system takes (account.md, 3.1.1), and the longest address (RFC 3696, 3).
_LONGEST: Mapping[str, int] = {"search": 500, "email": 320}
AnyChange = TypeVar("AnyChange", bound=Change)

# Fields of a change that name a record: a global id is as good there as the source's own.
_NAMED: Mapping[str, tuple[Kind, UserSource]] = {
    "role_id": (Kind.ROLE, UserSource.ACCOUNT),
    "department_id": (Kind.DEPARTMENT, UserSource.ACCOUNT),
    "organization_id": (Kind.ORGANIZATION, UserSource.RESELLER),
}


def query_of(given: Mapping[str, Any]) -> tuple[UserQuery, list[UserSource] | None]:
    """A filter → what every source is asked, and which sources are.

    Raises:
        BadUserInput: no source can be asked that.
    """
    tenant = given.get("reseller_id") or ""
    if tenant and not can_exist(tenant):
        raise BadUserInput.at(("filter", "reseller_id"), "is no id that the source could have given")
    for name in _LONGEST:
        check_length(name, given.get(name), "filter")
    role_type, sources = given.get("role_type"), given.get("sources")
    return UserQuery(
        search=given.get("search") or None,
        email=given.get("email") or None,
        role_type=None if role_type is None else RoleType(role_type),
        include_removed=bool(given.get("include_removed")),
        tenant=tenant,
    ), None if sources is None else [UserSource(one) for one in sources]


def check_length(name: str, text: str | None, *above: str) -> None:
    """Let pass a text to search for; `above` is what the argument is part of.

    Raises:
        BadUserInput: it is longer than all systems take.
    """
    if text is not None and len(text) > _LONGEST[name]:
        raise BadUserInput.at((*above, name), f"must not be longer than {_LONGEST[name]} characters")


def check_first(first: int) -> None:
    """Let pass a size of a page.

    Raises:
        BadUserInput: there are no pages of that size.
    """
    if not 0 <= first <= _LARGEST_PAGE:
        raise BadUserInput.at(("first",), f"must be from 0 to {_LARGEST_PAGE}")


def parse(kind: type[AnyChange], given: AnyChange | Mapping[str, Any]) -> AnyChange:
    """The change that is meant, with the source's own ids in it.

    Raises:
        BadUserInput: all of its rules that are broken.
    """
    change = kind.parse(given)
    own: dict[str, str] = {}
    broken: list[Violation] = []
    for name, (of, source) in _NAMED.items():
        if name in change.model_fields_set and (value := getattr(change, name)):
            try:
                own[name] = resolve(value, of, source=source, path=("change", name)).source_id
            except BadUserInput as error:
                broken += error.violations
    if broken:
        raise BadUserInput.of(broken)
    return change.model_copy(update=own) if own else change
