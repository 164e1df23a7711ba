"""The Marketplace's JSON and what it means. Null fields are absent there; omitted ones are named in `$meta`."""

from typing import Any

from msgspec import field

from gateway.sources.http.json import CamelWire, Instant, Wire
from gateway.users import model
from gateway.users.model import UserSource, UserStatus

__all__ = ["MarketplaceWireUser", "MarketplaceWireUsers"]


class Meta(Wire, frozen=True):
    omitted: list[str] | None = None


class _Actor(CamelWire, frozen=True):
    id: str | None = None
    name: str | None = None
    icon: str | None = None

    def record(self, base_url: str) -> model.Actor:
        return model.Actor(self.id or "", self.name, _absolute(self.icon, base_url))


class _Event(CamelWire, frozen=True):
    at: Instant | None = None
    by: _Actor | None = None


class Audit(CamelWire, frozen=True):
    created: _Event | None = None
    updated: _Event | None = None
    invitation_accepted_at: Instant | None = None


class _Account(CamelWire, frozen=True):
    id: str | None = None
    name: str | None = None
    type: str | None = None
    status: str | None = None
    icon: str | None = None

    def record(self, base_url: str) -> model.MarketplaceAccount:
        return model.MarketplaceAccount(
            self.id or "", self.name, self.type, self.status, _absolute(self.icon, base_url)
        )


class Phone(CamelWire, frozen=True):
    prefix: str | None = None
    number: str | None = None


class _Settings(CamelWire, frozen=True):
    culture_code: str | None = None
    language_code: str | None = None


class MarketplaceWireUser(CamelWire, frozen=True):
    id: str
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    status: str | None = None
    icon: str | None = None
    phone: Phone | None = None
    settings: _Settings | None = None
    last_login_at: Instant | None = None
    accounts: list[_Account] | None = None
    current_account: _Account | None = None
    audit: Audit | None = None
    meta: Meta | None = field(default=None, name="$meta")

    def record(self, base_url: str, omitted: tuple[str, ...] = ()) -> model.User:
        """The user; pictures get their absolute URL, `omitted` is what the whole list left out."""
        audit = self.audit or Audit()
        created, updated = audit.created or _Event(), audit.updated or _Event()
        said = self.meta.omitted if self.meta else None
        own = omitted if said is None else tuple(said)
        fields: dict[str, Any] = {
            "name": self.name,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "image_url": _absolute(self.icon, base_url),
            "phone": model.PhoneNumber(self.phone.prefix, self.phone.number) if self.phone else None,
            "status": _STATUS.get("".join(filter(str.isalpha, self.status or "")).lower()),
            "source_status": self.status,
            "accounts": None if self.accounts is None else tuple(one.record(base_url) for one in self.accounts),
            "current_account": self.current_account.record(base_url) if self.current_account else None,
            "settings": self.settings and model.UserSettings(self.settings.culture_code, self.settings.language_code),
            "last_active_at": self.last_login_at,
            "invitation_accepted_at": audit.invitation_accepted_at,
            "created_at": created.at,
            "updated_at": updated.at,
            "created_by": created.by.record(base_url) if created.by else None,
            "updated_by": updated.by.record(base_url) if updated.by else None,
        }
        return model.User(UserSource.SOFTWAREONE, self.id, omitted_fields=own, **fields)


class Pagination(Wire, frozen=True):
    offset: int | None = None
    limit: int | None = None
    total: int | None = None


class ListMeta(Meta, frozen=True):
    pagination: Pagination | None = None


class MarketplaceWireUsers(Wire, frozen=True):
    """A list of users, with what it left out of each and where it stands."""

    data: list[MarketplaceWireUser]
    meta: ListMeta | None = field(default=None, name="$meta")

    def goes_on(self, start: int, asked: int) -> bool:
        """Whether there are more behind these; a page may be smaller than was asked for.

        Without a total, a page that is shorter than the source's own limit is the last one.
        """
        pages = (self.meta and self.meta.pagination) or Pagination()
        if not self.data or pages.total is None:
            return bool(self.data) and len(self.data) >= (pages.limit or asked)
        return start + len(self.data) < pages.total


_STATUS = {  # softwareone.md, 2.5; the documents write some with a space
    "new": UserStatus.NEW,
    "invited": UserStatus.INVITED,
    "invitationexpired": UserStatus.INVITATION_EXPIRED,
    "active": UserStatus.ACTIVE,
    "blocked": UserStatus.BLOCKED,
    "disabled": UserStatus.DISABLED,
    "deleted": UserStatus.REMOVED,
}


def _absolute(icon: str | None, base_url: str) -> str | None:
    """Pictures are named relative to `/public`, below the base URL."""
    if not icon or "://" in icon:
        return icon or None
    path = icon if icon.startswith("/") else f"/{icon}"
    return base_url + (path if path.startswith("/public/") else f"/public{path}")
