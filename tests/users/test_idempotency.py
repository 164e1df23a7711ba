import uuid
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadUserInput, Rule, Violation
from gateway.users.idempotency import from_bytes, random_key, source_key, to_bytes
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
    """A caller's key becomes another source key, a UUID, for every operation and target."""
    made = {source_key(key, operation, target) for operation, target in product(("create", "update"), TARGETS)}
    assert len(made) == 2 * len(TARGETS)
    assert all(str(uuid.UUID(text)) == text for text in made)


@given(st.text(), st.text())
def test_follows_the_caller(key: str, other: str) -> None:
    """Equal keys of callers give equal source keys, different ones give different ones."""
    assert (source_key(key, "update", TARGETS[1]) == source_key(other, "update", TARGETS[1])) is (key == other)


@given(st.text(max_size=5), st.text(max_size=5), st.text(min_size=1, max_size=5), st.text(max_size=5))
def test_callers(key: str, other: str, principal: str, another: str) -> None:
    """Two callers never get the same source key, whatever keys they choose, and one caller always gets the same."""
    first, second = source_key(key, "update", TARGETS[1], principal), source_key(other, "update", TARGETS[1], another)
    assert (first == second) is ((key, principal) == (other, another))


def test_stable() -> None:
    """Source keys are the same as in earlier versions of the gateway."""
    made = source_key("k", "updateAccountUser", TARGETS[1])
    assert made == "40b794a0-4d18-4762-bc9f-f174a1e4ff3a"


def test_any_header() -> None:
    """A key from a header that is not valid UTF-8 is accepted."""
    assert source_key("\udcff", "update", None) != source_key("\udcfe", "update", None)


def test_random() -> None:
    """Every random key is different."""
    assert len({random_key() for _ in range(100)}) == 100


def test_a_stored_refusal() -> None:
    """A stored refusal has its violations again; one of another version may have no rule, or one that is not known."""
    violation = Violation(("change", "icon"), "must be small", Rule.MAX_BYTES, {"max": 5})
    stored = to_bytes(BadUserInput.of([violation]))
    found = from_bytes(stored)
    assert isinstance(found, BadUserInput)
    assert found.violations == (violation,)
    for other in (b'"rule":"later"', b'"from":"before"'):
        read = from_bytes(stored.replace(b'"rule":"maxBytes"', other))
        assert isinstance(read, BadUserInput)
        assert [each.rule for each in read.violations] == [Rule.INVALID]
