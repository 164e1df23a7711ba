"""Defects that are planted in the gateway, to see that the interleavings find them.

Each one is a rule of what is kept that is not obeyed: mostly a race that needs a few steps in a certain order.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.events.feeds import ChangeFeeds
from gateway.events.polling import Poller
from gateway.events.recent import RecentEvents
from gateway.events.replicated import ReplicatedEventLog
from gateway.principal import Principal
from gateway.sources.http.single_flight import SingleFlight
from gateway.users.batches import _Lookup
from gateway.users.kept.generations import Generations
from gateway.users.kept.kept_users import KeptUsers
from gateway.users.kept.lifetimes import Lifetimes
from gateway.users.kept.record_keys import ListTag, RecordKey
from gateway.users.kept.records import KeptRecords
from gateway.users.service import UserService

__all__ = ["PLANTED", "Patch"]

Patch = Callable[[pytest.MonkeyPatch], None]


def stored_over_a_change(patch: pytest.MonkeyPatch) -> None:
    """A read stores its result, although what it read has changed since it began."""
    patch.setattr(Generations, "are_unchanged", lambda *_: True)


def dropped_after_the_event(patch: pytest.MonkeyPatch) -> None:
    """An event drops what is kept a moment later, and not before the log counts as read."""
    notify = RecentEvents.notify

    def later(self: Any, change: Any) -> None:
        asyncio.get_running_loop().call_later(0.004, notify, self, change)

    patch.setattr(RecentEvents, "notify", later)


def change_stored_over_another(patch: pytest.MonkeyPatch) -> None:
    """The user after a change is kept, although something else has changed the user meanwhile."""

    def store_change(self: KeptRecords, read: Any, tags: Any, *user: Any) -> bool:
        self.change(*tags)
        read.number = self._generations.last
        key, value, needs = user
        return self.store(key, read, value, needs)

    patch.setattr(KeptRecords, "store_change", store_change)


def call_shared_over_a_change(patch: pytest.MonkeyPatch) -> None:
    """A read shares a call from before a change that is known."""
    patch.setattr(SingleFlight, "separate", lambda _: None)


def page_kept_over_a_creation(patch: pytest.MonkeyPatch) -> None:
    """Changes do not drop the pages of a source."""
    change = KeptRecords.change

    def of_records(self: KeptRecords, *tags: Any, **options: Any) -> None:
        change(self, *(tag for tag in tags if not isinstance(tag, ListTag)), **options)

    patch.setattr(KeptRecords, "change", of_records)


def log_not_awaited(patch: pytest.MonkeyPatch) -> None:
    """What is kept is given before the events of other replicas are read."""

    async def catch_up() -> bool:
        return True

    patch.setattr(ReplicatedEventLog, "catch_up", property(lambda _: catch_up))


def event_not_awaited(patch: pytest.MonkeyPatch) -> None:
    """A change is answered before its event is in the log."""

    async def publish_and_wait(self: Any, change: Any, user: Any, change_id: str = "", *, repeated: bool) -> None:
        self.publish(change, user, change_id, repeated=repeated)

    patch.setattr(ReplicatedEventLog, "publish_and_wait", publish_and_wait)


def long_while_the_feed_is_dead(patch: pytest.MonkeyPatch) -> None:
    """A source counts as reported although its last poll is long ago."""
    patch.setattr(ChangeFeeds, "is_reported", lambda self, source: source in self._complete_until)


def always_long(patch: pytest.MonkeyPatch) -> None:
    """A source counts as reported although it is not polled."""
    patch.setattr(ChangeFeeds, "is_reported", lambda *_: True)


def absence_kept_long(patch: pytest.MonkeyPatch) -> None:
    """It is remembered for as long as a user that there is no such user."""
    patch.setattr(Lifetimes, "of_absence", lambda self, source: self.of_user(source, ""))


def events_not_obeyed(patch: pytest.MonkeyPatch) -> None:
    """The events of the log drop nothing."""
    patch.setattr(KeptUsers, "user_changed", lambda *_: None)


def deletion_taken_for_a_repetition(patch: pytest.MonkeyPatch) -> None:
    """A user stays who is kept as the event has it, also if the event is the one of its deletion."""
    user_changed = KeptUsers.user_changed
    patch.setattr(KeptUsers, "user_changed", lambda self, user, _: user_changed(self, user, "updated"))


def unknown_changes_ignored(patch: pytest.MonkeyPatch) -> None:
    """Changes of which only the source is known drop nothing."""
    patch.setattr(UserService, "source_changed", lambda *_: None)


def unknown_outcome_ignored(patch: pytest.MonkeyPatch) -> None:
    """A change whose outcome is unknown drops nothing."""
    end_change = KeptUsers.end_change

    def only_known(self: KeptUsers, read: Any, target: Any, user: Any) -> None:
        if user is None:
            self._records.end(read)
        else:
            end_change(self, read, target, user)

    patch.setattr(KeptUsers, "end_change", only_known)


def credentials_mixed(patch: pytest.MonkeyPatch) -> None:
    """What was read with the credential of one caller is kept for all."""
    patch.setattr(Principal, "credential", lambda *_: "configured")


def refused_credential_kept(patch: pytest.MonkeyPatch) -> None:
    """What was read with a credential stays when the source refuses the credential."""
    patch.setattr(KeptRecords, "drop_credential", lambda *_: None)


def stored_over_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """A read stores its result, although the source has refused the credential since it began."""

    def drop_credential(self: KeptRecords, credential: str) -> None:
        for key in [key for key in self._entries if key.credential == credential]:
            self._remove(key)

    patch.setattr(KeptRecords, "drop_credential", drop_credential)


def callers_credential_stale(patch: pytest.MonkeyPatch) -> None:
    """What was read with the credential of a caller is given past its lifetime."""
    patch.setattr(Lifetimes, "may_be_stale", lambda *_: True)


def round_counted_from_its_end(patch: pytest.MonkeyPatch) -> None:
    """The changes of a source count as known until the end of a poll, and not until its beginning."""
    poll = Poller._poll

    async def at_the_end(self: Any) -> Any:
        complete = self._complete
        self._complete = lambda _: complete(self._clock.monotonic())
        try:
            return await poll(self)
        finally:
            self._complete = complete

    patch.setattr(Poller, "_poll", at_the_end)


def first_round_trusted(patch: pytest.MonkeyPatch) -> None:
    """What was read before the first poll is kept after it, although nobody reports what changed before."""

    async def append_unknown(*_: Any) -> None:
        return None

    patch.setattr("gateway.events.memory.MemoryEventLog.append_unknown", append_unknown)


def needs_ignored(patch: pytest.MonkeyPatch) -> None:
    """A kept user is given without what was requested of it."""
    store = KeptRecords.store

    def with_all(self: KeptRecords, key: Any, read: Any, value: Any, needs: Any, **options: Any) -> bool:
        return store(self, key, read, value, needs | {"department"}, **options)

    patch.setattr(KeptRecords, "store", with_all)


def nothing_kept(patch: pytest.MonkeyPatch) -> None:
    """Nothing is ever found, so that each read is a call."""
    patch.setattr(KeptRecords, "find", lambda *_: None)


def ages_from_the_end(patch: pytest.MonkeyPatch) -> None:
    """The age of a record counts from when it was stored, and not from when its read began."""
    store = KeptRecords.store

    def now(self: KeptRecords, key: RecordKey, read: Any, *values: Any, **options: Any) -> bool:
        read.began_at = self.clock()
        return store(self, key, read, *values, **options)

    patch.setattr(KeptRecords, "store", now)


def page_from_before_a_read(patch: pytest.MonkeyPatch) -> None:
    """A reader gets a user of a page whose call began before the reader did, however old that may be."""
    init = _Lookup.__init__

    def early(self: _Lookup, *values: Any, **options: Any) -> None:
        init(self, *values, **options)
        self.is_early = True

    patch.setattr(_Lookup, "__init__", early)


# Each with the seed of an interleaving that finds it.
PLANTED: dict[Patch, int] = {
    stored_over_a_change: 758,
    dropped_after_the_event: 38,
    change_stored_over_another: 1183,
    call_shared_over_a_change: 490,
    page_kept_over_a_creation: 55,
    log_not_awaited: 375,
    event_not_awaited: 873,
    long_while_the_feed_is_dead: 91,
    always_long: 2,
    absence_kept_long: 26,
    events_not_obeyed: 98,
    deletion_taken_for_a_repetition: 1208,
    unknown_changes_ignored: 554,
    unknown_outcome_ignored: 87,
    credentials_mixed: 6,
    refused_credential_kept: 484,
    stored_over_a_refusal: 2443,
    callers_credential_stale: 307,
    round_counted_from_its_end: 580,
    first_round_trusted: 874,
    needs_ignored: 3,
    nothing_kept: 110,
    ages_from_the_end: 14,
    page_from_before_a_read: 507,
}
