"""What becomes of kept records when a credential is withdrawn."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.principal import ANYONE, Principal, is_brought_by
from gateway.users.ids import Kind, Ref
from gateway.users.kept.lifetimes import Lifetimes
from gateway.users.kept.record_keys import RecordKey
from gateway.users.kept.records import KeptRecords
from gateway.users.listing.prefetched import PrefetchedUsers, PrefetchedWindow
from gateway.users.model import User, UserSource
from gateway.users.reference import ReferenceData
from gateway.users.source import Sources, Window

ACCOUNT = UserSource.ACCOUNT
ADA = Ref(Kind.USER, ACCOUNT, "ada")
NEEDS = frozenset({"profile"})
USER = User(ACCOUNT, "ada", name="Ada")


def _forwarding(name: str) -> Principal:
    return Principal(name, forwarded={ACCOUNT: {"authorization": "a secret"}})


Withdraw = Callable[[KeptRecords, Principal], None]


def _refuse(records: KeptRecords, caller: Principal) -> None:
    records.drop_credential(caller.credential(ACCOUNT))


def _revoke(records: KeptRecords, caller: Principal) -> None:
    records.drop_caller(caller.name)


@pytest.mark.parametrize(("withdraw", "stored"), [(_refuse, [False, True]), (_revoke, [False, False])])
def test_a_read_under_way(withdraw: Withdraw, stored: list[bool]) -> None:
    """A read that is under way when its credential is withdrawn is not kept, and only what it has read is dropped."""
    records = KeptRecords()
    ann, joann = (_forwarding(name) for name in ("ann", "joann"))
    keys = [RecordKey(each.credential(ACCOUNT), ADA) for each in (ann, joann)]
    reads = [records.begin(ACCOUNT, Kind.USER) for _ in keys]
    withdraw(records, ann)
    assert [records.store(key, read, USER, NEEDS) for key, read in zip(keys, reads, strict=True)] == stored
    for read in reads:
        records.end(read)
    for key in keys:
        read = records.begin(ACCOUNT, Kind.USER)
        records.store(key, read, USER, NEEDS)
        records.end(read)
        assert records.find(key) is not None
    withdraw(records, ann)
    assert [records.find(key) is None for key in keys] == [True, False]


@pytest.mark.parametrize(
    ("principal", "name", "expected"),
    [
        (_forwarding("ann"), "ann", True),
        (_forwarding("joann"), "ann", False),
        (_forwarding("#ann"), "ann", False),
        (_forwarding("ann"), "", False),
        (_forwarding(""), "", True),
        (Principal("ann", provided={"account": ""}), "ann", True),
        (Principal("a#n", provided={"account": ""}), "a#n", True),
        (Principal("ann", provided={"account": "tenant"}), "ann", False),
        (Principal("ann"), "ann", False),
        (ANYONE, "", False),
    ],
)
def test_the_credential_of_a_caller(principal: Principal, name: str, *, expected: bool) -> None:
    """A credential that a caller alone has brought is found by the name of the caller, and by no other name."""
    assert is_brought_by(principal.credential(ACCOUNT), name) is expected


def test_a_keeper_that_is_closed() -> None:
    """A keeper that was closed has nothing, and keeps nothing."""
    records = KeptRecords()
    for close in (records.close, lambda: None):
        read = records.begin(ACCOUNT, Kind.USER)
        records.store(RecordKey("", ADA), read, USER, NEEDS)
        records.end(read)
        close()
        assert (len(records), records.size, records.find(RecordKey("", ADA))) == (0, 0, None)


def test_prefetched_users() -> None:
    """Users that were read for a caller whose credential was withdrawn are not used, also if the read goes on."""
    now = 100.0
    prefetched = PrefetchedUsers(clock=lambda: now)

    def store(principal: str, read_at: float) -> bool:
        window = PrefetchedWindow(Window((USER,), None), exact=True, read_at=read_at)
        prefetched.store(principal, "cursor", NEEDS, {ACCOUNT: window})
        return bool(prefetched.find(principal, "cursor", NEEDS))

    assert store("ann", 100.0)
    assert store("ben", 100.0)
    now = 101.0
    prefetched.drop("ann")
    assert [bool(prefetched.find(name, "cursor", NEEDS)) for name in ("ann", "ben")] == [False, True]
    assert not store("ann", 100.5)
    now = 102.0
    assert store("ann", 101.5)
    prefetched.drop("ben")
    assert store("ann", 101.5)


async def test_a_lookup_under_way(make_source: Any, roles: Any) -> None:
    """A lookup after the refusal of a credential does not wait for one that began before it."""
    roles.gate = asyncio.Event()
    reference = ReferenceData(
        Sources([make_source(ACCOUNT, directories={Kind.ROLE: roles})]), KeptRecords(), Lifetimes(reference=30)
    )
    caller, ref = _forwarding("ann"), Ref(Kind.ROLE, ACCOUNT, "r1")
    lookups = [asyncio.ensure_future(reference.look_up([ref], NEEDS, caller)) for _ in range(2)]
    await roles.requested.wait()
    reference.separate(caller.credential(ACCOUNT))
    lookups.append(asyncio.ensure_future(reference.look_up([ref], NEEDS, caller)))
    await asyncio.sleep(0)
    roles.gate.set()
    await asyncio.gather(*lookups)
    assert len(roles.calls) == 2
