"""The records: immutable, with the same fields whichever source they were read from.

A field that a source does not have is None. Some fields are expansions: a source sends them only if a call includes
them. Records with such fields have `loaded`, the expansions whose values are valid, also if these are None or empty.
The module is longer than others because the records refer to one another, and readers find all of them in one file.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

__all__ = [
    "Account",
    "Actor",
    "Address",
    "Branding",
    "Department",
    "Geolocation",
    "Listed",
    "Location",
    "Machine",
    "MarketplaceAccount",
    "Organization",
    "OwnerType",
    "PhoneNumber",
    "PlatformUser",
    "Portal",
    "PostalAddress",
    "ProductionStep",
    "Record",
    "Role",
    "RoleOwner",
    "RoleType",
    "ScanningStation",
    "Timestamp",
    "User",
    "UserChange",
    "UserSettings",
    "UserSource",
    "UserStatus",
]

T = TypeVar("T")


class UserSource(StrEnum):
    """The sources of users."""

    ACCOUNT = "account"
    SOFTWAREONE = "softwareone"
    RESELLER = "reseller"


class UserStatus(StrEnum):
    """The status of a user, the same for all sources; `User.source_status` has the value that the source sent."""

    NEW = "new"
    INVITED = "invited"
    INVITATION_EXPIRED = "invitation_expired"
    ACTIVE = "active"
    BLOCKED = "blocked"
    DISABLED = "disabled"
    REMOVED = "removed"


class UserChange(StrEnum):
    """The kinds of event of a user."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class RoleType(StrEnum):
    """The known types of a role of the account source; `Role.source_type` has every value, also unknown ones."""

    ADMIN = "admin"
    USER = "user"
    SCANNER = "scanner"
    SALES_REP = "sales_rep"
    AGENT = "agent"


class OwnerType(StrEnum):
    """The owner of a role: the platform or the account."""

    SYSTEM = "system"
    ACCOUNT = "account"


class Timestamp(str):
    """An instant in RFC 3339 exactly as the source sent it, with its offset and all fractional digits."""

    __slots__ = ()

    def instant(self) -> datetime:
        """Return the instant as an aware datetime, truncated to microseconds; no offset means UTC."""
        moment = datetime.fromisoformat(self.upper())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Record(msgspec.Struct, frozen=True, gc=False):
    """An immutable object built from the JSON of a source.

    A msgspec struct, because thousands are created at once and a frozen dataclass makes a call for each field
    (docs/decisions/msgspec-records.md). Without garbage collection, because records contain no reference cycles.
    """


class Listed(Record, Generic[T], frozen=True):
    """A list inside another record: the items that the source sent, and whether there are more.

    The cursors are those of the source: where the list continues in its API, None at the ends.
    """

    nodes: tuple[T, ...]
    has_next_page: bool = False
    has_previous_page: bool = False
    next_cursor: str | None = None
    previous_cursor: str | None = None


class PhoneNumber(Record, frozen=True):
    prefix: str | None = None
    number: str | None = None


class UserSettings(Record, frozen=True):
    culture_code: str | None = None
    language_code: str | None = None


class Actor(Record, frozen=True):
    """The user or API token of SoftwareOne that did something. For `image_url` see `User`."""

    source_id: str
    name: str | None = None
    image_url: str | None = None
    image_version: str | None = None


class MarketplaceAccount(Record, frozen=True):
    """A SoftwareOne Marketplace account that a user belongs to. For `image_url` see `User`."""

    source_id: str
    name: str | None = None
    type: str | None = None
    status: str | None = None
    image_url: str | None = None
    image_version: str | None = None


class Geolocation(Record, frozen=True):
    source_id: str
    street_line1: str | None = None
    street_line2: str | None = None
    locality: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class Address(Record, frozen=True):
    source_id: str
    name: str
    phone: str | None = None
    email: str | None = None
    is_drop_ship: bool | None = None
    geolocation: Geolocation | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class Branding(Record, frozen=True):
    source_id: str
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


class Portal(Record, frozen=True):
    source_id: str
    slug: str
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class Account(Record, frozen=True):
    """The account to which a role of `OwnerType.ACCOUNT` belongs.

    `loaded` can have `default_billing_address`, `default_shipping_address`, `branding` and `portal`.
    """

    source_id: str
    name: str
    default_billing_address: Address | None = None
    default_shipping_address: Address | None = None
    branding: Branding | None = None
    portal: Portal | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    loaded: frozenset[str] = frozenset()


class RoleOwner(Record, frozen=True):
    type: OwnerType
    account: Account | None = None


class Role(Record, frozen=True):
    """The role of a user, with its permissions. `loaded` can have `owner`, `owner.account` and `permissions`."""

    source: UserSource
    source_id: str
    name: str
    type: RoleType | None = None
    source_type: str | None = None
    owner: RoleOwner | None = None
    permissions: tuple[str, ...] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    loaded: frozenset[str] = frozenset()

    @classmethod
    def named(cls, source: UserSource, name: str) -> "Role":
        """Return a role that consists of its name, as in the reseller source: nothing can be looked up."""
        return cls(source, name, name, loaded=frozenset({"owner", "owner.account", "permissions"}))


class Location(Record, frozen=True):
    """A building, or a part of one. `loaded` can have all fields but the id, the name and the type."""

    source_id: str
    name: str
    type: str
    parent: "Location | None" = None
    children: "Listed[Location] | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    loaded: frozenset[str] = frozenset()


class Machine(Record, frozen=True):
    """A machine of a department. `loaded` can have all fields but the id and the name."""

    source_id: str
    name: str
    serial_number: str | None = None
    notes: str | None = None
    department: "Department | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    loaded: frozenset[str] = frozenset()


class ProductionStep(Record, frozen=True):
    """A step of production. Rates and quantities are JSON as the source sent it, which documents no structure.

    `loaded` can have all fields but the id and the name.
    """

    source_id: str
    name: str
    notes: str | None = None
    leveling_factor: str | None = None
    allowances: str | None = None
    labor_rate: Any = None
    labor_time: Any = None
    overhead_rate: Any = None
    production: Any = None
    consumptions: Any = None
    machines: tuple[Machine, ...] | None = None
    scanning_station: "ScanningStation | None" = None
    in_steps: "tuple[ProductionStep, ...] | None" = None
    out_steps: "tuple[ProductionStep, ...] | None" = None
    department: "Department | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    loaded: frozenset[str] = frozenset()


class ScanningStation(Record, frozen=True):
    """A station at which batches are scanned. `loaded` can have all fields but the id and the name."""

    source_id: str
    name: str
    type: str
    notes: str | None = None
    label_size: str | None = None
    label_type: str | None = None
    material_check_required: bool | None = None
    department: "Department | None" = None
    production_steps: Listed[ProductionStep] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    loaded: frozenset[str] = frozenset()


class Department(Record, frozen=True):
    """The department of a user. `loaded` can have all fields but the id and the name.

    Without a name, it is a bare reference.
    """

    source_id: str
    name: str | None = None
    notes: str | None = None
    location: Location | None = None
    scanning_stations: Listed[ScanningStation] | None = None
    machines: Listed[Machine] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    loaded: frozenset[str] = frozenset()


class PlatformUser(Record, frozen=True):
    """The user of the platform behind a user of the account source: one for all accounts to which it was added."""

    source_id: str
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class PostalAddress(Record, frozen=True):
    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    postal_code: str | None = None


class Organization(Record, frozen=True):
    """A customer organization of a reseller; `tenant` is the reseller's id.

    Without a name, it is a bare reference.
    """

    tenant: str
    source_id: str
    name: str | None = None
    email: str | None = None
    description: str | None = None
    allowed_users: int | None = None
    address: PostalAddress | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class User(Record, frozen=True):
    """A user of one source; `tenant` is the reseller's id, empty in the other sources.

    `image_url` is where the source has the picture: a URL that may require the credential of the source, or a path
    below its base URL. `image_version` changes when the picture does; None: the source sends nothing like that.
    """

    source: UserSource
    source_id: str
    tenant: str = ""
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    email_verified_at: Timestamp | None = None
    username: str | None = None
    image_url: str | None = None
    platform_user: PlatformUser | None = None
    phone: PhoneNumber | None = None
    status: UserStatus | None = None
    source_status: str | None = None
    role: Role | None = None
    department: Department | None = None
    organization: Organization | None = None
    company: str | None = None
    accounts: tuple[MarketplaceAccount, ...] | None = None
    current_account: MarketplaceAccount | None = None
    settings: UserSettings | None = None
    two_factor_enabled: bool | None = None
    google_sso_enabled: bool | None = None
    last_active_at: Timestamp | None = None
    invitation_accepted_at: Timestamp | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_by: Actor | None = None
    updated_by: Actor | None = None
    omitted_fields: tuple[str, ...] = ()
    image_version: str | None = None
