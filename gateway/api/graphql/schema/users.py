"""The type `User`, which has the fields of all sources, and the types that only it uses."""

import strawberry

from gateway.api.graphql.schema.departments import DepartmentObject
from gateway.api.graphql.schema.fields import (
    CREATED,
    UPDATED,
    attribute,
    inner_id,
    is_record,
    picture_url,
    reference,
    source_id,
)
from gateway.api.graphql.schema.nodes import NodeInterface
from gateway.api.graphql.schema.roles import RoleObject
from gateway.api.graphql.schema.scalars import DateTime, UserSource, UserStatus
from gateway.users import model

__all__ = ["OrganizationObject", "UserObject"]


@strawberry.type(name="PhoneNumber", description="The phone number of a user of the Marketplace, in two parts.")
class PhoneNumberObject:
    prefix: str | None = attribute("The country code, for example `+34`.")
    number: str | None = attribute("The number without the country code.")


@strawberry.type(
    name="PlatformUser",
    description=(
        "The user of the platform behind a user of the `ACCOUNT` source: one record for all accounts to which it was "
        "added. It has the name, the e-mail address, the user name and the picture that these accounts show."
    ),
)
class PlatformUserObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    created_at: DateTime | None = attribute("When the user was first added to the platform.")
    updated_at: DateTime | None = attribute(
        "When the name, e-mail address, user name or picture of the user last changed."
    )


@strawberry.type(name="UserSettings", description="The language settings of a user of the Marketplace.")
class UserSettingsObject:
    culture_code: str | None = attribute("How numbers and dates are written, for example `en-US`.")
    language_code: str | None = attribute("The language of texts, for example `en-US`.")


@strawberry.type(name="Actor", description="A user or API token of the Marketplace, as the one that did something.")
class ActorObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    name: str | None = attribute("The name of the user or API token.")
    image_url: str | None = picture_url("The URL of the picture, as that of a user.")


@strawberry.type(name="MarketplaceAccount", description="A SoftwareOne Marketplace account that a user belongs to.")
class MarketplaceAccountObject:
    id: strawberry.ID = inner_id()
    source_id: str = source_id()
    name: str | None = attribute("The name of the account.")
    type: str | None = attribute("What the account is, for example `Client`, `Vendor` or `Operations`.")
    status: str | None = attribute("The status of the account, for example `Active` or `Disabled`.")
    image_url: str | None = picture_url("The URL of the picture of the account, as that of a user.")


@strawberry.type(name="PostalAddress", description="The postal address of a customer organization.")
class PostalAddressObject:
    address_line1: str | None = attribute("The street and the number of the house.")
    address_line2: str | None = attribute("More of the street address, for example a building or a floor.")
    city: str | None = attribute("The city, town or village.")
    state: str | None = attribute("The state, province or other administrative area.")
    country: str | None = attribute("The country, as the source spells it.")
    postal_code: str | None = attribute("The postal code, such as a ZIP code.")


@strawberry.type(
    name="Organization",
    description="A customer organization of a reseller. Its users are users of the `RESELLER` source.",
)
class OrganizationObject(NodeInterface):
    source_id: str = source_id()
    name: str | None = attribute("The name of the organization.")
    email: str | None = attribute("The e-mail address of the organization.")
    description: str | None = attribute("What the reseller noted about the organization.")
    allowed_users: int | None = attribute("How many users the organization may have; -1 means any number.")
    address: PostalAddressObject | None = attribute("The postal address; null if the source has none.")
    created_at: DateTime | None = attribute(CREATED)
    updated_at: DateTime | None = attribute(UPDATED)

    is_type_of = is_record(model.Organization)


@strawberry.type(
    name="User",
    description=(
        "One user in one source. A person who is in several sources has one user in each: see `Query.person`. "
        "A field that a source does not have is null there: descriptions name the sources that have the field, as "
        "in `Only in ACCOUNT`, unless all of them have it."
    ),
)
class UserObject(NodeInterface):
    source: UserSource = attribute("The source in which the user is stored.")
    source_id: str = source_id()
    name: str | None = attribute("The full name; null if the source has none for this user.")
    first_name: str | None = attribute("The first name of the user. Only in `SOFTWAREONE` and `RESELLER`.")
    last_name: str | None = attribute("The last name of the user. Only in `SOFTWAREONE` and `RESELLER`.")
    email: str | None = attribute("The e-mail address; null for scanning-station users, who sign in by user name.")
    email_verified_at: DateTime | None = attribute("When the e-mail address was verified. Only in `ACCOUNT`.")
    username: str | None = attribute("The user name, with which a scanning-station user signs in. Only in `ACCOUNT`.")
    image_url: str | None = picture_url(
        "The URL by which a browser can load the picture, without a credential. It expires after an hour or more, and "
        "is another one when the picture has changed. Only in `ACCOUNT` and `SOFTWAREONE`."
    )
    platform_user: PlatformUserObject | None = attribute(
        "The user of the platform behind this one, whose id and times differ. Only in `ACCOUNT`."
    )
    phone: PhoneNumberObject | None = attribute("The phone number of the user. Only in `SOFTWAREONE`.")
    status: UserStatus | None = attribute(
        "The status in the vocabulary of this gateway; null for a status that the vocabulary does not have. Only in "
        "`ACCOUNT` and `SOFTWAREONE`."
    )
    source_status: str | None = attribute(
        "The status exactly as the source sent it. Only in `ACCOUNT` and `SOFTWAREONE`."
    )
    role: RoleObject | None = attribute(
        "The role of the user: what the user may do. Only in `ACCOUNT`, and in `RESELLER`, where a role is a name only."
    )
    department: DepartmentObject | None = attribute("The department in which the user works. Only in `ACCOUNT`.")
    organization: OrganizationObject | None = reference(
        "organization",
        "The customer organization of the user. Looked up in batches if the source sent only its id. Only in "
        "`RESELLER`.",
    )
    company: str | None = attribute("The company of the user, as free text. Only in `RESELLER`.")
    accounts: list[MarketplaceAccountObject] | None = attribute(
        "The accounts that the user belongs to; null if the token of this gateway may not read them. Only in "
        "`SOFTWAREONE`."
    )
    current_account: MarketplaceAccountObject | None = attribute(
        "The account in which the user works at the moment. Only in `SOFTWAREONE`."
    )
    settings: UserSettingsObject | None = attribute("The language settings of the user. Only in `SOFTWAREONE`.")
    two_factor_enabled: bool | None = attribute("Whether the user signs in with a second factor. Only in `RESELLER`.")
    google_sso_enabled: bool | None = attribute(
        "Whether the user signs in with an account of Google. Only in `RESELLER`."
    )
    last_active_at: DateTime | None = attribute("When the user last used the source.")
    invitation_accepted_at: DateTime | None = attribute(
        "When the user accepted the invitation to the Marketplace. Only in `SOFTWAREONE`."
    )
    created_at: DateTime | None = attribute(CREATED)
    updated_at: DateTime | None = attribute(UPDATED)
    created_by: ActorObject | None = attribute("Who created the user. Only in `SOFTWAREONE`.")
    updated_by: ActorObject | None = attribute("Who last changed the user. Only in `SOFTWAREONE`.")
    omitted_fields: list[str] = attribute(
        "The fields that the source left out of its response, by the names of the source: null there does not mean "
        "that there is no value. Only in `SOFTWAREONE`; empty elsewhere."
    )

    is_type_of = is_record(model.User)
