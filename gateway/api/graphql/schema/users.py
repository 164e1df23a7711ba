"""The one User type."""

import strawberry

from gateway.api.graphql.schema.departments import DepartmentObject
from gateway.api.graphql.schema.fields import attribute, is_record, reference
from gateway.api.graphql.schema.nodes import NodeInterface
from gateway.api.graphql.schema.roles import RoleObject
from gateway.api.graphql.schema.scalars import DateTime, UserSource, UserStatus
from gateway.users import model

__all__ = ["OrganizationObject", "UserObject"]


@strawberry.type(name="PhoneNumber")
class PhoneNumberObject:
    prefix: str | None = attribute("Country code, e.g. `+34`.")
    number: str | None


@strawberry.type(name="UserSettings")
class UserSettingsObject:
    culture_code: str | None = attribute("e.g. `en-US`.")
    language_code: str | None


@strawberry.type(name="Actor", description="Who did something in the Marketplace: a user or a token.")
class ActorObject:
    source_id: str
    name: str | None
    image_url: str | None


@strawberry.type(name="MarketplaceAccount", description="A SoftwareOne Marketplace account that a user belongs to.")
class MarketplaceAccountObject:
    source_id: str
    name: str | None
    type: str | None = attribute("Client, Vendor, Operations, …")
    status: str | None
    image_url: str | None


@strawberry.type(name="PostalAddress")
class PostalAddressObject:
    address_line1: str | None = attribute("Street and number.")
    address_line2: str | None = attribute("What does not fit the first line.")
    city: str | None
    state: str | None
    country: str | None
    postal_code: str | None


@strawberry.type(name="Organization", description="A customer organization of a reseller.")
class OrganizationObject(NodeInterface):
    source_id: str
    name: str | None
    email: str | None
    description: str | None
    allowed_users: int | None = attribute("How many users it may have; -1 means any number.")
    address: PostalAddressObject | None
    created_at: DateTime | None
    updated_at: DateTime | None

    is_type_of = is_record(model.Organization)


@strawberry.type(
    name="User",
    description="A user record in one of the three systems. A field that its system has no notion of is null.",
)
class UserObject(NodeInterface):
    source: UserSource
    source_id: str = attribute("The id that the source system uses.")
    name: str | None
    first_name: str | None = attribute("softwareone, reseller")
    last_name: str | None = attribute("softwareone, reseller")
    email: str | None
    email_verified_at: DateTime | None = attribute("account")
    username: str | None = attribute("account")
    image_url: str | None = attribute("account, softwareone. The account system's changes with every answer.")
    phone: PhoneNumberObject | None = attribute("softwareone")
    status: UserStatus | None
    source_status: str | None = attribute("The status in the source's own word, also one this gateway has never met.")
    role: RoleObject | None = attribute("account; reseller: a name only")
    department: DepartmentObject | None = attribute("account")
    organization: OrganizationObject | None = reference("organization", "reseller")
    company: str | None = attribute("reseller")
    accounts: list[MarketplaceAccountObject] | None = attribute(
        "softwareone: the memberships; null where this gateway's token may not see them."
    )
    current_account: MarketplaceAccountObject | None = attribute("softwareone: the account worked in at the moment")
    settings: UserSettingsObject | None = attribute("softwareone")
    two_factor_enabled: bool | None = attribute("reseller")
    google_sso_enabled: bool | None = attribute("reseller")
    last_active_at: DateTime | None = attribute("When the user last used the system.")
    invitation_accepted_at: DateTime | None = attribute("softwareone")
    created_at: DateTime | None
    updated_at: DateTime | None
    created_by: ActorObject | None = attribute("softwareone")
    updated_by: ActorObject | None = attribute("softwareone")
    omitted_fields: list[str] = attribute("softwareone: what the source left out of this answer, in its own words.")

    is_type_of = is_record(model.User)
