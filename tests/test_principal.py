"""Principals: their scopes, their identities, and the principal of the running operation."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Forbidden
from gateway.operation import acting_as, current_principal
from gateway.principal import ANYONE, Action, Principal, scopes
from gateway.users.model import UserSource

ACCOUNT, SOFTWAREONE, RESELLER = UserSource
READ, WRITE = Action


@pytest.mark.parametrize("given_scopes", [["users:read"], {"users:read"}, ("users:read",)], ids=str)
def test_scopes_of_other_types(given_scopes: Any) -> None:
    """Scopes that are given as another collection are the same; one text is refused, since it is a collection too."""
    assert Principal("a", given_scopes) == Principal("a", frozenset({"users:read"}))
    assert hash(Principal("a", given_scopes))
    with pytest.raises(TypeError, match="not one text"):
        Principal("a", "users:read")  # type: ignore[arg-type]  # what is refused


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
    """A scope permits one action, in all sources or in the one that it names, and not the other action."""
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
    """There is a scope for each action, for each action in each source, and for seeing the calls to sources."""
    assert len(scopes(UserSource)) == 9
    assert {"users:read", "users:write:reseller", "calls:read"} < scopes(UserSource)


def test_readable() -> None:
    """The readable sources are in a fixed order; without any, the error names the missing scope."""
    assert Principal("key:a", frozenset({"users:read:reseller", "users:read:account"})).readable(UserSource) == (
        ACCOUNT,
        RESELLER,
    )
    with pytest.raises(Forbidden, match="users:read"):
        Principal("key:a", frozenset({"users:write"})).readable(UserSource)


def test_the_program_may_do_all() -> None:
    """The embedding program has all scopes, and is the principal by default."""
    assert all(ANYONE.may(action, source) for action in Action for source in UserSource)
    assert current_principal.get() is ANYONE


def test_secrets_are_in_no_text() -> None:
    """A forwarded credential is in neither the repr, the identity nor the key of the credential."""
    principal = Principal("key:a", forwarded={ACCOUNT: {"authorization": "Bearer s3cret"}})
    assert "s3cret" not in repr(principal) + principal.identity + principal.credential(ACCOUNT)


HEADERS = st.dictionaries(st.sampled_from(["authorization", "x-other"]), st.text(max_size=3))
PRINCIPALS = st.builds(
    lambda name, forwarded: Principal(name, forwarded=forwarded),
    st.text(max_size=4),
    st.dictionaries(st.sampled_from(list(UserSource)), HEADERS),
)


@given(PRINCIPALS, PRINCIPALS)
def test_identities(first: Principal, second: Principal) -> None:
    """Two principals have the same identity if and only if name and forwarded credentials are equal."""
    same = (first.name, first.forwarded) == (second.name, second.forwarded)
    assert (first.identity == second.identity) is same


def test_a_name_that_looks_like_an_identity() -> None:
    """A name that is made of the identity of a caller with credentials is not that caller."""
    forwarding = Principal("ann", forwarded={ACCOUNT: {"authorization": "guessed"}})
    assert Principal(forwarding.identity).identity != forwarding.identity


@given(PRINCIPALS, PRINCIPALS)
def test_credentials(first: Principal, second: Principal) -> None:
    """Only callers without forwarded credentials share a key, and none shares it with the embedding program."""
    for source in UserSource:
        if first.credential(source) == second.credential(source) and first.identity != second.identity:
            assert source not in first.forwarded
            assert source not in second.forwarded
        assert first.credential(source) != ANYONE.credential(source)


async def test_on_whose_behalf() -> None:
    """The principal is set inside the block and in tasks started inside, until they end, and nowhere else."""
    ada = Principal("key:ada")

    async def later() -> Principal:
        await asyncio.sleep(0)
        return current_principal.get()

    with acting_as(ada):
        task = asyncio.ensure_future(later())
        assert current_principal.get() is ada
    assert current_principal.get() is ANYONE
    assert await task is ada
