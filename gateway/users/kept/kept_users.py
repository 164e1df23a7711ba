"""Lets the kept users follow changes: they are dropped, or replaced by the user after the change."""

from collections.abc import Collection
from typing import Any

from gateway.operation import current_principal
from gateway.principal import Principal
from gateway.users.ids import Kind, Ref
from gateway.users.kept.fingerprint import user_fingerprint
from gateway.users.kept.generations import Read
from gateway.users.kept.record_keys import ListTag, RecordKey, RecordTag, Tag
from gateway.users.kept.records import KeptRecords
from gateway.users.model import User, UserChange, UserSource
from gateway.users.source import CompletingSource, Sources

__all__ = ["KeptUsers"]


class KeptUsers:
    """The users and the pages of users in the keeper, as far as changes concern them; `kept_sources` have some."""

    def __init__(self, sources: Sources, records: KeptRecords, kept_sources: Collection[UserSource]) -> None:
        self._sources = sources
        self._records = records
        self._kept_sources = kept_sources

    def begin_change(self, source: UserSource, target: Ref | None) -> Read | None:
        """Begin a change of a user, None for a new one; call `end_change` or `end_refused_change` in any case.

        Pass it what is returned: None where no users of the source are kept.
        """
        if source not in self._kept_sources:
            return None
        tags = () if target is None else (RecordTag.of(target),)
        return self._records.begin(source, Kind.USER, *tags)

    def end_change(self, read: Read | None, target: Ref | None, user: User | None, *, is_gone: bool = False) -> None:
        """End a change that may have been carried out, with the user after it if it is known.

        What it may have altered is dropped, and the user is kept. `is_gone`: there is no user of the target's id.
        """
        if read is None:
            return
        refs = [ref for ref in (target, None if user is None else user.ref) if ref is not None]
        tenants = {ref.tenant for ref in refs} or {""}
        tags: tuple[Tag, ...] = (
            *(RecordTag.of(ref) for ref in refs),
            *(() if user is None else _user_tags(user)),
            *(ListTag.of(read.source, tenant) for tenant in tenants),
        )
        needs = None if user is None else self._sources.named(read.source).changed_needs(user)
        if user is None or needs is None:
            self._records.change(*tags)
            if user is None and target is not None and "@" in target.source_id and not is_gone:
                # SoftwareOne accepts an e-mail address as an id. Which user had it at that instant is not known.
                self._records.drop(read.source, Kind.USER)
        else:
            credential = current_principal.get().credential(read.source)
            self._records.store_change(read, tags, RecordKey(credential, user.ref), user, needs)
        self._records.end(read)

    def end_refused_change(self, read: Read | None) -> None:
        """End a change that was certainly not carried out."""
        if read is not None:
            self._records.end(read)

    async def complete(self, source: CompletingSource, user: User, missing: frozenset[str]) -> User:
        """Return the user after a change with what its source left out of the response (`CompletingSource.complete`).

        It replaces the user who is kept since the change.
        """
        if user.source not in self._kept_sources:
            return await source.complete(user, missing)
        key = RecordKey(current_principal.get().credential(user.source), user.ref)
        kept = self._records.find(key)
        read = self._records.begin(user.source, Kind.USER, RecordTag.of(user.ref))
        try:
            completed = await source.complete(user, missing)
            needs = self._sources.named(user.source).changed_needs(completed)
            if kept is not None and kept.value == user and needs is not None and kept.needs <= needs:
                read.began_at = kept.read_at  # most of it was read then
                self._records.store(key, read, completed, needs)
        finally:
            self._records.end(read)
        return completed

    def user_changed(self, user: User, change: UserChange) -> None:
        """Drop what the change of a user may have altered; `user` is the user after it, or as it was deleted."""
        if user.source not in self._kept_sources:
            return
        unless = None if change is UserChange.DELETED else user
        self._records.change(*_user_tags(user), ListTag.of(user.source, user.tenant), unless=unless)

    def user_reported(self, user: Ref, fingerprint: str) -> None:
        """Drop a user unless it is as it was reported; the report may be older than what was read since.

        Lists are not dropped: their lifetime is short, and a change of the user that is an event drops them.
        """

        def is_unchanged(value: Any) -> bool:
            return isinstance(value, User) and user_fingerprint(value) == fingerprint

        self._records.change(RecordTag.of(user), is_unchanged=is_unchanged)

    def source_changed(self, source: UserSource | None) -> None:
        """Drop everything of a source, None for all: changes are not known, or may have been missed."""
        self._records.drop(source)

    def credential_refused(self, principal: Principal, source: UserSource) -> None:
        """Drop what was read with a credential that the principal brings: its access may have been withdrawn."""
        if principal.brings_credential(source):
            self._records.drop_credential(principal.credential(source))

    def caller_revoked(self, name: str) -> None:
        """Drop what was read with credentials that the principals of this name bring."""
        self._records.drop_caller(name)


def _user_tags(user: User) -> tuple[RecordTag, ...]:
    """Return the tags of a user: by the id, and by the e-mail address, by which another user may have been read."""
    tag = RecordTag.of(user.ref)
    return (tag, tag._replace(source_id=user.email.casefold())) if user.email else (tag,)
