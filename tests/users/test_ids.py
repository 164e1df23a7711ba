import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadUserInput, Violation
from gateway.users.ids import Kind, Ref, can_exist, decode, encode, ref_of, resolve
from gateway.users.model import Department, Organization, Role, User, UserSource

source_ids = st.text(min_size=1, max_size=60).filter(can_exist)
TENANTED = {(UserSource.RESELLER, Kind.USER), (UserSource.RESELLER, Kind.ORGANIZATION)}


@st.composite
def refs(draw: st.DrawFn) -> Ref:
    """Every reference that can be made."""
    kind, source = draw(st.sampled_from(Kind)), draw(st.sampled_from(UserSource))
    tenant = draw(source_ids) if (source, kind) in TENANTED else ""
    return Ref(kind, source, draw(source_ids), tenant)


@given(refs())
def test_round_trip(ref: Ref) -> None:
    """An id means the record that it was made of, and can stand in a URL as it is."""
    text = encode(ref)
    assert decode(text) == ref
    assert text.isascii()
    assert all(c.isalnum() or c in "-_" for c in text)


@given(refs(), refs())
def test_distinct(one: Ref, other: Ref) -> None:
    """Two records never share an id."""
    assert (encode(one) == encode(other)) is (one == other)


@given(st.one_of(st.text(), st.text(alphabet="ABCDabcd0123-_=", max_size=80)))
def test_garbage_is_no_id(text: str) -> None:
    """A text that this gateway did not make is no global id, and reading it never fails."""
    assert decode(text) is None


@given(refs(), st.sampled_from(["=", "==", " ", "\n", "A", "%"]))
def test_one_spelling(ref: Ref, addition: str) -> None:
    """An id has one spelling: padding, white space or another letter make it none."""
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
    """An id made by hand names no record that a source cannot have; `..` would lead to another endpoint."""
    assert decode(encode(ref)) is None


@given(refs(), st.sampled_from(Kind), st.sampled_from([*UserSource, None]))
def test_wrong_kind_or_system(ref: Ref, kind: Kind, source: UserSource | None) -> None:
    """A global id serves only where its kind and its system are asked for; the complaint names the argument."""
    if ref.kind is kind and source in {None, ref.source}:
        assert resolve(encode(ref), kind, source=source, tenant="ignored") == ref
        return
    with pytest.raises(BadUserInput) as caught:
        resolve(encode(ref), kind, source=source, path=("change", "role_id"))
    assert [v.path for v in caught.value.violations] == [("change", "role_id")]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"source": UserSource.ACCOUNT}, Ref(Kind.USER, UserSource.ACCOUNT, "acus_1")),
        ({"default": UserSource.SOFTWAREONE}, Ref(Kind.USER, UserSource.SOFTWAREONE, "acus_1")),
        ({"source": UserSource.RESELLER, "tenant": "t"}, Ref(Kind.USER, UserSource.RESELLER, "acus_1", "t")),
    ],
)
def test_own_ids(named: dict, expected: Ref) -> None:
    """A source's own id is good where it is plain which source is meant."""
    assert resolve("acus_1", Kind.USER, **named) == expected


@pytest.mark.parametrize("text", [".", "..", "", " ", "a\nb", "\ud800", "x" * 256])
def test_impossible_own_ids(text: str) -> None:
    """A text that would lead a call astray is no source's id."""
    with pytest.raises(BadUserInput) as caught:
        resolve(text, Kind.USER, source=UserSource.ACCOUNT)
    assert caught.value.violations == (Violation(("id",), "is no id that a source could have given"),)


def test_own_id_without_system() -> None:
    """A source's own id without a source is refused with what to do about it."""
    with pytest.raises(BadUserInput, match="name the source too"):
        resolve("acus_1", Kind.USER)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (User(UserSource.RESELLER, "u", "t"), Ref(Kind.USER, UserSource.RESELLER, "u", "t")),
        (Role(UserSource.ACCOUNT, "r", "R"), Ref(Kind.ROLE, UserSource.ACCOUNT, "r")),
        (Department("d"), Ref(Kind.DEPARTMENT, UserSource.ACCOUNT, "d")),
        (Organization("t", "o"), Ref(Kind.ORGANIZATION, UserSource.RESELLER, "o", "t")),
    ],
)
def test_ref_of(record: User | Role | Department | Organization, expected: Ref) -> None:
    """Every record knows its reference, and the reference survives the id."""
    assert ref_of(record) == expected
    assert decode(encode(expected)) == expected
