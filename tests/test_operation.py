import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Forbidden
from gateway.operation import ANYONE, Action, Principal, acting_as, current_principal, scopes
from gateway.users.model import UserSource

ACCOUNT, SOFTWAREONE, RESELLER = UserSource
READ, WRITE = Action


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("users:read", {(READ, source) for source in UserSource}),
        ("users:write", {(WRITE, source) for source in UserSource}),
        ("users:read:account", {(READ, ACCOUNT)}),
        ("users:write:softwareone", {(WRITE, SOFTWAREONE)}),
        ("users", set()),
        ("users:read:", set()),
        ("", set()),
    ],
)
def test_scopes(scope: str, allowed: set[tuple[Action, UserSource]]) -> None:
    """A scope allows one action, in all systems or in the one that it names; neither allows the other."""
    principal = Principal("key:a", frozenset({scope}))
    for action in Action:
        for source in UserSource:
            assert principal.may(action, source) is ((action, source) in allowed)
            if (action, source) in allowed:
                principal.require(action, source)
            else:
                with pytest.raises(Forbidden, match=f"{action} or {action}:{source}"):
                    principal.require(action, source)


def test_vocabulary() -> None:
    """There are a scope for each action and one for each action in each system."""
    assert len(scopes(UserSource)) == 8
    assert {"users:read", "users:write:reseller"} < scopes(UserSource)


def test_readable() -> None:
    """The systems that may be read are told in one order; who may read none is told what is missing."""
    assert Principal("key:a", frozenset({"users:read:reseller", "users:read:account"})).readable(UserSource) == (
        ACCOUNT,
        RESELLER,
    )
    with pytest.raises(Forbidden, match="users:read"):
        Principal("key:a", frozenset({"users:write"})).readable(UserSource)


def test_the_program_may_do_all() -> None:
    """The program around the gateway has every scope, and is who acts where nobody else does."""
    assert all(ANYONE.may(action, source) for action in Action for source in UserSource)
    assert current_principal.get() is ANYONE


def test_secrets_are_in_no_text() -> None:
    """A forwarded credential shows neither in the repr nor in the identity."""
    principal = Principal("key:a", forwarded={ACCOUNT: {"authorization": "Bearer s3cret"}})
    assert "s3cret" not in repr(principal) + principal.identity + principal.credential(ACCOUNT)


HEADERS = st.dictionaries(st.sampled_from(["authorization", "x-other"]), st.text(max_size=3))
PRINCIPALS = st.builds(
    lambda name, forwarded: Principal(name, forwarded=forwarded),
    st.text(max_size=4),
    st.dictionaries(st.sampled_from(list(UserSource)), HEADERS),
)


@given(PRINCIPALS, PRINCIPALS)
def test_identities(one: Principal, other: Principal) -> None:
    """Two principals are of one identity exactly when name and forwarded credentials are the same."""
    same = (one.name, one.forwarded) == (other.name, other.forwarded)
    assert (one.identity == other.identity) is same


@given(PRINCIPALS, PRINCIPALS)
def test_credentials(one: Principal, other: Principal) -> None:
    """What was read with a forwarded credential is shared with nobody, and no caller's is shared with the program."""
    for source in UserSource:
        if one.credential(source) == other.credential(source) and one.identity != other.identity:
            assert source not in one.forwarded
            assert source not in other.forwarded
        assert one.credential(source) != ANYONE.credential(source)


async def test_on_whose_behalf() -> None:
    """Who acts is said inside, in the tasks begun inside until they end, and nowhere else."""
    ada = Principal("key:ada")

    async def later() -> Principal:
        await asyncio.sleep(0)
        return current_principal.get()

    with acting_as(ada):
        task = asyncio.ensure_future(later())
        assert current_principal.get() is ada
    assert current_principal.get() is ANYONE
    assert await task is ada
