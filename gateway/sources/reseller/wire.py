"""The reseller API's JSON and what it means."""

from typing import Annotated

from msgspec import Meta
from msgspec.structs import asdict, replace

from gateway.sources.http.json import CamelWire, Instant
from gateway.users import model
from gateway.users.model import UserSource

__all__ = ["ResellerWireOrganization", "ResellerWireUser"]


_LEAST, _MOST = -(2**31), 2**31 - 1  # what the schema's Int has room for


class _PostalAddress(CamelWire, frozen=True):
    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    postal_code: str | None = None

    def record(self) -> model.PostalAddress:
        return model.PostalAddress(**asdict(self))


class ResellerWireOrganization(CamelWire, frozen=True):
    id: str | None = None
    name: str | None = None
    email: str | None = None
    description: str | None = None
    allowed_users: Annotated[int, Meta(ge=_LEAST, le=_MOST)] | None = None
    address: _PostalAddress | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self, tenant: str) -> model.Organization:
        return model.Organization(
            tenant,
            self.id or "",
            self.name,
            self.email,
            self.description,
            self.allowed_users,
            self.address.record() if self.address else None,
            self.created_at,
            self.updated_at,
        )


class _Within(ResellerWireOrganization, frozen=True):
    """An organization as it comes with its users, whom none of its numbers makes unreadable."""

    allowed_users: int | None = None

    @property
    def readable(self) -> bool:
        """Whether it would also be read by itself."""
        return self.allowed_users is None or _LEAST <= self.allowed_users <= _MOST


class ResellerWireUser(CamelWire, frozen=True):
    id: str
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    role: str | None = None
    company: str | None = None
    two_factor_enabled: bool | None = None
    google_sso_enabled: bool | None = None
    last_login_at: Instant | None = None
    organization_id: str | None = None
    organization: _Within | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self, tenant: str) -> model.User:
        """The user of that reseller."""
        organization: model.Organization | None = None
        own = (self.organization and self.organization.id) or self.organization_id
        if own and self.organization is not None and self.organization.readable:
            organization = replace(self.organization, id=own).record(tenant)
        elif own:
            organization = model.Organization(tenant, own)  # a bare reference: it is looked up where it is wanted
        return model.User(
            UserSource.RESELLER,
            self.id,
            tenant,
            name=self.name,
            first_name=self.first_name,
            last_name=self.last_name,
            email=self.email,
            role=model.Role.named(UserSource.RESELLER, self.role) if self.role else None,
            organization=organization,
            company=self.company,
            two_factor_enabled=self.two_factor_enabled,
            google_sso_enabled=self.google_sso_enabled,
            last_active_at=self.last_login_at,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )
