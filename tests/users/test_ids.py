import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadUserInput, Rule, SourceInvalidResponse, Violation
from gateway.users.ids import Kind, Ref, can_exist, decode, encode, ref_of, resolve
from gateway.users.model import (
    Account,
    Actor,
    Address,
    Branding,
    Department,
    Geolocation,
    Identified,
    Location,
    Machine,
    MarketplaceAccount,
    Organization,
    PlatformUser,
    Portal,
    ProductionStep,
    Role,
    ScanningStation,
    User,
    UserSource,
)

source_ids = st.text(min_size=1, max_size=60).filter(can_exist)
TENANTED = {(UserSource.RESELLER, Kind.USER), (UserSource.RESELLER, Kind.ORGANIZATION)}


@st.composite
def refs(draw: st.DrawFn) -> Ref:
    """Draw any possible reference."""
    kind, source = draw(st.sampled_from(sorted(Kind))), draw(st.sampled_from(UserSource))
    tenant = draw(source_ids) if (source, kind) in TENANTED else ""
    return Ref(kind, source, draw(source_ids), tenant)


@given(refs())
def test_round_trip(ref: Ref) -> None:
    """An id decodes to the reference that it was encoded from, and needs no escaping in a URL."""
    text = encode(ref)
    assert decode(text) == ref
    assert text.isascii()
    assert all(c.isalnum() or c in "-_" for c in text)


@given(refs(), refs())
def test_distinct(ref: Ref, other: Ref) -> None:
    """Two records never have the same id."""
    assert (encode(ref) == encode(other)) is (ref == other)


@given(st.one_of(st.text(), st.text(alphabet="ABCDabcd0123-_=", max_size=80)))
def test_garbage_is_no_id(text: str) -> None:
    """A text that the gateway did not encode is not a global id, and decoding it does not raise."""
    assert decode(text) is None


@given(refs(), st.sampled_from(["=", "==", " ", "\n", "A", "%"]))
def test_one_spelling(ref: Ref, addition: str) -> None:
    """An id has one spelling: with padding, white space or another character it is not an id."""
    assert decode(encode(ref) + addition) is None
    assert decode(addition + encode(ref)) is None


@pytest.mark.parametrize(
    "ref",
    [
        Ref(Kind.USER, UserSource.ACCOUNT, ""),
        Ref(Kind.USER, UserSource.ACCOUNT, "."),
        Ref(Kind.USER, UserSource.ACCOUNT, ".."),
        Ref(Kind.USER, UserSource.ACCOUNT, "a\nb"),
        Ref(Kind.USER, UserSource.ACCOUNT, "x" * 256),
        Ref(Kind.USER, UserSource.RESELLER, "u", "."),
        Ref(Kind.USER, UserSource.RESELLER, "u", ".."),
        Ref(Kind.USER, UserSource.RESELLER, "u", "a\x00"),
        Ref(Kind.USER, UserSource.RESELLER, "u", ""),
        Ref(Kind.ORGANIZATION, UserSource.RESELLER, "o", ""),
        Ref(Kind.USER, UserSource.ACCOUNT, "u", "a-tenant"),
    ],
    ids=repr,
)
def test_forged(ref: Ref) -> None:
    """A forged id of an impossible record is not an id, because for example `..` leads to another endpoint."""
    assert decode(encode(ref)) is None


@given(refs(), st.sampled_from(sorted(Kind)), st.sampled_from([*UserSource, None]))
def test_wrong_kind_or_source(ref: Ref, kind: Kind, source: UserSource | None) -> None:
    """A global id of another kind or source is refused, and the violation has the path of the argument."""
    if ref.kind is kind and source in {None, ref.source}:
        assert resolve(encode(ref), kind, source=source, tenant="ignored") == ref
        return
    with pytest.raises(BadUserInput) as caught:
        resolve(encode(ref), kind, source=source, path=("change", "role_id"))
    assert [violation.path for violation in caught.value.violations] == [("change", "role_id")]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"source": UserSource.ACCOUNT}, Ref(Kind.USER, UserSource.ACCOUNT, "acus_1")),
        ({"default": UserSource.SOFTWAREONE}, Ref(Kind.USER, UserSource.SOFTWAREONE, "acus_1")),
        ({"source": UserSource.RESELLER, "tenant": "t"}, Ref(Kind.USER, UserSource.RESELLER, "acus_1", "t")),
    ],
)
def test_source_ids(named: dict, expected: Ref) -> None:
    """A source id is accepted if the source is given."""
    assert resolve("acus_1", Kind.USER, **named) == expected


@pytest.mark.parametrize("text", [".", "..", "", " ", "a\nb", "\ud800", "x" * 256])
def test_impossible_source_ids(text: str) -> None:
    """A text that would change the path of a call is not a valid source id."""
    with pytest.raises(BadUserInput) as caught:
        resolve(text, Kind.USER, source=UserSource.ACCOUNT)
    assert caught.value.violations == (Violation(("id",), "is not a valid source id", Rule.FORMAT, {"format": "id"}),)


def test_source_id_without_source() -> None:
    """A source id without a source is refused with a message that states what to do."""
    with pytest.raises(BadUserInput, match="name the source too"):
        resolve("acus_1", Kind.USER)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (User(UserSource.RESELLER, "u", "t"), Ref(Kind.USER, UserSource.RESELLER, "u", "t")),
        (Role(UserSource.ACCOUNT, "r", "R"), Ref(Kind.ROLE, UserSource.ACCOUNT, "r")),
        (Department("d"), Ref(Kind.DEPARTMENT, UserSource.ACCOUNT, "d")),
        (Organization("t", "o"), Ref(Kind.ORGANIZATION, UserSource.RESELLER, "o", "t")),
        (Account("a", "A"), Ref(Kind.ACCOUNT, UserSource.ACCOUNT, "a")),
        (Location("l", "L", "bin"), Ref(Kind.LOCATION, UserSource.ACCOUNT, "l")),
        (Machine("m", "M"), Ref(Kind.MACHINE, UserSource.ACCOUNT, "m")),
        (ScanningStation("s", "S", "init_batch"), Ref(Kind.SCANNING_STATION, UserSource.ACCOUNT, "s")),
        (ProductionStep("p", "P"), Ref(Kind.PRODUCTION_STEP, UserSource.ACCOUNT, "p")),
        (Address("a", "A"), Ref(Kind.ADDRESS, UserSource.ACCOUNT, "a")),
        (Geolocation("g"), Ref(Kind.GEOLOCATION, UserSource.ACCOUNT, "g")),
        (Branding("b"), Ref(Kind.BRANDING, UserSource.ACCOUNT, "b")),
        (Portal("p", "slug"), Ref(Kind.PORTAL, UserSource.ACCOUNT, "p")),
        (PlatformUser("u"), Ref(Kind.PLATFORM_USER, UserSource.ACCOUNT, "u")),
        (MarketplaceAccount("a"), Ref(Kind.MARKETPLACE_ACCOUNT, UserSource.SOFTWAREONE, "a")),
        (Actor("t"), Ref(Kind.ACTOR, UserSource.SOFTWAREONE, "t")),
    ],
)
def test_ref_of(record: Identified, expected: Ref) -> None:
    """Every record has a reference, which can be encoded and decoded, and the global id is that of it."""
    assert ref_of(record) == expected
    assert decode(encode(expected)) == expected
    assert record.id == encode(expected)


@pytest.mark.parametrize("record", [User(UserSource.ACCOUNT, ""), Department(""), Actor("")])
def test_record_without_an_id(record: Identified) -> None:
    """A record that its source sent without an id has no global id: all such records would share one."""
    with pytest.raises(SourceInvalidResponse, match="without its id"):
        _ = record.id
