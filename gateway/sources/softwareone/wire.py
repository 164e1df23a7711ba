"""The JSON of the softwareone source and its conversion to records.

A field that is null is absent there; one that was left out is named in `$meta.omitted`
(docs/upstreams/softwareone.md, "Fields").
"""

from typing import Any

from msgspec import field

from gateway.sources.http.json import CamelWire, Wire
from gateway.users import model
from gateway.users.model import Timestamp, UserSource, UserStatus

__all__ = ["MarketplaceWireUser", "MarketplaceWireUsers"]


class _Meta(Wire, frozen=True):
    omitted: list[str] | None = None


class _Actor(CamelWire, frozen=True):
    id: str | None = None
    name: str | None = None
    icon: str | None = None
    revision: int | str | None = None

    def record(self, base_url: str) -> model.Actor:
        return model.Actor(self.id or "", self.name, _absolute(self.icon, base_url), _version(self.revision))


class _AuditEvent(CamelWire, frozen=True):
    at: Timestamp | None = None
    by: _Actor | None = None


class _Audit(CamelWire, frozen=True):
    created: _AuditEvent | None = None
    updated: _AuditEvent | None = None
    invitation_accepted_at: Timestamp | None = None


class _Account(CamelWire, frozen=True):
    id: str | None = None
    name: str | None = None
    type: str | None = None
    status: str | None = None
    icon: str | None = None
    revision: int | str | None = None

    def record(self, base_url: str) -> model.MarketplaceAccount:
        icon, version = _absolute(self.icon, base_url), _version(self.revision)
        return model.MarketplaceAccount(self.id or "", self.name, self.type, self.status, icon, version)


class _Phone(CamelWire, frozen=True):
    prefix: str | None = None
    number: str | None = None


class _Settings(CamelWire, frozen=True):
    culture_code: str | None = None
    language_code: str | None = None


class MarketplaceWireUser(CamelWire, frozen=True):
    id: str
    revision: int | str | None = None
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    status: str | None = None
    icon: str | None = None
    phone: _Phone | None = None
    settings: _Settings | None = None
    last_login_at: Timestamp | None = None
    accounts: list[_Account] | None = None
    current_account: _Account | None = None
    audit: _Audit | None = None
    meta: _Meta | None = field(default=None, name="$meta")

    def record(self, base_url: str, omitted: tuple[str, ...] = ()) -> model.User:
        """Return the user, with absolute URLs of icons. `omitted` are the fields that the whole list left out."""
        audit = self.audit or _Audit()
        created, updated = audit.created or _AuditEvent(), audit.updated or _AuditEvent()
        meta_omitted = self.meta.omitted if self.meta else None
        omitted_fields = omitted if meta_omitted is None else tuple(meta_omitted)
        fields: dict[str, Any] = {
            "name": self.name,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "image_url": _absolute(self.icon, base_url),
            "phone": model.PhoneNumber(self.phone.prefix, self.phone.number) if self.phone else None,
            "status": _STATUS.get("".join(filter(str.isalpha, self.status or "")).lower()),
            "source_status": self.status,
            "accounts": None if self.accounts is None else tuple(account.record(base_url) for account in self.accounts),
            "current_account": self.current_account.record(base_url) if self.current_account else None,
            "settings": self.settings and model.UserSettings(self.settings.culture_code, self.settings.language_code),
            "last_active_at": self.last_login_at,
            "invitation_accepted_at": audit.invitation_accepted_at,
            "created_at": created.at,
            "updated_at": updated.at,
            "created_by": created.by.record(base_url) if created.by else None,
            "updated_by": updated.by.record(base_url) if updated.by else None,
            "image_version": _version(self.revision),
        }
        return model.User(UserSource.SOFTWAREONE, self.id, omitted_fields=omitted_fields, **fields)


class _Pagination(Wire, frozen=True):
    offset: int | None = None
    limit: int | None = None
    total: int | None = None


class ListMeta(_Meta, frozen=True):
    pagination: _Pagination | None = None


class MarketplaceWireUsers(Wire, frozen=True):
    """A list of users. `meta` has its pagination and the fields that were left out of each user."""

    data: list[MarketplaceWireUser]
    meta: ListMeta | None = field(default=None, name="$meta")

    def has_more(self, start: int, limit: int) -> bool:
        """Whether more users follow. The source may have cut the requested `limit` to a smaller one.

        Without a total, a page that is shorter than the limit in its `meta` is the last one.
        """
        pagination = (self.meta and self.meta.pagination) or _Pagination()
        if not self.data or pagination.total is None:
            return bool(self.data) and len(self.data) >= (pagination.limit or limit)
        return start + len(self.data) < pagination.total


# docs/upstreams/softwareone.md, "Fields". They are compared as lower-case letters, since one also occurs with spaces.
_STATUS = {
    "new": UserStatus.NEW,
    "invited": UserStatus.INVITED,
    "invitationexpired": UserStatus.INVITATION_EXPIRED,
    "active": UserStatus.ACTIVE,
    "blocked": UserStatus.BLOCKED,
    "disabled": UserStatus.DISABLED,
    "deleted": UserStatus.REMOVED,
}


def _version(revision: int | str | None) -> str | None:
    """Return the version of an icon: the revision of its record, which every change of the record increments."""
    return None if revision is None else str(revision)


def _absolute(icon: str | None, base_url: str) -> str | None:
    """Return the URL of an icon, whose path is relative to `/public` below the base URL."""
    if not icon or "://" in icon:
        return icon or None
    path = icon if icon.startswith("/") else f"/{icon}"
    return base_url + (path if path.startswith("/public/") else f"/public{path}")
