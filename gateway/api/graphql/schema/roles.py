"""Roles, and the accounts that provide them."""

import strawberry

from gateway.api.graphql.schema.fields import attribute, expansion, inner_id, is_record, source_id
from gateway.api.graphql.schema.nodes import NodeInterface
from gateway.api.graphql.schema.scalars import DateTime, OwnerType, RoleType, UserSource
from gateway.users import model

__all__ = ["RoleObject"]


@strawberry.type(name="Geolocation", description="A street address.")
class GeolocationObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    street_line1: str | None = attribute("First line of the street address.")
    street_line2: str | None = attribute("Second line of the street address.")
    locality: str | None = attribute("City or locality.")
    state: str | None = attribute("State or administrative area.")
    postal_code: str | None
    country: str | None = attribute("Two-letter country code.")
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="Address", description="A billing or shipping address of an account.")
class AddressObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    name: str
    phone: str | None
    email: str | None
    is_drop_ship: bool | None = attribute("Whether goods are shipped to this address directly from a supplier.")
    geolocation: GeolocationObject | None
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="Branding", description="How an account presents itself to its customers.")
class BrandingObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
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


@strawberry.type(name="Portal", description="The customer portal of an account.")
class PortalObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    slug: str
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(
    name="Account",
    description=(
        "An account that provides a role. Addresses, branding and portal are looked up in batches; they are null where "
        "the source has no endpoint that returns them."
    ),
)
class AccountObject(NodeInterface):
    source_id: str = source_id()
    name: str
    default_billing_address: AddressObject | None = expansion(
        "default_billing_address", "The address to which bills are sent."
    )
    default_shipping_address: AddressObject | None = expansion(
        "default_shipping_address", "The address to which goods are sent."
    )
    branding: BrandingObject | None = expansion("branding", "How the account presents itself to its customers.")
    portal: PortalObject | None = expansion("portal", "The portal for the customers of the account.")
    created_at: DateTime | None
    updated_at: DateTime | None

    is_type_of = is_record(model.Account)


@strawberry.type(name="RoleOwner", description="The provider of a role.")
class RoleOwnerObject:
    type: OwnerType
    account: AccountObject | None = attribute("The account that provides the role; null if the platform provides it.")


@strawberry.type(name="Role", description="A role: what a user may do in its source.")
class RoleObject(NodeInterface):
    source: UserSource
    source_id: str = attribute("The id of the role in its source. A role of `reseller` has its name as the id.")
    name: str
    type: RoleType | None = attribute(
        "Null for a role of `reseller`, and for a type that is not in the enum; see `sourceType`."
    )
    source_type: str | None = attribute("The type exactly as the source sent it.")
    owner: RoleOwnerObject | None = expansion("owner", "The provider of the role. Looked up in batches.")
    permissions: list[str] | None = expansion(
        "permissions",
        "What the role allows, as `{domain}:{action}`. Looked up in batches if the source did not send it.",
    )
    created_at: DateTime | None
    updated_at: DateTime | None

    is_type_of = is_record(model.Role)
