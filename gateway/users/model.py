"""What a user is, in one vocabulary for the three systems: plain, frozen records.

A field that a source has no notion of is None. Records that a source delivers in part carry
`loaded`: the expandable fields whose value here can be trusted, also when it is None or empty.
Longer than most files here: it is the whole vocabulary, and reads best in one place.
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
    """Where a user record lives."""

    ACCOUNT = "account"
    SOFTWAREONE = "softwareone"
    RESELLER = "reseller"


class UserStatus(StrEnum):
    """One vocabulary for three; the source's own word is in `User.source_status`."""

    NEW = "new"
    INVITED = "invited"
    INVITATION_EXPIRED = "invitation_expired"
    ACTIVE = "active"
    BLOCKED = "blocked"
    DISABLED = "disabled"
    REMOVED = "removed"


class UserChange(StrEnum):
    """What happened to a user."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class RoleType(StrEnum):
    """The kinds of account role that this gateway knows; another word is kept in `Role.source_type`."""

    ADMIN = "admin"
    USER = "user"
    SCANNER = "scanner"
    SALES_REP = "sales_rep"
    AGENT = "agent"


class OwnerType(StrEnum):
    """Who provides a role: the platform or the account."""

    SYSTEM = "system"
    ACCOUNT = "account"


class Timestamp(str):
    """An RFC 3339 instant exactly as the source wrote it: its offset and all its fractional digits."""

    __slots__ = ()

    def instant(self) -> datetime:
        """The moment as an aware datetime, cut to microseconds; no offset means UTC."""
        moment = datetime.fromisoformat(self.upper())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# Made by the thousand, and at once: a frozen dataclass takes a call for each field. They hold no circles.
class Record(msgspec.Struct, frozen=True, gc=False):
    """What a system has told of something."""


class Listed(Record, Generic[T], frozen=True):
    """A list that arrived inside an object: what the source sent, and whether there is more."""

    nodes: tuple[T, ...]
    has_next_page: bool = False
    has_previous_page: bool = False


class PhoneNumber(Record, frozen=True):
    prefix: str | None = None
    number: str | None = None


class UserSettings(Record, frozen=True):
    culture_code: str | None = None
    language_code: str | None = None


class Actor(Record, frozen=True):
    source_id: str
    name: str | None = None
    image_url: str | None = None


class MarketplaceAccount(Record, frozen=True):
    """A SoftwareOne Marketplace account that a user belongs to."""

    source_id: str
    name: str | None = None
    type: str | None = None
    status: str | None = None
    image_url: str | None = None


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
    """The account that owns an account-owned role."""

    source_id: str
    name: str
    default_billing_address: Address | None = None
    default_shipping_address: Address | None = None
    branding: Branding | None = None
    portal: Portal | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class RoleOwner(Record, frozen=True):
    type: OwnerType
    account: Account | None = None


class Role(Record, frozen=True):
    """What a user may do. `loaded` is drawn from `owner`, `owner.account`, `permissions`."""

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
        """A role that is a name and nothing else, as resellers' are: nothing is left to look up."""
        return cls(source, name, name, loaded=frozenset({"owner", "owner.account", "permissions"}))


class Location(Record, frozen=True):
    source_id: str
    name: str
    type: str
    parent: "Location | None" = None
    children: "Listed[Location] | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class Machine(Record, frozen=True):
    source_id: str
    name: str
    serial_number: str | None = None
    notes: str | None = None
    department: "Department | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class ProductionStep(Record, frozen=True):
    """A step of production. Rates and quantities are kept as the source's JSON: it documents no more."""

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


class ScanningStation(Record, frozen=True):
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


class Department(Record, frozen=True):
    """Where a user works. `loaded` is drawn from `location`, `scanning_stations`, `machines`.

    Without a name it is a bare reference: the source sent nothing but the id.
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


class PostalAddress(Record, frozen=True):
    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    postal_code: str | None = None


class Organization(Record, frozen=True):
    """A customer organization of a reseller; `tenant` is the reseller's id.

    Without a name it is a bare reference: the source sent nothing but the id.
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
    """A user record in one of the three systems; `tenant` is the reseller's id, else empty."""

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
