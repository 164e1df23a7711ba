"""Roles and who owns them."""

import strawberry

from gateway.api.graphql.schema.fields import attribute, expansion, is_record
from gateway.api.graphql.schema.nodes import NodeInterface
from gateway.api.graphql.schema.scalars import DateTime, OwnerType, RoleType, UserSource
from gateway.users import model

__all__ = ["RoleObject"]


@strawberry.type(name="Geolocation")
class GeolocationObject:
    source_id: str
    street_line1: str | None = attribute("First line of the street address.")
    street_line2: str | None = attribute("Second line of the street address.")
    locality: str | None = attribute("City or locality.")
    state: str | None = attribute("State or administrative area.")
    postal_code: str | None
    country: str | None = attribute("Two-letter country code.")
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="Address")
class AddressObject:
    source_id: str
    name: str
    phone: str | None
    email: str | None
    is_drop_ship: bool | None = attribute("Whether goods are shipped here straight from a supplier.")
    geolocation: GeolocationObject | None
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="Branding")
class BrandingObject:
    source_id: str
    support_email: str | None
    phone_number: str | None
    logo_url: str | None
    facebook_handle: str | None
    instagram_handle: str | None
    linkedin_handle: str | None
    twitter_handle: str | None
    website_url: str | None
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="Portal")
class PortalObject:
    source_id: str
    slug: str
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="Account", description="The account that owns an account-owned role.")
class AccountObject:
    source_id: str
    name: str
    default_billing_address: AddressObject | None
    default_shipping_address: AddressObject | None
    branding: BrandingObject | None
    portal: PortalObject | None
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="RoleOwner", description="Who provides a role.")
class RoleOwnerObject:
    type: OwnerType
    account: AccountObject | None = attribute("The owning account; null where the platform owns the role.")


@strawberry.type(name="Role", description="What a user may do in a system.")
class RoleObject(NodeInterface):
    source: UserSource
    source_id: str = attribute("The id that the source uses; a reseller's role is its name.")
    name: str
    type: RoleType | None = attribute("Null for a reseller's role, and for a kind that this gateway has never met.")
    source_type: str | None = attribute("The source's own word for the kind, whatever it is.")
    owner: RoleOwnerObject | None = expansion("owner", "Who provides the role. Looked up in batches.")
    permissions: list[str] | None = expansion(
        "permissions",
        "What the role allows, as `{domain}:{action}`. Looked up in batches where the user came without.",
    )
    created_at: DateTime | None
    updated_at: DateTime | None

    is_type_of = is_record(model.Role)
