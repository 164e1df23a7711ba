"""The type `User`, which has the fields of all sources, and the types that only it uses."""

import strawberry

from gateway.api.graphql.schema.departments import DepartmentObject
from gateway.api.graphql.schema.fields import attribute, inner_id, is_record, picture_url, reference, source_id
from gateway.api.graphql.schema.nodes import NodeInterface
from gateway.api.graphql.schema.roles import RoleObject
from gateway.api.graphql.schema.scalars import DateTime, UserSource, UserStatus
from gateway.users import model

__all__ = ["OrganizationObject", "UserObject"]


@strawberry.type(name="PhoneNumber", description="A phone number.")
class PhoneNumberObject:
    prefix: str | None = attribute("The country code, for example `+34`.")
    number: str | None


@strawberry.type(
    name="PlatformUser",
    description=(
        "The user of the platform behind a user of the `account` source: one record for all accounts to which it was "
        "added. It has the name, the e-mail address, the user name and the picture that these accounts show."
    ),
)
class PlatformUserObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    created_at: DateTime | None = attribute("When it was first added to the platform.")
    updated_at: DateTime | None = attribute("When name, e-mail address, user name or picture last changed.")


@strawberry.type(name="UserSettings", description="The language settings of a user of the Marketplace.")
class UserSettingsObject:
    culture_code: str | None = attribute("For example `en-US`.")
    language_code: str | None


@strawberry.type(name="Actor", description="The user or API token that did something in the Marketplace.")
class ActorObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    name: str | None
    image_url: str | None = picture_url("The URL of a picture, as that of a user.")


@strawberry.type(name="MarketplaceAccount", description="A SoftwareOne Marketplace account that a user belongs to.")
class MarketplaceAccountObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    name: str | None
    type: str | None = attribute("For example `Client`, `Vendor` or `Operations`.")
    status: str | None
    image_url: str | None = picture_url("The URL of a picture, as that of a user.")


@strawberry.type(name="PostalAddress", description="The address of an organization.")
class PostalAddressObject:
    address_line1: str | None = attribute("The street and the number.")
    address_line2: str | None = attribute("More of the street address, for example a building or a floor.")
    city: str | None
    state: str | None
    country: str | None
    postal_code: str | None


@strawberry.type(name="Organization", description="A customer organization of a reseller.")
class OrganizationObject(NodeInterface):
    source_id: str = source_id()
    name: str | None
    email: str | None
    description: str | None
    allowed_users: int | None = attribute("How many users the organization may have; -1 means any number.")
    address: PostalAddressObject | None
    created_at: DateTime | None
    updated_at: DateTime | None

    is_type_of = is_record(model.Organization)


@strawberry.type(
    name="User",
    description=(
        "A user record of one source. A field that the source does not have is null; the descriptions name the sources "
        "that have a field, unless all have it."
    ),
)
class UserObject(NodeInterface):
    source: UserSource
    source_id: str = source_id()
    name: str | None
    first_name: str | None = attribute("Sources: `softwareone`, `reseller`.")
    last_name: str | None = attribute("Sources: `softwareone`, `reseller`.")
    email: str | None
    email_verified_at: DateTime | None = attribute("When the e-mail address was verified. Source: `account`.")
    username: str | None = attribute("Source: `account`.")
    image_url: str | None = picture_url(
        "The URL by which a browser can load the picture, without a credential. It expires after an hour or more, and "
        "is another one when the picture has changed. Sources: `account`, `softwareone`."
    )
    platform_user: PlatformUserObject | None = attribute(
        "The user of the platform behind this one, whose id and times differ. Source: `account`."
    )
    phone: PhoneNumberObject | None = attribute("Source: `softwareone`.")
    status: UserStatus | None = attribute(
        "The status in the vocabulary of this gateway; null for another status. Sources: `account`, `softwareone`."
    )
    source_status: str | None = attribute(
        "The status exactly as the source sent it. Sources: `account`, `softwareone`."
    )
    role: RoleObject | None = attribute("Sources: `account`, and `reseller`, where a role is a name only.")
    department: DepartmentObject | None = attribute("Source: `account`.")
    organization: OrganizationObject | None = reference(
        "organization", "Looked up in batches if the source sent only its id. Source: `reseller`."
    )
    company: str | None = attribute("Source: `reseller`.")
    accounts: list[MarketplaceAccountObject] | None = attribute(
        "The accounts of the user; null if the token of this gateway may not read them. Source: `softwareone`."
    )
    current_account: MarketplaceAccountObject | None = attribute(
        "The account in which the user works at the moment. Source: `softwareone`."
    )
    settings: UserSettingsObject | None = attribute("Source: `softwareone`.")
    two_factor_enabled: bool | None = attribute("Source: `reseller`.")
    google_sso_enabled: bool | None = attribute("Source: `reseller`.")
    last_active_at: DateTime | None = attribute("When the user last used the source.")
    invitation_accepted_at: DateTime | None = attribute("Source: `softwareone`.")
    created_at: DateTime | None
    updated_at: DateTime | None
    created_by: ActorObject | None = attribute("Source: `softwareone`.")
    updated_by: ActorObject | None = attribute("Source: `softwareone`.")
    omitted_fields: list[str] = attribute(
        "The fields that the source left out of its response, by the names of the source. Source: `softwareone`."
    )

    is_type_of = is_record(model.User)
