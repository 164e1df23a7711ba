"""Users and roles of the account source as JSON. The same types read all versions of the API."""

from typing import Any

from msgspec import Raw

from gateway.sources.account.departments import AccountWireDepartment
from gateway.sources.account.listing import AccountListing, next_position, to_record
from gateway.sources.account.ownership import Owner
from gateway.sources.http.json import FastDecoder, FoundByBytes, JsonDecoder, Times, Wire
from gateway.users import model
from gateway.users.model import Timestamp, UserSource
from gateway.users.source import Window

__all__ = ["USER_DECODER", "USER_LIST_DECODER", "AccountWireRole", "AccountWireUser"]


class AccountWireRole(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    type: str | None = None
    owner: Owner | None = None
    permissions: list[str] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self, included: frozenset[str] = frozenset()) -> model.Role:
        """Return the role. A field that `included` names was requested, so null there means that it is empty."""
        loaded = set(included)
        if self.owner is not None:
            loaded.add("owner")
            if self.owner.account is not None or self.owner.type == model.OwnerType.SYSTEM:
                loaded.add("owner.account")
        permissions = self.permissions
        if permissions is not None:
            loaded.add("permissions")
        elif "permissions" in included:
            permissions = []  # the source sends null for none (docs/upstreams/account.md, "Roles")
        return model.Role(
            UserSource.ACCOUNT,
            self.id or "",
            self.name or "",
            _TYPES.get(self.type or ""),
            self.type,
            to_record(self.owner),
            None if permissions is None else tuple(permissions),
            self.created_at,
            self.updated_at,
            frozenset(loaded),
        )


class _Profile(Wire, frozen=True):
    """The profile of an account user: a nested object since preview.2, fields of the account user in preview.1.

    Later servers send a reference for preview.1: the id of the platform user without the times.
    """

    id: str | None = None
    name: str | None = None
    email: str | None = None
    username: str | None = None
    email_verified_at: Timestamp | None = None
    image_url: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class AccountWireUser(Wire, frozen=True):
    id: str
    user: _Profile | None = None
    name: str | None = None
    email: str | None = None
    username: str | None = None
    image_url: str | None = None
    status: str | None = None
    role: AccountWireRole | None = None
    department: AccountWireDepartment | None = None
    last_used_at: Timestamp | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self) -> model.User:
        """Return the record of a user; its times may be text that is not checked yet.

        Raises:
            ValueError: a text is not a time.
        """
        if isinstance(self, _FastUser):
            role = _ROLES[bytes(self.role)]
            department = _DEPARTMENTS[bytes(self.department)]
        else:
            role, department = to_record(self.role), to_record(self.department)
        profile = self.user or _EMPTY_PROFILE
        updated_at = _TIMES[self.updated_at]
        # These are checked, too, where there is no platform user.
        profile_created_at, profile_updated_at = _TIMES[profile.created_at], _TIMES[profile.updated_at]
        platform_user = None
        if profile.id is not None:
            platform_user = model.PlatformUser(profile.id, profile_created_at, profile_updated_at)
        # By position: CPython makes a dictionary of the names for a call with more than 30 arguments, a name being two.
        return model.User(
            _ACCOUNT,
            self.id,
            "",  # tenant
            self.name if profile.name is None else profile.name,
            None,  # first name
            None,  # last name
            self.email if profile.email is None else profile.email,
            _TIMES[profile.email_verified_at],
            self.username if profile.username is None else profile.username,
            self.image_url if profile.image_url is None else profile.image_url,
            platform_user,
            None,  # phone
            _STATUS.get(self.status),
            self.status,
            role,
            department,
            None,  # organization
            None,  # company
            None,  # accounts
            None,  # current account
            None,  # settings
            None,  # two-factor authentication
            None,  # Google SSO
            _TIMES[self.last_used_at],
            None,  # acceptance of the invitation
            _TIMES[self.created_at],
            updated_at,
            # The picture is that of the platform user, whose time an older server sends as that of the account user.
            image_version=profile_updated_at or updated_at,
        )


class _FastProfile(_Profile, frozen=True):
    """The same JSON with the times as text."""

    email_verified_at: str | None = None  # type: ignore[assignment]  # `_TIMES` converts it, here and below
    created_at: str | None = None  # type: ignore[assignment]  # as above
    updated_at: str | None = None  # type: ignore[assignment]  # as above


class _FastUser(AccountWireUser, frozen=True):
    """The same JSON with the times as text, and with the role and the department as bytes."""

    user: _FastProfile | None = None
    role: Raw = Raw(b"null")  # type: ignore[assignment]  # `_ROLES` finds its record
    department: Raw = Raw(b"null")  # type: ignore[assignment]  # `_DEPARTMENTS` finds its record
    last_used_at: str | None = None  # type: ignore[assignment]  # `_TIMES` converts it
    created_at: str | None = None  # type: ignore[assignment]  # `_TIMES` converts it
    updated_at: str | None = None  # type: ignore[assignment]  # `_TIMES` converts it


def _window(listing: AccountListing[Any]) -> Window:
    return Window(tuple([user.record() for user in listing.data or ()]), next_position(listing.page_info))


USER_DECODER = FastDecoder(_FastUser, _FastUser.record, AccountWireUser, AccountWireUser.record)
"""Decodes one user as a record."""

USER_LIST_DECODER = FastDecoder(AccountListing[_FastUser], _window, AccountListing[AccountWireUser], _window)
"""Decodes a list of users as a window of records."""

_ACCOUNT = UserSource.ACCOUNT  # CONTRIBUTING.md, "Speed"
_ROLE = JsonDecoder[AccountWireRole | None](AccountWireRole | None)  # type: ignore[arg-type]  # a union is no type
_DEPARTMENT = JsonDecoder[AccountWireDepartment | None](AccountWireDepartment | None)  # type: ignore[arg-type]  # as above
_ROLES = FoundByBytes[model.Role | None](lambda body: to_record(_ROLE.decode(body)))
_DEPARTMENTS = FoundByBytes[model.Department | None](lambda body: to_record(_DEPARTMENT.decode(body)))
_TIMES = Times()
_EMPTY_PROFILE = _Profile()
_TYPES = {kind.value: kind for kind in model.RoleType}  # once: iterating over an enum takes longer than making a role
_STATUS: dict[str | None, model.UserStatus] = {
    "active": model.UserStatus.ACTIVE,
    "disabled": model.UserStatus.DISABLED,
    "removed": model.UserStatus.REMOVED,
}
