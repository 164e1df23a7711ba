"""Global ids: opaque outside, a reference to one record of one system inside."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from enum import StrEnum
from functools import lru_cache
from urllib.parse import quote, unquote

import msgspec

from gateway.errors import BadUserInput
from gateway.users.model import Department, Organization, Role, User, UserSource

__all__ = ["Kind", "Ref", "can_exist", "decode", "encode", "ref_of", "resolve"]

_VERSION = "g1"  # the form of the ids; another form gets another version, and old ids stay readable
_BEGINNING = urlsafe_b64encode(f"{_VERSION}:".encode()).decode()  # three bytes are four characters: all ids have these
_LONGEST_SOURCE_ID = 255
_KEPT = 256  # characters: what strangers send is read again each time where it is longer


class Kind(StrEnum):
    """The kinds of record that have a global id."""

    USER = "User"
    ROLE = "Role"
    DEPARTMENT = "Department"
    ORGANIZATION = "Organization"


class Ref(msgspec.Struct, frozen=True, gc=False):
    """One record: its kind, its system, its tenant there (the reseller's id, else empty) and its id there.

    It is a key wherever records are looked up: a dataclass is made and hashed by code in Python.
    """

    kind: Kind
    source: UserSource
    source_id: str
    tenant: str = ""


@lru_cache(16_384)  # five parts to quote, and the same records come again and again
def encode(ref: Ref) -> str:
    """The opaque, stable global id of a record: URL-safe base64 without padding."""
    parts = (_VERSION, ref.kind.value, ref.source.value, ref.tenant, ref.source_id)
    text = ":".join(quote(part, safe="") for part in parts)
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(text: str) -> Ref | None:
    """The record that a global id names, or None where the text is no global id of this gateway."""
    if not text.startswith(_BEGINNING):
        return None
    return _decoded(text) if len(text) <= _KEPT else _decoded.__wrapped__(text)


@lru_cache(16_384)  # for the same reason as `encode`
def _decoded(text: str) -> Ref | None:
    try:
        plain = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
        version, kind, source, tenant, source_id = (unquote(part) for part in plain.split(":"))
        if version != _VERSION:
            return None
        ref = Ref(Kind(kind), UserSource(source), source_id, tenant)
    except (Base64Error, UnicodeError, ValueError):
        return None
    return ref if _can_name(ref) and encode.__wrapped__(ref) == text else None


def resolve(
    text: str,
    kind: Kind,
    *,
    source: UserSource | None = None,
    default: UserSource | None = None,
    tenant: str = "",
    path: tuple[str | int, ...] = ("id",),
) -> Ref:
    """The record that an id argument means: a global id, or the id that the source uses.

    `source` is the system that it must be in, `default` the one that a source's own id is taken to be
    in, `tenant` the tenant that such an id is taken to belong to.

    Raises:
        BadUserInput: a global id of another kind or system, or a source's own id with no system named.
    """
    ref = decode(text)
    if ref is None:
        home = source or default
        if home is None:
            raise BadUserInput.at(path, "is no global id; to use a source's own id, name the source too")
        if not can_exist(text):
            raise BadUserInput.at(path, "is no id that a source could have given")
        return Ref(kind, home, text, tenant)
    if ref.kind is not kind:
        raise BadUserInput.at(path, f"is the id of a {ref.kind}, not of a {kind}")
    if source is not None and ref.source is not source:
        raise BadUserInput.at(path, f"is an id of the {ref.source} system, not of the {source} system")
    return ref


def ref_of(record: User | Role | Department | Organization) -> Ref:
    """The reference to a record in hand."""
    if isinstance(record, User):
        return Ref(Kind.USER, record.source, record.source_id, record.tenant)
    if isinstance(record, Role):
        return Ref(Kind.ROLE, record.source, record.source_id)
    if isinstance(record, Department):
        return Ref(Kind.DEPARTMENT, UserSource.ACCOUNT, record.source_id)
    return Ref(Kind.ORGANIZATION, UserSource.RESELLER, record.source_id, record.tenant)


def can_exist(source_id: str) -> bool:
    """Whether a source could have given that id."""
    # "." and ".." would be resolved away in a URL's path, whatever their escaping (RFC 3986, 5.2.4).
    return (
        0 < len(source_id) <= _LONGEST_SOURCE_ID
        and source_id not in {".", ".."}
        and source_id.isprintable()
        and not source_id.isspace()
    )


def _can_name(ref: Ref) -> bool:
    """Whether the id, and a tenant exactly where its system has tenants, can be one of that system's."""
    tenanted = ref.source is UserSource.RESELLER and ref.kind in {Kind.USER, Kind.ORGANIZATION}
    return can_exist(ref.source_id) and (can_exist(ref.tenant) if tenanted else not ref.tenant)
