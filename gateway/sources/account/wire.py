"""Users and roles in the identity API's JSON. Both of its versions are read by the same models."""

from collections.abc import Callable
from typing import Any

from gateway.sources.account.departments import AccountWireDepartment
from gateway.sources.account.listing import record_of
from gateway.sources.account.ownership import Owner
from gateway.sources.http.json import Instant, Wire
from gateway.users import model
from gateway.users.model import UserSource

__all__ = ["AccountWireRole", "AccountWireUser"]


class AccountWireRole(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    type: str | None = None
    owner: Owner | None = None
    permissions: list[str] | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self, included: frozenset[str] = frozenset()) -> model.Role:
        """The role; `included` names what was asked for, so that null there means: there is none."""
        loaded = set(included)
        if self.owner is not None:
            loaded.add("owner")
            if self.owner.account is not None or self.owner.type == model.OwnerType.SYSTEM:
                loaded.add("owner.account")
        permissions = self.permissions
        if permissions is not None:
            loaded.add("permissions")
        elif "permissions" in included:
            permissions = []  # how the source writes a role with none (account.md, 3.2)
        return model.Role(
            UserSource.ACCOUNT,
            self.id or "",
            self.name or "",
            _TYPES.get(self.type or ""),
            self.type,
            record_of(self.owner),
            None if permissions is None else tuple(permissions),
            self.created_at,
            self.updated_at,
            frozenset(loaded),
        )


class Profile(Wire, frozen=True):
    """The person behind an account user: nested since preview.2, flat on the account user before."""

    name: str | None = None
    email: str | None = None
    username: str | None = None
    email_verified_at: Instant | None = None
    image_url: str | None = None


class AccountWireUser(Wire, frozen=True):
    id: str
    user: Profile | None = None
    name: str | None = None
    email: str | None = None
    username: str | None = None
    image_url: str | None = None
    status: str | None = None
    role: AccountWireRole | None = None
    department: AccountWireDepartment | None = None
    last_used_at: Instant | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self, record_of: Callable[[Any], Any] = record_of) -> model.User:
        """The user; `record_of` makes the records of role and department."""
        profile = self.user or _NOBODY
        return model.User(
            UserSource.ACCOUNT,
            self.id,
            name=self.name if profile.name is None else profile.name,
            email=self.email if profile.email is None else profile.email,
            email_verified_at=profile.email_verified_at,
            username=self.username if profile.username is None else profile.username,
            image_url=self.image_url if profile.image_url is None else profile.image_url,
            status=_STATUS.get(self.status or ""),
            source_status=self.status,
            role=record_of(self.role),
            department=record_of(self.department),
            last_active_at=self.last_used_at,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


_NOBODY = Profile()
_TYPES = {kind.value: kind for kind in model.RoleType}  # made once: walking an enum costs more than the role itself
_STATUS = {
    "active": model.UserStatus.ACTIVE,
    "disabled": model.UserStatus.DISABLED,
    "removed": model.UserStatus.REMOVED,
}
