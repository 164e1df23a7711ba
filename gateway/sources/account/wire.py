"""Users and roles of the account source as JSON. The same types read all versions of the API."""

from collections.abc import Callable
from typing import Any

from gateway.sources.account.departments import AccountWireDepartment
from gateway.sources.account.listing import to_record
from gateway.sources.account.ownership import Owner
from gateway.sources.http.json import Wire
from gateway.users import model
from gateway.users.model import Timestamp, UserSource

__all__ = ["AccountWireRole", "AccountWireUser"]


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

    def record(self, to_record: Callable[[Any], Any] = to_record) -> model.User:
        """Return the user; `to_record` makes the records of role and department."""
        profile = self.user or _EMPTY_PROFILE
        return model.User(
            UserSource.ACCOUNT,
            self.id,
            name=self.name if profile.name is None else profile.name,
            email=self.email if profile.email is None else profile.email,
            email_verified_at=profile.email_verified_at,
            username=self.username if profile.username is None else profile.username,
            image_url=self.image_url if profile.image_url is None else profile.image_url,
            platform_user=None
            if profile.id is None
            else model.PlatformUser(profile.id, profile.created_at, profile.updated_at),
            status=_STATUS.get(self.status or ""),
            source_status=self.status,
            role=to_record(self.role),
            department=to_record(self.department),
            last_active_at=self.last_used_at,
            created_at=self.created_at,
            updated_at=self.updated_at,
            # The picture is that of the platform user, whose time an older server sends as that of the account user.
            image_version=profile.updated_at or self.updated_at,
        )


_EMPTY_PROFILE = _Profile()
_TYPES = {kind.value: kind for kind in model.RoleType}  # once: iterating over an enum takes longer than making a role
_STATUS = {
    "active": model.UserStatus.ACTIVE,
    "disabled": model.UserStatus.DISABLED,
    "removed": model.UserStatus.REMOVED,
}
