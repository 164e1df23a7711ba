from base64 import urlsafe_b64decode, urlsafe_b64encode
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from users.listed import world

from gateway.errors import BadUserInput
from gateway.users.listing.cursor import Cursors
from gateway.users.listing.position import Anchor, Progress

STATE = {"account": ["position", 1_767_225_600_000_000, 3, "c29tZSBtYXJrcw=="], "reseller": None}


@pytest.fixture
def cursors() -> Cursors:
    """Cursors with a secret."""
    return Cursors(b"a secret")


def refused(cursors: Cursors, text: str, scope: str = "list") -> None:
    with pytest.raises(BadUserInput) as raised:
        cursors.read(scope, text)
    assert [violation.path for violation in raised.value.violations] == [("after",)]


def test_read_back(cursors: Cursors) -> None:
    """A cursor holds its state, and needs no escaping in a URL."""
    text = cursors.write("list", STATE)
    assert cursors.read("list", text) == STATE
    assert text.replace("-", "").replace("_", "").isalnum()


def test_another_list(cursors: Cursors) -> None:
    """A cursor of another list is refused, and the message says so."""
    with pytest.raises(BadUserInput, match="other arguments"):
        cursors.read("another list", cursors.write("list", STATE))


def test_another_secret(cursors: Cursors) -> None:
    """A cursor that was signed with another secret is refused."""
    refused(cursors, Cursors(b"another secret").write("list", STATE))


def test_another_version(cursors: Cursors, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor of another form is refused although its signature is right."""
    monkeypatch.setattr("gateway.users.listing.cursor._VERSION", b"\x02")
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
    """What is no cursor, letter by letter, is refused: as the caller's mistake, whatever it is."""
    refused(cursors, alter(cursors.write("list", STATE)))  # type: ignore[operator]  # a table's column


@settings(derandomize=True, database=None, max_examples=200)
@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    """Any text is refused."""
    refused(Cursors(b"a secret"), text)


@pytest.mark.parametrize(
    "progress",
    [
        Progress(),
        Progress(done=True),
        Progress("position"),
        Progress(None, Anchor(-(2**63), (b"123456",), 1)),
        Progress("99", Anchor(1_767_225_600_000_000, (b"123456", b"abcdef"), 2)),
        Progress("99", Anchor(1_767_225_600_000_000, (b"123456", b"abcdef"), 0), exact=True),
    ],
)
def test_progress(cursors: Cursors, progress: Progress) -> None:
    """A walk's progress goes into a cursor and comes back."""
    assert Progress.unpacked(cursors.read("list", cursors.write("list", progress.packed()))) == progress


async def test_length() -> None:
    """A cursor stays below a kilobyte however far a walk has come, and says nothing of who was passed."""
    pages = await world(*[[10] * 500] * 3).walk(100)
    cursors = [page.end_cursor for page in pages if page.end_cursor]
    assert max(map(len, cursors)) < 700
    assert all(one != another for one, another in pairwise(cursors))
    assert not any(b"example.com" in urlsafe_b64decode(cursor + "==") for cursor in cursors)
