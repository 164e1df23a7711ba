"""Global ids: opaque to clients, a reference to one record of one source inside the gateway."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import msgspec

from gateway.errors import BadUserInput, Rule
from gateway.kit.source_titles import titled
from gateway.users.enums import UserSource

if TYPE_CHECKING:  # the records have ids, so their module imports this one
    from gateway.users.model import Identified

__all__ = [
    "KINDS_WITH_TENANT",
    "SOURCES_OF_KINDS",
    "UNLISTED_KINDS",
    "Kind",
    "Ref",
    "can_exist",
    "decode",
    "encode",
    "ref_of",
    "resolve",
]

_VERSION = "g1"  # of the format; another format gets another version, and old ids stay readable
_PREFIX = urlsafe_b64encode(f"{_VERSION}:".encode()).decode()  # of all ids: three bytes are exactly four characters
_MAX_SOURCE_ID = 255  # characters
_MAX_CACHED_ID = 256  # characters: clients choose the ids that they send, so longer ones are decoded each time
_CACHED_IDS = 16_384


class Kind(StrEnum):
    """The kinds of record that have an id in their source, by the names of their types.

    The first ones can be looked up. The others are only read inside another record.
    """

    USER = "User"
    ROLE = "Role"
    DEPARTMENT = "Department"
    ORGANIZATION = "Organization"
    ACCOUNT = "Account"
    LOCATION = "Location"
    SCANNING_STATION = "ScanningStation"
    MACHINE = "Machine"
    PRODUCTION_STEP = "ProductionStep"

    ADDRESS = "Address"
    GEOLOCATION = "Geolocation"
    BRANDING = "Branding"
    PORTAL = "Portal"
    PLATFORM_USER = "PlatformUser"
    MARKETPLACE_ACCOUNT = "MarketplaceAccount"
    ACTOR = "Actor"


UNLISTED_KINDS = frozenset({Kind.ACCOUNT})
"""The kinds of record of which no source has a list: each takes one call."""

KINDS_WITH_TENANT = frozenset({Kind.USER, Kind.ORGANIZATION})
"""The kinds of record that belong to a tenant, in a source that has tenants."""

SOURCES_OF_KINDS: Mapping[Kind, UserSource] = {
    Kind.DEPARTMENT: UserSource.ACCOUNT,
    Kind.ORGANIZATION: UserSource.RESELLER,
    Kind.ACCOUNT: UserSource.ACCOUNT,
    Kind.LOCATION: UserSource.ACCOUNT,
    Kind.SCANNING_STATION: UserSource.ACCOUNT,
    Kind.MACHINE: UserSource.ACCOUNT,
    Kind.PRODUCTION_STEP: UserSource.ACCOUNT,
}
"""The source of each kind of record that can be looked up and that only one source has."""


class Ref(msgspec.Struct, frozen=True, gc=False):
    """A reference to one record: its kind, source and source id, and its tenant (the reseller's id, else empty).

    A msgspec struct, because it is the key of all lookups: a dataclass is created and hashed by Python code.
    """

    kind: Kind
    source: UserSource
    source_id: str
    tenant: str = ""


def _encode(ref: Ref) -> str:
    """Return the opaque, stable global id of a record: URL-safe base64 without padding."""
    parts = (_VERSION, ref.kind.value, ref.source.value, ref.tenant, ref.source_id)
    text = ":".join(quote(part, safe="") for part in parts)
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(text: str) -> Ref | None:
    try:
        plain = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
        version, kind, source, tenant, source_id = (unquote(part) for part in plain.split(":"))
        if version != _VERSION:
            return None
        ref = Ref(Kind(kind), UserSource(source), source_id, tenant)
    except (Base64Error, UnicodeError, ValueError):
        return None
    return ref if _is_possible(ref) and _encode(ref) == text else None


# Cached: five parts have to be quoted or unquoted, and the same records occur again and again.
encode = lru_cache(_CACHED_IDS)(_encode)
_decode_cached = lru_cache(_CACHED_IDS)(_decode)


def decode(text: str) -> Ref | None:
    """Return the reference in a global id, or None if the text is not a global id of this gateway."""
    if not text.startswith(_PREFIX):
        return None
    return _decode_cached(text) if len(text) <= _MAX_CACHED_ID else _decode(text)


def resolve(
    text: str,
    kind: Kind,
    *,
    source: UserSource | None = None,
    default: UserSource | None = None,
    tenant: str = "",
    path: tuple[str | int, ...] = ("id",),
) -> Ref:
    """Return the reference for an id argument, which is a global id or a source id.

    `source` is the source that the record must be in. `default` is the source that a source id is taken to be of, and
    `tenant` the tenant.

    Raises:
        BadUserInput: a global id of another kind or source, or a source id without a source, or no text.
    """
    if not isinstance(text, str):  # None, for example, where a program has no id
        raise BadUserInput.at(path, "must be a string", Rule.TYPE, type="string")
    ref = decode(text)
    if ref is None:
        source_of_id = source or default
        if source_of_id is None:
            raise BadUserInput.at(
                path,
                "is not a global id; to use the id of a record in its source, name the source too",
                Rule.FORMAT,
                format="globalId",
            )
        if not can_exist(text):
            raise BadUserInput.at(path, "is not a valid source id", Rule.FORMAT, format="id")
        return Ref(kind, source_of_id, text, tenant)
    if ref.kind is not kind:
        raise BadUserInput.at(
            path, f"is the id of {_with_article(ref.kind)}, not of {_with_article(kind)}", Rule.FORMAT, format="id"
        )
    if source is not None and ref.source is not source:
        message = f"is an id of the {titled(ref.source)} source, not of the {titled(source)} source"
        raise BadUserInput.at(path, message, Rule.FORMAT, format="id")
    return ref


def ref_of(record: "Identified") -> Ref:
    """Return the reference to a record."""
    return record.ref


def can_exist(source_id: str) -> bool:
    """Return whether a source could have assigned that id."""
    # "." and ".." would be removed from the path of a URL, however they are escaped (RFC 3986, 5.2.4).
    return (
        0 < len(source_id) <= _MAX_SOURCE_ID
        and source_id not in {".", ".."}
        and source_id.isprintable()
        and not source_id.isspace()
    )


def _is_possible(ref: Ref) -> bool:
    """Return whether records can have that global id: it has a tenant exactly if the source has tenants."""
    has_tenants = ref.source is UserSource.RESELLER and ref.kind in KINDS_WITH_TENANT
    return can_exist(ref.source_id) and (can_exist(ref.tenant) if has_tenants else not ref.tenant)


def _with_article(kind: Kind) -> str:
    return f"{'an' if kind[0] in 'AEIO' else 'a'} {kind}"
