"""The pages of lists that the typed service returns."""

from dataclasses import dataclass

from gateway.users.model import Department, Role, User
from gateway.users.unavailable import Unavailable

__all__ = ["DepartmentPage", "RolePage", "UserPage"]


@dataclass(frozen=True, slots=True)
class UserPage:
    """Users of all sources, newest first, and the sources that are missing.

    `end_cursor` is the cursor of the next page, None only where the list is empty. There may be a next page although
    this one is empty: if a source is missing, or if the users that were read do not match the filter.
    """

    users: tuple[User, ...]
    has_next_page: bool
    end_cursor: str | None
    unavailable: tuple[Unavailable, ...]


@dataclass(frozen=True, slots=True)
class RolePage:
    """Roles, newest first. `end_cursor` is that of the next page, None where this one is empty."""

    roles: tuple[Role, ...]
    has_next_page: bool
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class DepartmentPage:
    """Departments, newest first; `end_cursor` as of `RolePage`."""

    departments: tuple[Department, ...]
    has_next_page: bool
    end_cursor: str | None
