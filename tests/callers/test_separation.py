"""A caller never gets data that was read or changed with the credential of another caller."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from callers.credential_echo import ACCOUNT, CONFIGURED, CredentialEcho, bound, caller, provided_by, service_over
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Forbidden, IdempotencyInProgress, Unauthenticated
from gateway.principal import ANYONE, Principal
from gateway.sources.http.credentials import Credential
from gateway.sources.http.provided import ProvidedCredentials
from gateway.users.ids import Kind, Ref
from gateway.users.planning import Plan
from gateway.users.service import UserService

READS = frozenset({"users:read"})
FORWARDING = [caller(name, credential) for name in ("", "key:a", "jwt:b") for credential in ("Bearer 1", "Bearer 2")]
WITHOUT = [caller("key:a", None), caller("", None), Principal("key:by-hand", READS)]
SCOPELESS = [caller("key:c", "Bearer 1", frozenset()), Principal("key:none")]
ALL_CALLERS = [*FORWARDING, *WITHOUT, *SCOPELESS, ANYONE]


@dataclass
class Cursors:
    """The cursors of all callers: a caller may send that of another one."""

    returned: list[str]


async def _user(service: UserService, _: Cursors) -> list[Any]:
    return [await service.get_user("u1", ACCOUNT)]


async def _roles(service: UserService, _: Cursors) -> list[Any]:
    loaders = service.loaders(Plan())
    return list(await asyncio.gather(*(loaders.load(Ref(Kind.ROLE, ACCOUNT, name)) for name in ("r1", "r2"))))


async def _department(service: UserService, _: Cursors) -> list[Any]:
    return [await service.get_department("d1")]


async def _users(service: UserService, cursors: Cursors) -> list[Any]:
    page = await service.list_users(first=3, after=cursors.returned[-1] if cursors.returned else None)
    if page.end_cursor:
        cursors.returned.append(page.end_cursor)
    return [edge.node for edge in page.edges]


async def _directory_page(service: UserService, _: Cursors) -> list[Any]:
    return [edge.node for edge in (await service.list_roles(first=2)).edges]


async def _person(service: UserService, _: Cursors) -> list[Any]:
    return list((await service.find_person("one@example.com")).users)


async def _change(service: UserService, _: Cursors) -> list[Any]:
    return [await service.update_account_user("u1", {"name": "same"}, idempotency_key="same")]


REQUESTS: list[Callable[[UserService, Cursors], Any]] = [
    _user,
    _roles,
    _department,
    _users,
    _directory_page,
    _person,
    _change,
]
ROUNDS = st.lists(
    st.lists(st.tuples(st.sampled_from(ALL_CALLERS), st.sampled_from(REQUESTS)), max_size=6),
    max_size=4,
)


async def _check(service: UserService, cursors: Cursors, principal: Principal, request: Any) -> None:
    """Make a request and check that all of its data was read with the credential of the principal."""
    credential = CONFIGURED if principal is ANYONE else principal.forwarded.get(ACCOUNT, {}).get("authorization")
    try:
        found = await request(service.by(principal), cursors)
    except Forbidden:
        assert not principal.scopes or (request is _change and principal.scopes == READS)
    except Unauthenticated:
        assert credential is None
    except IdempotencyInProgress:
        assert request is _change
    else:
        assert principal.scopes
        assert {record.name for record in found} <= {credential}


@settings(max_examples=80)
@given(ROUNDS, st.sampled_from([0.0, 30.0]))
async def test_forwarded_credentials_are_kept_apart(rounds: list[Any], ttl: float) -> None:
    """Each caller gets only data that was read with its credential, and none without a credential or a scope.

    This holds for all requests, concurrent or later, with the cursor or the idempotency key of any caller.
    """
    service, cursors = service_over(CredentialEcho(), ttl=ttl), Cursors([])
    for requests in rounds:
        await asyncio.gather(*(_check(service, cursors, *request) for request in requests))


async def _provide(_: str, principal: Principal) -> Credential | None:
    """Provide for each tenant, which is the beginning of a name, a credential that expires at once; for others none."""
    await asyncio.sleep(0)
    tenant = principal.name.partition(":")[0]
    return Credential({"authorization": f"Bearer {tenant}"}, expires=0) if tenant else None


class _ProvideForTenants:
    """The same, shared by the callers of a tenant."""

    __call__ = staticmethod(_provide)

    def credential_key(self, _: str, principal: Principal) -> str | None:
        return principal.name.partition(":")[0] or None


PROVIDED = [Principal(name, frozenset({"users:read", "users:write"})) for name in ("", "n:ann", "n:ben", "s:ann", "s")]


async def _check_provided(
    service: UserService, provided: ProvidedCredentials, cursors: Cursors, principal: Principal, request: Any
) -> None:
    tenant = principal.name.partition(":")[0]
    try:
        found = await request(service.by(bound(principal, provided)), cursors)
    except IdempotencyInProgress:
        assert request is _change
    else:
        assert {record.name for record in found} <= {f"Bearer {tenant}" if tenant else CONFIGURED}


@settings(max_examples=60)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([*PROVIDED, ANYONE]), st.sampled_from(REQUESTS)), max_size=6), max_size=4
    ),
    st.sampled_from([0.0, 30.0]),
    st.sampled_from([_provide, _ProvideForTenants()]),
)
async def test_provided_credentials_are_kept_apart(rounds: list[Any], ttl: float, provide: Any) -> None:
    """The same holds for credentials that the embedding program provides, for each caller or for each tenant."""
    provided = provided_by(provide)
    service, cursors = service_over(CredentialEcho(), forward=False, ttl=ttl, provided=provided), Cursors([])
    for requests in rounds:
        await asyncio.gather(*(_check_provided(service, provided, cursors, *request) for request in requests))


@pytest.mark.parametrize("request_", REQUESTS)
async def test_one_after_another(request_: Any) -> None:
    """The same holds for a request that another caller, or the embedding program, has just made."""
    for first in (ANYONE, FORWARDING[0], FORWARDING[-1]):
        for second in ALL_CALLERS:
            service, cursors = service_over(CredentialEcho()), Cursors([])
            await _check(service, cursors, first, request_)
            await _check(service, cursors, second, request_)


@pytest.mark.parametrize("request_", REQUESTS)
async def test_scopes_come_before_what_is_kept(request_: Any) -> None:
    """A caller without a scope gets neither cached data nor the result of a running call of another caller."""
    transport = CredentialEcho()
    service, cursors = service_over(transport, forward=False), Cursors([])
    await request_(service, cursors)
    transport.unblocked = asyncio.Event()
    running = asyncio.ensure_future(request_(service.by(caller("key:b", None)), cursors))
    await asyncio.sleep(0.01)  # it waits for its call, or has ended where that is kept
    for principal in SCOPELESS:
        with pytest.raises(Forbidden):
            await request_(service.by(principal), cursors)
    transport.unblocked.set()
    await running


async def test_shared_with_the_configured_credential() -> None:
    """With the configured credential, reference data is cached for all callers that may read it."""
    transport = CredentialEcho()
    service = service_over(transport, forward=False)
    for name in ("key:a", "key:b", "jwt:c"):
        [role, _] = await _roles(service.by(Principal(name, READS)), Cursors([]))
        assert role.name == CONFIGURED
    assert len(transport.calls) == 1


async def test_one_key_of_two_callers() -> None:
    """The changes of two callers with the same idempotency key are both executed, and each caller gets its replay."""
    transport = CredentialEcho()
    service = service_over(transport, forward=False)
    replayed: list[str] = []
    for name in ("key:a", "key:b", "key:a", "key:b"):
        await service.by(Principal(name, frozenset({"users:write"}))).update_account_user(
            "u1", {"name": "n"}, idempotency_key="same", on_replay=lambda: replayed.append("yes")
        )
    assert len(transport.calls) == len(transport.results) == len(replayed) == 2


async def test_a_change_keeps_its_credential_to_its_end() -> None:
    """A change whose caller has disconnected is finished with the credential of that caller."""
    transport = CredentialEcho(unblocked=asyncio.Event())
    service = service_over(transport)
    call = asyncio.ensure_future(_change(service.by(caller("key:a", "Bearer 1")), Cursors([])))
    await transport.called.wait()
    call.cancel()
    transport.unblocked.set()
    await service.drain()
    transport.unblocked = None
    assert [user.name for user in await _change(service.by(caller("key:a", "Bearer 1")), Cursors([]))] == ["Bearer 1"]
    assert len(transport.calls) == 1


async def test_a_caller_without_a_credential() -> None:
    """A caller without a credential gets an error with the required header, and the source is not called."""
    transport = CredentialEcho()
    with pytest.raises(Unauthenticated, match="x-account-token"):
        await _user(service_over(transport).by(caller("key:a", None)), Cursors([]))
    assert transport.calls == []
