import uuid
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from gateway.users.idempotency import new_key, source_key
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource

TARGETS = [
    None,
    Ref(Kind.USER, UserSource.ACCOUNT, "u1"),
    Ref(Kind.USER, UserSource.ACCOUNT, "u2"),
    Ref(Kind.USER, UserSource.RESELLER, "u1", "t1"),
    Ref(Kind.USER, UserSource.RESELLER, "u1", "t2"),
    Ref(Kind.USER, UserSource.SOFTWAREONE, "u1"),
]


@given(st.text())
def test_distinct(key: str) -> None:
    """One caller's key is another one at the source for every operation and target, and nothing of it shows there."""
    made = {source_key(key, operation, target) for operation, target in product(("create", "update"), TARGETS)}
    assert len(made) == 2 * len(TARGETS)
    assert all(str(uuid.UUID(text)) == text for text in made)


@given(st.text(), st.text())
def test_follows_the_caller(one: str, other: str) -> None:
    """The same key stays the same, another is another."""
    assert (source_key(one, "update", TARGETS[1]) == source_key(other, "update", TARGETS[1])) is (one == other)


@given(st.text(max_size=5), st.text(max_size=5), st.text(min_size=1, max_size=5), st.text(max_size=5))
def test_callers(key: str, other: str, principal: str, another: str) -> None:
    """Two callers' keys are never one at the source, whatever they choose, and each caller's own stays the same."""
    one, two = source_key(key, "update", TARGETS[1], principal), source_key(other, "update", TARGETS[1], another)
    assert (one == two) is ((key, principal) == (other, another))


def test_stable() -> None:
    """A key made by an earlier version of the gateway still means the same call."""
    made = source_key("k", "updateAccountUser", TARGETS[1])
    assert made == "40b794a0-4d18-4762-bc9f-f174a1e4ff3a"


def test_any_header() -> None:
    """A header that is no UTF-8 is a key as good as any."""
    assert source_key("\udcff", "update", None) != source_key("\udcfe", "update", None)


def test_fresh() -> None:
    """A caller without a key gets one that no other call has."""
    assert len({new_key() for _ in range(100)}) == 100
