"""The two forms of requests that the versions of the account API take (docs/upstreams/account.md, "Differences").

Responses are read in both forms, whatever the version: a server may be newer than its version header.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.users.changes import NotificationPreference

__all__ = ["APRIL", "AccountVersion", "account_version", "version_of_server"]

_USERS = frozenset({"user", "role", "department"})


@dataclass(frozen=True, slots=True)
class AccountVersion:
    """What the requests of one version contain: the includes that each endpoint of account users allows, and names.

    `notification_type` is a key in `preferences[]`. `removed` is the parameter by which lists contain removed users.
    """

    get_includes: frozenset[str] = _USERS
    create_includes: frozenset[str] = _USERS
    update_includes: frozenset[str] = _USERS
    list_includes: frozenset[str] = _USERS
    notification_type: str = "notification_type"
    removed: tuple[str, str] = ("removed_scope", "included")

    def encode(self, value: object) -> dict[str, Any]:
        """Return the JSON object of a value in a change that JSON does not know."""
        if not isinstance(value, NotificationPreference):
            raise TypeError
        return {self.notification_type: value.notification_type, "enabled": value.enabled}


APRIL = AccountVersion(
    # The profile is a part of the account user; PATCH and lists take no include and return role and department.
    get_includes=frozenset({"role", "department"}),
    create_includes=frozenset({"role", "department"}),
    update_includes=frozenset(),
    list_includes=frozenset(),
    notification_type="notification_type_code",
    removed=("include_removed", "true"),
)
"""The form of preview.1 in April 2026."""


def account_version(api_version: str) -> AccountVersion | None:
    """Return the form of an API version, for example `1.0.forge-preview.3`; an unknown one is treated as current.

    None for preview.1, whose form depends on the server (`version_of_server`).
    """
    return None if api_version.endswith("-preview.1") else AccountVersion()


def version_of_server(page_info: Mapping[str, object]) -> AccountVersion:
    """Return the form of preview.1 that a server takes, from the `page_info` of one of its lists.

    The server of April 2026 has cursors there. A later one has URLs: for preview.1 it moves the profile to the account
    user, but it takes requests in the current form only.
    """
    return APRIL if "next_cursor" in page_info else AccountVersion()
