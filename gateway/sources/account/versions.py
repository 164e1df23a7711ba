"""The two versions of the identity API that are in use, where what must be sent differs.

What is read is read in both forms whatever the version: a server may be newer than its version header.
"""

from dataclasses import dataclass

__all__ = ["AccountVersion", "spoken_by"]

_USERS = frozenset({"user", "role", "department"})


@dataclass(frozen=True, slots=True)
class AccountVersion:
    """What to send: the includes that each endpoint of account users takes, and words that changed."""

    get_includes: frozenset[str] = _USERS
    create_includes: frozenset[str] = _USERS
    update_includes: frozenset[str] = _USERS
    list_includes: frozenset[str] = _USERS
    notification_type: str = "notification_type"
    removed: tuple[str, str] = ("removed_scope", "included")


_APRIL = AccountVersion(
    # The profile is flat, and what PATCH and the list can bring along they bring unasked (account.md, 1.1).
    get_includes=frozenset({"role", "department"}),
    create_includes=frozenset({"role", "department"}),
    update_includes=frozenset(),
    list_includes=frozenset(),
    notification_type="notification_type_code",
    removed=("include_removed", "true"),
)


def spoken_by(api_version: str) -> AccountVersion:
    """The dialect of an API version, e.g. `1.0.forge-preview.3`; an unknown one is taken to be new."""
    return _APRIL if api_version.endswith("-preview.1") else AccountVersion()
