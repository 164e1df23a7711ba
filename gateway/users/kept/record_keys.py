"""The keys of what is kept, and the tags of what it depends on.

A `RecordTag` is one record, a `ListTag` all lists of users of a tenant, a `CredentialTag` the access of a credential.
"""

from typing import Any, NamedTuple

import msgspec

from gateway.users.ids import Kind, Ref, ref_of
from gateway.users.model import Identified, UserSource
from gateway.users.source import UserQuery

__all__ = ["CredentialTag", "Key", "ListTag", "PageKey", "RecordKey", "RecordTag", "Tag", "is_of", "tags_of"]


class RecordTag(NamedTuple):
    """One record. Its ids are in lower case, because some sources accept them in any case."""

    kind: Kind
    source: UserSource
    tenant: str
    source_id: str

    @classmethod
    def of(cls, ref: Ref) -> "RecordTag":
        """Return the tag of the record with this reference."""
        return cls(ref.kind, ref.source, ref.tenant.casefold(), ref.source_id.casefold())


class ListTag(NamedTuple):
    """All lists of users of a tenant in a source, and the absence of a user there."""

    source: UserSource
    tenant: str

    @classmethod
    def of(cls, source: UserSource, tenant: str) -> "ListTag":
        """Return the tag of the lists of this tenant."""
        return cls(source, tenant.casefold())


class CredentialTag(NamedTuple):
    """All that was read with a credential."""

    credential: str


Tag = RecordTag | ListTag | CredentialTag


class RecordKey(msgspec.Struct, frozen=True, gc=False):
    """The key of a record: the credential that it was read with (`Principal.credential`), and its reference.

    A msgspec struct, because one is made for each lookup: a named tuple is created by Python code.
    """

    credential: str
    ref: Ref


class PageKey(NamedTuple):
    """The key of a page of users: the credential, the source, the query, the position and the limit of the read."""

    credential: str
    source: UserSource
    query: UserQuery
    position: str | None
    limit: int


Key = RecordKey | PageKey


def tags_of(key: Key, tags: tuple[Tag, ...], value: Any) -> tuple[Tag, ...]:
    """Return the tags of an entry: those of its read, and those of the record.

    A record can be read by another id than its own, in SoftwareOne by an e-mail address, and several by one read.
    """
    if isinstance(key, PageKey):
        return tags
    found = dict.fromkeys((*tags, RecordTag.of(key.ref)))
    if isinstance(value, Identified) and (ref := ref_of(value)).source_id:
        found[RecordTag.of(ref)] = None
    if value is not None:
        return tuple(tag for tag in found if isinstance(tag, RecordTag))
    return tuple(found)


def is_of(key: Key, source: UserSource | None, kind: Kind | None) -> bool:
    """Return whether what is kept under a key is of a source and kind, None for any."""
    of_source, of_kind = (key.source, Kind.USER) if isinstance(key, PageKey) else (key.ref.source, key.ref.kind)
    return source in {None, of_source} and kind in {None, of_kind}
