"""The operations that all servers execute, with the same documents, variables and data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["EQUAL", "OPERATIONS", "UPDATE", "USER", "USERS", "Lookups", "Operation", "user_id", "users"]


class Lookups(StrEnum):
    """The way in which a server gets the permissions of a role and the location of a department."""

    BEST = "best"
    """The fastest way of that server: by id or by list, with caches, shared between requests."""
    LISTS = "lists"
    """One list for each kind and request, without caches and sharing: equal calls for all servers."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of request; `variables` returns the variables of the n-th one."""

    name: str
    title: str
    document: str
    variables: Callable[[int], Mapping[str, Any]]
    lookups: Lookups = Lookups.BEST
    calls: int | None = None
    """The required number of source calls per request; None where servers may differ."""


_USER = """
query User($id: ID!) {
  user(id: $id, source: ACCOUNT) {
    sourceId name email status
    role { sourceId name }
    department { sourceId name }
  }
}"""
_USERS = """
query Users($first: Int!, $search: String!) {
  users(first: $first, filter: { search: $search }) {
    nodes {
      sourceId name email status
      role { name permissions owner { type } }
      department { name location { name } }
    }
  }
}"""
_UPDATE = """
mutation Update($id: ID!, $input: UpdateAccountUserInput!) {
  updateAccountUser(id: $id, input: $input) {
    sourceId name email status
    role { sourceId name }
    department { sourceId name }
  }
}"""


def user_id(n: int) -> str:
    """Return the id of the n-th request; all differ, so that no server can use one call for two requests."""
    return f"acus_{n:012d}"


def users(first: int, name: str = "users", lookups: Lookups = Lookups.BEST, calls: int | None = None) -> Operation:
    """Return the operation for a list of `first` users with lookups; all searches differ, for the same reason."""
    title = f"users({first})" if calls is None else f"users({first}), {calls} calls"
    return Operation(name, title, _USERS, lambda n: {"first": first, "search": f"team-{n:06d}"}, lookups, calls)


USER = Operation("user", "user(id)", _USER, lambda n: {"id": user_id(n)}, calls=1)
USERS = users(50)
EQUAL = users(50, "users-equal", Lookups.LISTS, 3)
UPDATE = Operation(
    "update",
    "updateAccountUser",
    _UPDATE,
    lambda n: {"id": user_id(n), "input": {"name": "Ada King"}},
    calls=1,
)
OPERATIONS = (USER, USERS, EQUAL, UPDATE)
