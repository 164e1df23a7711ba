"""Nothing that was read or made with one caller's credential is ever another's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from callers.seeing import ACCOUNT, CONFIGURED, Seeing, caller, served
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Forbidden, IdempotencyInProgress, Unauthenticated
from gateway.operation import ANYONE, Principal
from gateway.users.ids import Kind, Ref
from gateway.users.planning import Plan
from gateway.users.service import UserService

READS = frozenset({"users:read"})
FORWARDING = [caller(name, credential) for name in ("", "key:a", "jwt:b") for credential in ("Bearer 1", "Bearer 2")]
WITHOUT = [caller("key:a", None), caller("", None), Principal("key:by-hand", READS)]
SCOPELESS = [caller("key:c", "Bearer 1", frozenset()), Principal("key:none")]
EVERYBODY = [*FORWARDING, *WITHOUT, *SCOPELESS, ANYONE]


@dataclass
class Cursors:
    """Cursors that were handed out, to whomever: a caller may come with another's."""

    held: list[str]


async def _user(service: UserService, _: Cursors) -> list[Any]:
    return [await service.get_user("u1", ACCOUNT)]


async def _roles(service: UserService, _: Cursors) -> list[Any]:
    loaders = service.loaders(Plan())
    return list(await asyncio.gather(*(loaders.load(Ref(Kind.ROLE, ACCOUNT, name)) for name in ("r1", "r2"))))


async def _department(service: UserService, _: Cursors) -> list[Any]:
    return [await service.get_department("d1")]


async def _users(service: UserService, cursors: Cursors) -> list[Any]:
    page = await service.list_users(first=3, after=cursors.held[-1] if cursors.held else None)
    if page.end_cursor:
        cursors.held.append(page.end_cursor)
    return [edge.node for edge in page.edges]


async def _catalog(service: UserService, _: Cursors) -> list[Any]:
    return [edge.node for edge in (await service.list_roles(first=2)).edges]


async def _person(service: UserService, _: Cursors) -> list[Any]:
    return list((await service.find_person("one@example.com")).users)


async def _change(service: UserService, _: Cursors) -> list[Any]:
    return [await service.update_account_user("u1", {"name": "same"}, idempotency_key="same")]


ASKED: list[Callable[[UserService, Cursors], Any]] = [_user, _roles, _department, _users, _catalog, _person, _change]
ROUNDS = st.lists(
    st.lists(st.tuples(st.sampled_from(EVERYBODY), st.sampled_from(ASKED)), max_size=6),
    max_size=4,
)


async def _ask(service: UserService, cursors: Cursors, principal: Principal, question: Any) -> None:
    own = CONFIGURED if principal is ANYONE else principal.forwarded.get(ACCOUNT, {}).get("authorization")
    try:
        found = await question(service.by(principal), cursors)
    except Forbidden:
        assert not principal.scopes or (question is _change and principal.scopes == READS)
    except Unauthenticated:
        assert own is None
    except IdempotencyInProgress:
        assert question is _change
    else:
        assert principal.scopes
        assert {one.name for one in found} <= {own}


@settings(max_examples=80, deadline=None)
@given(ROUNDS, st.sampled_from([0.0, 30.0]))
async def test_forwarded_credentials_are_kept_apart(rounds: list[Any], ttl: float) -> None:
    """Each answer was made with the asker's own credential, and who brought none or may not read gets none.

    Whoever asks for whatever, at once or later, with anybody's cursor or idempotency key.
    """
    service, cursors = served(Seeing(), ttl=ttl), Cursors([])
    for together in rounds:
        await asyncio.gather(*(_ask(service, cursors, *one) for one in together))


@pytest.mark.parametrize("question", ASKED)
async def test_one_after_another(question: Any) -> None:
    """The same holds for each caller who asks what somebody else, or the program itself, has just asked."""
    for first in (ANYONE, FORWARDING[0], FORWARDING[-1]):
        for second in EVERYBODY:
            service, cursors = served(Seeing()), Cursors([])
            await _ask(service, cursors, first, question)
            await _ask(service, cursors, second, question)


@pytest.mark.parametrize("question", ASKED)
async def test_scopes_come_before_what_is_kept(question: Any) -> None:
    """Who may not read gets nothing that is in memory, or under way, for one who may."""
    wire = Seeing()
    service, cursors = served(wire, forward=False), Cursors([])
    await question(service, cursors)
    wire.gate = asyncio.Event()
    under_way = asyncio.ensure_future(question(service.by(caller("key:b", None)), cursors))
    await asyncio.sleep(0.01)
    for principal in SCOPELESS:
        with pytest.raises(Forbidden):
            await question(service.by(principal), cursors)
    wire.gate.set()
    await under_way


async def test_shared_with_the_configured_credential() -> None:
    """Where all are served with the gateway's own credential, callers share what they may read of reference data."""
    wire = Seeing()
    service = served(wire, forward=False)
    for name in ("key:a", "key:b", "jwt:c"):
        [role, _] = await _roles(service.by(Principal(name, READS)), Cursors([]))
        assert role.name == CONFIGURED
    assert len(wire.asked) == 1


async def test_one_key_of_two_callers() -> None:
    """Two callers who happen on one idempotency key each have their change carried out, and each its own replay."""
    wire = Seeing()
    service = served(wire, forward=False)
    replayed: list[str] = []
    for name in ("key:a", "key:b", "key:a", "key:b"):
        await service.by(Principal(name, frozenset({"users:write"}))).update_account_user(
            "u1", {"name": "n"}, idempotency_key="same", on_replay=lambda: replayed.append("yes")
        )
    assert len(wire.asked) == len(wire.kept) == len(replayed) == 2


async def test_a_change_keeps_its_credential_to_its_end() -> None:
    """A change whose caller has gone is finished with that caller's credential."""
    wire = Seeing(gate=asyncio.Event())
    service = served(wire)
    call = asyncio.ensure_future(_change(service.by(caller("key:a", "Bearer 1")), Cursors([])))
    await asyncio.sleep(0.01)
    call.cancel()
    wire.gate.set()
    await service.drain()
    wire.gate = None
    assert [one.name for one in await _change(service.by(caller("key:a", "Bearer 1")), Cursors([]))] == ["Bearer 1"]
    assert len(wire.asked) == 1


async def test_what_a_caller_is_told_who_brings_nothing() -> None:
    """Who brings no credential is told which header it takes, and nothing is sent."""
    wire = Seeing()
    with pytest.raises(Unauthenticated, match="x-account-token"):
        await _user(served(wire).by(caller("key:a", None)), Cursors([]))
    assert wire.asked == []
