"""Who owns a role, in the identity API's JSON: the platform, or an account with its addresses."""

from gateway.sources.account.listing import record_of, same
from gateway.sources.http.json import Instant, Wire
from gateway.users import model

__all__ = ["Owner"]


class _Geolocation(Wire, frozen=True):
    id: str | None = None
    street_line_1: str | None = None
    street_line_2: str | None = None
    locality: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self) -> model.Geolocation:
        lines = {"street_line1": self.street_line_1, "street_line2": self.street_line_2}
        return model.Geolocation(self.id or "", **same(self, "street_line_1", "street_line_2", **lines))


class _Address(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    is_drop_ship: bool | None = None
    type: str | None = None
    geolocation: _Geolocation | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self) -> model.Address:
        # A later version says the same as a type; its words are open, so only the known one is read.
        drop_ship = True if self.is_drop_ship is None and self.type == "drop_ship" else self.is_drop_ship
        fields = same(
            self, "type", name=self.name or "", is_drop_ship=drop_ship, geolocation=record_of(self.geolocation)
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
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self) -> model.Branding:
        return model.Branding(self.id or "", **same(self))


class _Portal(Wire, frozen=True):
    id: str | None = None
    slug: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self) -> model.Portal:
        return model.Portal(self.id or "", **same(self, slug=self.slug or ""))


class _Account(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    default_billing_address: _Address | None = None
    default_shipping_address: _Address | None = None
    branding: _Branding | None = None
    portal: _Portal | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self) -> model.Account:
        nested = ("default_billing_address", "default_shipping_address", "branding", "portal")
        records = {name: record_of(getattr(self, name)) for name in nested}
        return model.Account(self.id or "", **same(self, name=self.name or "", **records))


class Owner(Wire, frozen=True):
    type: str | None = None
    account: _Account | None = None

    def record(self) -> model.RoleOwner:
        # Another word than the two is possible; an owner that is an account shows one.
        seen = model.OwnerType.ACCOUNT if self.account else model.OwnerType.SYSTEM
        return model.RoleOwner(_TYPES.get(self.type or "", seen), record_of(self.account))


_TYPES = {owner.value: owner for owner in model.OwnerType}
