"""The JSON of the reseller source and its conversion to records."""

from typing import Annotated

from msgspec import Meta
from msgspec.structs import asdict, replace

from gateway.sources.http.json import CamelWire
from gateway.users import model
from gateway.users.model import Timestamp, UserSource

__all__ = ["ResellerWireOrganization", "ResellerWireUser"]


_MIN_INT, _MAX_INT = -(2**31), 2**31 - 1  # of the type Int of GraphQL


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
    allowed_users: Annotated[int, Meta(ge=_MIN_INT, le=_MAX_INT)] | None = None
    address: _PostalAddress | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

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


class _EmbeddedOrganization(ResellerWireOrganization, frozen=True):
    """The organization in the JSON of a user. A number that is out of range must not make the user invalid."""

    allowed_users: int | None = None

    @property
    def valid(self) -> bool:
        """Whether the organization would be valid if it were read by itself."""
        return self.allowed_users is None or _MIN_INT <= self.allowed_users <= _MAX_INT


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
    last_login_at: Timestamp | None = None
    organization_id: str | None = None
    organization: _EmbeddedOrganization | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self, tenant: str) -> model.User:
        """Return the user; `tenant` is the reseller."""
        organization: model.Organization | None = None
        organization_id = (self.organization and self.organization.id) or self.organization_id
        if organization_id and self.organization is not None and self.organization.valid:
            organization = replace(self.organization, id=organization_id).record(tenant)
        elif organization_id:
            organization = model.Organization(tenant, organization_id)  # a bare reference
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
