"""The owner of a role of the account source as JSON: the platform, or an account with its addresses."""

from gateway.sources.account.listing import common_fields, to_record
from gateway.sources.http.json import Wire
from gateway.users import model
from gateway.users.model import Timestamp

__all__ = ["ACCOUNT_INCLUDES", "AccountWireAccount", "Owner"]

ACCOUNT_INCLUDES = ("default_billing_address", "default_shipping_address", "branding", "portal")
"""The names that `include[]` takes at the endpoint of accounts."""


class _Geolocation(Wire, frozen=True):
    id: str | None = None
    street_line_1: str | None = None
    street_line_2: str | None = None
    locality: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self) -> model.Geolocation:
        lines = {"street_line1": self.street_line_1, "street_line2": self.street_line_2}
        return model.Geolocation(self.id or "", **common_fields(self, "street_line_1", "street_line_2", **lines))


class _Address(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    is_drop_ship: bool | None = None
    type: str | None = None
    geolocation: _Geolocation | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self) -> model.Address:
        # API v0.47.0 has `type` instead. Its values are not all documented, so only the known one is read.
        drop_ship = True if self.is_drop_ship is None and self.type == "drop_ship" else self.is_drop_ship
        fields = common_fields(
            self, "type", name=self.name or "", is_drop_ship=drop_ship, geolocation=to_record(self.geolocation)
        )
        return model.Address(self.id or "", **fields)


class _Branding(Wire, frozen=True):
    id: str | None = None
    support_email: str | None = None
    phone_number: str | None = None
    logo_url: str | None = None
    facebook_handle: str | None = None
    instagram_handle: str | None = None
    linkedin_handle: str | None = None
    twitter_handle: str | None = None
    website_url: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self) -> model.Branding:
        return model.Branding(self.id or "", **common_fields(self))


class _Portal(Wire, frozen=True):
    id: str | None = None
    slug: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self) -> model.Portal:
        return model.Portal(self.id or "", **common_fields(self, slug=self.slug or ""))


class AccountWireAccount(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    default_billing_address: _Address | None = None
    default_shipping_address: _Address | None = None
    branding: _Branding | None = None
    portal: _Portal | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self, included: frozenset[str] = frozenset()) -> model.Account:
        """Return the account. A field that `included` names was requested, so null there means that it is empty."""
        records = {name: to_record(getattr(self, name)) for name in ACCOUNT_INCLUDES}
        loaded = included | {name for name, record in records.items() if record is not None}
        return model.Account(self.id or "", **common_fields(self, name=self.name or "", **records, loaded=loaded))


class Owner(Wire, frozen=True):
    type: str | None = None
    account: AccountWireAccount | None = None

    def record(self) -> model.RoleOwner:
        # If the type is neither of the two, the account decides: only an owner that is an account has one.
        default = model.OwnerType.ACCOUNT if self.account else model.OwnerType.SYSTEM
        return model.RoleOwner(_TYPES.get(self.type or "", default), to_record(self.account))


_TYPES = {owner.value: owner for owner in model.OwnerType}
