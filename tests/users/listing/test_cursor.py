from base64 import urlsafe_b64decode, urlsafe_b64encode
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from users.fake_lists import make_world

from gateway.errors import BadUserInput
from gateway.users.listing.cursor import Cursors
from gateway.users.listing.position import Anchor, WalkPosition

STATE = {"account": ["position", 1_767_225_600_000_000, 3, "c29tZSBtYXJrcw=="], "reseller": None}


@pytest.fixture
def cursors() -> Cursors:
    """Cursors that are signed with a secret."""
    return Cursors(b"a secret")


def refused(cursors: Cursors, text: str, scope: str = "list") -> None:
    with pytest.raises(BadUserInput) as raised:
        cursors.read(scope, text)
    assert [violation.path for violation in raised.value.violations] == [("after",)]


def test_read_back(cursors: Cursors) -> None:
    """A cursor contains its state, and needs no escaping in a URL."""
    text = cursors.write("list", STATE)
    assert cursors.read("list", text) == STATE
    assert text.replace("-", "").replace("_", "").isalnum()


def test_written_by_earlier_versions(cursors: Cursors) -> None:
    """A cursor that an earlier version or another replica wrote is accepted."""
    text = "AaMwOVzApTrRWyJwb3NpdGlvbiIsNyxudWxsXfXbkBAkyR92zk7NF-8aHlY"
    assert cursors.read("list", text) == ["position", 7, None]
    text = "AqMwOVzApTrRWyJwb3NpdGlvbiIsNyxudWxsXf6SD_c9Hqed84DDiiVVecw"
    assert cursors.write("list", ["position", 7, None]) == text
    assert cursors.read("list", text) == ["position", 7, None]


def test_another_list(cursors: Cursors) -> None:
    """A cursor of another list is refused with a message that states the reason."""
    with pytest.raises(BadUserInput, match="other arguments"):
        cursors.read("another list", cursors.write("list", STATE))


def test_another_secret(cursors: Cursors) -> None:
    """A cursor that was signed with another secret is refused."""
    refused(cursors, Cursors(b"another secret").write("list", STATE))


def test_another_version(cursors: Cursors, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor of another version is refused although its signature is valid."""
    monkeypatch.setattr("gateway.users.listing.cursor._VERSION", b"\x03")
    text = cursors.write("list", STATE)
    monkeypatch.undo()
    refused(cursors, text)


def test_every_bit_counts(cursors: Cursors) -> None:
    """No bit of a cursor can be altered."""
    raw = urlsafe_b64decode(cursors.write("list", [1]) + "==")
    for bit in range(len(raw) * 8):
        altered = bytearray(raw)
        altered[bit // 8] ^= 1 << bit % 8
        refused(cursors, urlsafe_b64encode(altered).decode().rstrip("="))


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text + "=",
        lambda text: text + "A",
        lambda text: text[:-1],
        lambda text: text[:5] + "!" + text[5:],
        lambda text: f" {text}",
        lambda text: text + "\n",
        lambda text: text[::-1],
        lambda text: text * 2,
        lambda _: "",
        lambda _: "AQ",
        lambda _: "ünïcode",
        lambda _: "\ud800",
        lambda _: "A" * 10_000_000,
    ],
)
def test_garbage(cursors: Cursors, alter: object) -> None:
    """A text that is not exactly a cursor is refused as invalid input, whatever it is."""
    refused(cursors, alter(cursors.write("list", STATE)))  # type: ignore[operator]  # a table's column


@settings(derandomize=True, database=None, max_examples=200)
@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    """Any text is refused."""
    refused(Cursors(b"a secret"), text)


@pytest.mark.parametrize(
    "position",
    [
        WalkPosition(),
        WalkPosition(done=True),
        WalkPosition("position"),
        WalkPosition(None, Anchor(-(2**63), (b"123456",), 1)),
        WalkPosition("99", Anchor(1_767_225_600_000_000, (b"123456", b"abcdef"), 2)),
        WalkPosition("99", Anchor(1_767_225_600_000_000, (b"123456", b"abcdef"), 0), exact=True),
    ],
)
def test_walk_position(cursors: Cursors, position: WalkPosition) -> None:
    """A walk position is the same after it was written to a cursor and read back."""
    assert WalkPosition.unpack(cursors.read("list", cursors.write("list", position.pack()))) == position


async def test_length() -> None:
    """A cursor stays below a kilobyte however far a walk has come, and contains no e-mail address of a passed user."""
    pages = await make_world(*[[10] * 500] * 3).walk(100)
    cursors = [page.end_cursor for page in pages if page.end_cursor]
    assert max(map(len, cursors)) < 700
    assert all(cursor != following for cursor, following in pairwise(cursors))
    assert not any(b"example.com" in urlsafe_b64decode(cursor + "==") for cursor in cursors)
