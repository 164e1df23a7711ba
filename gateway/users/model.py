"""The records: immutable, with the same fields whichever source they were read from.

A field that a source does not have is None. Some fields are expansions: a source sends them only if a call includes
them. Records with such fields have `loaded`, the expansions whose values are valid, also if these are None or empty.
The module is longer than others because the records refer to one another, and readers find all of them in one file.
"""

from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from gateway.errors import Origin, SourceInvalidResponse
from gateway.kit.source_titles import titled
from gateway.users.enums import OwnerType, RoleType, UserChange, UserSource, UserStatus
from gateway.users.ids import Kind, Ref, encode

__all__ = [
    "Account",
    "Actor",
    "Address",
    "Branding",
    "Department",
    "Geolocation",
    "Identified",
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

# CONTRIBUTING.md, "Speed"
_USER, _ROLE, _ORGANIZATION = Kind.USER, Kind.ROLE, Kind.ORGANIZATION
_ACCOUNT, _SOFTWAREONE, _RESELLER = UserSource.ACCOUNT, UserSource.SOFTWAREONE, UserSource.RESELLER


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


class Identified(Record, frozen=True):
    """A record that has an id in its source, and so a global id."""

    @property
    def ref(self) -> Ref:
        """The reference to this record, of which the global id is the text."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """The global id: opaque, stable, and unique over all sources and types.

        Raises:
            SourceInvalidResponse: the source sent the record without an id. All such records would have the same one.
        """
        ref = self.ref
        if not ref.source_id:
            raise SourceInvalidResponse(
                f"The {titled(ref.source)} source sent a record of the type {ref.kind} without its id.",
                origin=Origin(source=ref.source),
            )
        return encode(ref)


class _AccountRecord(Identified, frozen=True):
    """A record that only the account source has."""

    _kind: ClassVar[Kind]

    source_id: str

    @property
    def ref(self) -> Ref:
        return Ref(self._kind, _ACCOUNT, self.source_id)


class _MarketplaceRecord(Identified, frozen=True):
    """A record that only SoftwareOne has."""

    _kind: ClassVar[Kind]

    source_id: str

    @property
    def ref(self) -> Ref:
        return Ref(self._kind, _SOFTWAREONE, self.source_id)


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


class Actor(_MarketplaceRecord, frozen=True):
    """The user or API token of SoftwareOne that did something. For `image_url` see `User`."""

    _kind: ClassVar[Kind] = Kind.ACTOR

    name: str | None = None
    image_url: str | None = None
    image_version: str | None = None


class MarketplaceAccount(_MarketplaceRecord, frozen=True):
    """A SoftwareOne Marketplace account that a user belongs to. For `image_url` see `User`."""

    _kind: ClassVar[Kind] = Kind.MARKETPLACE_ACCOUNT

    name: str | None = None
    type: str | None = None
    status: str | None = None
    image_url: str | None = None
    image_version: str | None = None


class Geolocation(_AccountRecord, frozen=True):
    _kind: ClassVar[Kind] = Kind.GEOLOCATION

    street_line1: str | None = None
    street_line2: str | None = None
    locality: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class Address(_AccountRecord, frozen=True):
    _kind: ClassVar[Kind] = Kind.ADDRESS

    name: str
    phone: str | None = None
    email: str | None = None
    is_drop_ship: bool | None = None
    geolocation: Geolocation | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class Branding(_AccountRecord, frozen=True):
    _kind: ClassVar[Kind] = Kind.BRANDING

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


class Portal(_AccountRecord, frozen=True):
    _kind: ClassVar[Kind] = Kind.PORTAL

    slug: str
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class Account(_AccountRecord, frozen=True):
    """The account to which a role of `OwnerType.ACCOUNT` belongs.

    `loaded` can have `default_billing_address`, `default_shipping_address`, `branding` and `portal`.
    """

    _kind: ClassVar[Kind] = Kind.ACCOUNT

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


class Role(Identified, frozen=True):
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

    @property
    def ref(self) -> Ref:
        return Ref(_ROLE, self.source, self.source_id)

    @classmethod
    def named(cls, source: UserSource, name: str) -> "Role":
        """Return a role that consists of its name, as in the reseller source: nothing can be looked up."""
        return cls(source, name, name, loaded=frozenset({"owner", "owner.account", "permissions"}))


class Location(_AccountRecord, frozen=True):
    """A building, or a part of one. `loaded` can have all fields but the id, the name and the type."""

    _kind: ClassVar[Kind] = Kind.LOCATION

    name: str
    type: str
    parent: "Location | None" = None
    children: "Listed[Location] | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    loaded: frozenset[str] = frozenset()


class Machine(_AccountRecord, frozen=True):
    """A machine of a department. `loaded` can have all fields but the id and the name."""

    _kind: ClassVar[Kind] = Kind.MACHINE

    name: str
    serial_number: str | None = None
    notes: str | None = None
    department: "Department | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    loaded: frozenset[str] = frozenset()


class ProductionStep(_AccountRecord, frozen=True):
    """A step of production. Rates and quantities are JSON as the source sent it, which documents no structure.

    `loaded` can have all fields but the id and the name.
    """

    _kind: ClassVar[Kind] = Kind.PRODUCTION_STEP

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


class ScanningStation(_AccountRecord, frozen=True):
    """A station at which batches are scanned. `loaded` can have all fields but the id and the name."""

    _kind: ClassVar[Kind] = Kind.SCANNING_STATION

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


class Department(_AccountRecord, frozen=True):
    """The department of a user. `loaded` can have all fields but the id and the name.

    Without a name, it is a bare reference.
    """

    _kind: ClassVar[Kind] = Kind.DEPARTMENT

    name: str | None = None
    notes: str | None = None
    location: Location | None = None
    scanning_stations: Listed[ScanningStation] | None = None
    machines: Listed[Machine] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    loaded: frozenset[str] = frozenset()


class PlatformUser(_AccountRecord, frozen=True):
    """The user of the platform behind a user of the account source: one for all accounts to which it was added."""

    _kind: ClassVar[Kind] = Kind.PLATFORM_USER

    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class PostalAddress(Record, frozen=True):
    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    postal_code: str | None = None


class Organization(Identified, frozen=True):
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

    @property
    def ref(self) -> Ref:
        return Ref(_ORGANIZATION, _RESELLER, self.source_id, self.tenant)


class User(Identified, frozen=True):
    """A user of one source; `tenant` is the reseller's id, empty in the other sources.

    `image_url` is where the source has the picture: a URL that may require the credential of the source, or a path
    below its base URL. What a browser can load is `gateway.pictures.url(user)`. `image_version` changes when the
    picture does; None: the source sends nothing like that.
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

    @property
    def ref(self) -> Ref:
        return Ref(_USER, self.source, self.source_id, self.tenant)
