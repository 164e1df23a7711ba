"""What is asked of every server: the same documents, the same variables, the same data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["EQUAL", "OPERATIONS", "UPDATE", "USER", "USERS", "Lookups", "Operation", "user_id", "users"]


class Lookups(StrEnum):
    """How a server gets a role's permissions and a department's location."""

    BEST = "best"
    """As that server does it best: by id, by list, kept for a while, shared between requests."""
    LISTS = "lists"
    """One list a kind and request, nothing kept, nothing shared: equal calls for everyone."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of request; `variables` are those of the n-th."""

    name: str
    title: str
    document: str
    variables: Callable[[int], Mapping[str, Any]]
    lookups: Lookups = Lookups.BEST
    calls: int | None = None
    """Source calls that every request must cost, None where that is the server's affair."""


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
    """Another user each time, so that no server can answer two requests under way with one call."""
    return f"acus_{n:012d}"


def users(first: int, name: str = "users", lookups: Lookups = Lookups.BEST, calls: int | None = None) -> Operation:
    """A list of so many users with what has to be looked up; another search each time, for the same reason."""
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
