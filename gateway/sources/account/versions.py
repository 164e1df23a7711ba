"""The two forms of requests that the versions of the account API take (docs/upstreams/account.md, "Differences").

Responses are read in both forms, whatever the version: a server may be newer than its version header.
"""

from dataclasses import dataclass

__all__ = ["AccountVersion", "account_version"]

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


_PREVIEW_1 = AccountVersion(
    # The profile is a part of the account user; PATCH and lists take no include and return role and department.
    get_includes=frozenset({"role", "department"}),
    create_includes=frozenset({"role", "department"}),
    update_includes=frozenset(),
    list_includes=frozenset(),
    notification_type="notification_type_code",
    removed=("include_removed", "true"),
)


def account_version(api_version: str) -> AccountVersion:
    """Return the form of an API version, for example `1.0.forge-preview.3`; an unknown one is treated as current."""
    return _PREVIEW_1 if api_version.endswith("-preview.1") else AccountVersion()
