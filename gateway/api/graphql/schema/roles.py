"""Roles, and the accounts that provide them."""

import strawberry

from gateway.api.graphql.schema.fields import (
    CREATED,
    UPDATED,
    attribute,
    expansion,
    inner_id,
    is_record,
    source_id,
)
from gateway.api.graphql.schema.nodes import NodeInterface
from gateway.api.graphql.schema.scalars import DateTime, OwnerType, RoleType, UserSource
from gateway.users import model

__all__ = ["RoleObject"]


@strawberry.type(name="Geolocation", description="The street address of a billing or shipping address.")
class GeolocationObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    street_line1: str | None = attribute("The first line of the street address: street and number.")
    street_line2: str | None = attribute("The second line of the street address, such as a building or a floor.")
    locality: str | None = attribute("The city, town or village.")
    state: str | None = attribute("The state, province or other administrative area.")
    postal_code: str | None = attribute("The postal code, such as a ZIP code.")
    country: str | None = attribute("The country, by its two-letter code, for example `NL`.")
    created_at: DateTime | None = attribute(CREATED)
    updated_at: DateTime | None = attribute(UPDATED)


@strawberry.type(name="Address", description="A billing or shipping address of an account.")
class AddressObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    name: str = attribute("The name of the person or company at this address.")
    phone: str | None = attribute("The phone number of whoever receives mail or goods here.")
    email: str | None = attribute("The e-mail address of whoever receives mail or goods here.")
    is_drop_ship: bool | None = attribute("Whether goods are shipped to this address directly from a supplier.")
    geolocation: GeolocationObject | None = attribute("The street address; null if the source has none.")
    created_at: DateTime | None = attribute(CREATED)
    updated_at: DateTime | None = attribute(UPDATED)


@strawberry.type(name="Branding", description="How an account presents itself to its customers.")
class BrandingObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    support_email: str | None = attribute("The e-mail address for customers who need help.")
    phone_number: str | None = attribute("The phone number for customers who need help.")
    logo_url: str | None = attribute("The URL of the logo, exactly as the source sent it.")
    facebook_handle: str | None = attribute("The name of the account on Facebook.")
    instagram_handle: str | None = attribute("The name of the account on Instagram.")
    linkedin_handle: str | None = attribute("The name of the account on LinkedIn.")
    twitter_handle: str | None = attribute("The name of the account on X, formerly Twitter.")
    website_url: str | None = attribute("The URL of the website of the account.")
    created_at: DateTime | None = attribute(CREATED)
    updated_at: DateTime | None = attribute(UPDATED)


@strawberry.type(name="Portal", description="The customer portal of an account.")
class PortalObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    slug: str = attribute("The part of the portal's URL that names the account, for example `lovelace-looms`.")
    created_at: DateTime | None = attribute(CREATED)
    updated_at: DateTime | None = attribute(UPDATED)


@strawberry.type(
    name="Account",
    description=(
        "An account of OpenMRP: a company that works there, and that can provide roles to its users. Addresses, "
        "branding and portal are looked up in batches; they are null where the source has no endpoint that returns "
        "them."
    ),
)
class AccountObject(NodeInterface):
    source_id: str = source_id()
    name: str = attribute("The name of the account.")
    default_billing_address: AddressObject | None = expansion(
        "default_billing_address", "The address to which bills are sent."
    )
    default_shipping_address: AddressObject | None = expansion(
        "default_shipping_address", "The address to which goods are sent."
    )
    branding: BrandingObject | None = expansion("branding", "How the account presents itself to its customers.")
    portal: PortalObject | None = expansion("portal", "The portal for the customers of the account.")
    created_at: DateTime | None = attribute(CREATED)
    updated_at: DateTime | None = attribute(UPDATED)

    is_type_of = is_record(model.Account)


@strawberry.type(name="RoleOwner", description="Who provides a role: the platform or one account.")
class RoleOwnerObject:
    type: OwnerType = attribute("Whether the platform or one account provides the role.")
    account: AccountObject | None = attribute("The account that provides the role; null if the platform provides it.")


@strawberry.type(name="Role", description="A role: a set of permissions that says what a user may do in its source.")
class RoleObject(NodeInterface):
    source: UserSource = attribute("The source in which the role is stored.")
    source_id: str = attribute("The id of the role in its source. A role of `RESELLER` has its name as the id.")
    name: str = attribute("The name of the role, for example `Admin`.")
    type: RoleType | None = attribute(
        "The type in the vocabulary of this gateway. Null for a role of `RESELLER`, and for a type that the "
        "vocabulary does not have: see `sourceType`."
    )
    source_type: str | None = attribute("The type exactly as the source sent it. Only in `ACCOUNT`.")
    owner: RoleOwnerObject | None = expansion(
        "owner", "Who provides the role. Looked up in batches. Only in `ACCOUNT`."
    )
    permissions: list[str] | None = expansion(
        "permissions",
        "What the role allows, as `{domain}:{action}`. Looked up in batches if the source did not send it. Only in "
        "`ACCOUNT`.",
    )
    created_at: DateTime | None = attribute(CREATED)
    updated_at: DateTime | None = attribute(UPDATED)

    is_type_of = is_record(model.Role)
