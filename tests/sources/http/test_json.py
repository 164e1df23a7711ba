from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Outcome, SourceInvalidResponse
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import CamelWire, Instant, Shape, Wire, read, read_changed


class Thing(CamelWire, frozen=True):
    """A source's object."""

    id: str
    full_name: str | None = None
    created_at: Instant | None = None


class Plain(Wire, frozen=True):
    """Another, in snake case."""

    created_at: Instant | None = None


THING = Shape(Thing)


def said(body: bytes, method: str = "GET", status: int = 200) -> tuple[Request, Response]:
    return Request("account", method, "u", "/x"), Response(status, {}, body)


def test_reads() -> None:
    """Known names are read, unknown ones passed over, missing ones left empty, in the spelling of the source."""
    body = b'{"id":"1","fullName":null,"createdAt":null,"new":{"x":[1]}}'
    assert read(THING, *said(body)) == Thing(id="1")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"x"', b"{}", b"NaN", b"<!doctype html><p>hello", b"\xff\xfe"),
        *(b'{"id":1}', b'{"id":"1"', b'{"id":"1","fullName":{}}'),
        *(b'{"id":"1","createdAt":"yesterday"}', b'{"id":"1","createdAt":5}'),
    ],
)
@pytest.mark.parametrize(("method", "outcome"), [("GET", None), ("PUT", Outcome.UNKNOWN)])
def test_not_the_documented_shape(body: bytes, method: str, outcome: Outcome | None) -> None:
    """What is no JSON or another shape is the source's fault, and after a change its outcome is unknown."""
    with pytest.raises(SourceInvalidResponse) as caught:
        read(THING, *said(body, method))
    assert caught.value.outcome is outcome
    assert caught.value.origin.source == "account"


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, b'{"id":"1"}', Thing(id="1")),
        *((status, body, None) for status in (200, 201, 204) for body in (b"", b"\n")),
    ],
)
def test_a_change_without_an_answer(status: int, body: bytes, found: Thing | None) -> None:
    """After a change an answer without a body says that it is done."""
    assert read_changed(THING, *said(body, "PUT", status)) == found


@pytest.mark.parametrize(("status", "body"), [(202, b""), (202, b"{}"), (200, b"{}"), (200, b"<html>")])
def test_a_change_that_is_not_done(status: int, body: bytes) -> None:
    """202 says that a change is still to be done, and of what cannot be read nobody knows what it says."""
    with pytest.raises(SourceInvalidResponse) as caught:
        read_changed(THING, *said(body, "PUT", status))
    assert caught.value.outcome is Outcome.UNKNOWN


def test_the_log_holds_no_data() -> None:
    """Where the shape differs is for the log; what the source sent is for nobody."""
    with pytest.raises(SourceInvalidResponse) as caught:
        read(THING, *said(b'{"id":{"secret":"ada@example.com"}}'))
    told = str(caught.value) + str(caught.value.__cause__)
    assert "ada@" not in told
    assert "$.id" in told


@pytest.mark.parametrize(
    ("text", "kept", "moment"),
    [
        ("2026-05-10T00:23:00Z", None, datetime(2026, 5, 10, 0, 23, tzinfo=UTC)),
        ("2026-05-10T02:23:00.886+02:00", None, datetime(2026, 5, 10, 0, 23, 0, 886000, tzinfo=UTC)),
        ("2018-05-01T07:53:56.0095476Z", None, datetime(2018, 5, 1, 7, 53, 56, 9547, tzinfo=UTC)),
        (
            "2018-05-01T07:53:56.0095476",
            "2018-05-01T07:53:56.0095476Z",
            datetime(2018, 5, 1, 7, 53, 56, 9547, tzinfo=UTC),
        ),
        ("2026-05-10t00:23:00.5z", None, datetime(2026, 5, 10, 0, 23, 0, 500000, tzinfo=UTC)),
        ("2026-05-10T00:23:00z", None, datetime(2026, 5, 10, 0, 23, tzinfo=UTC)),
        ("2018-05-01", "2018-05-01T00:00:00Z", datetime(2018, 5, 1, tzinfo=UTC)),
    ],
)
def test_instants(text: str, kept: str | None, moment: datetime) -> None:
    """A time is kept to its last digit as the source wrote it; without an offset it is UTC."""
    found = read(Shape(Plain), *said(orjson.dumps({"created_at": text}))).created_at
    assert found == (kept or text)
    assert found.instant() == moment


@given(st.one_of(st.datetimes().map(datetime.isoformat), st.dates().map(str), st.text(max_size=25)))
def test_every_instant_is_one(text: str) -> None:
    """What was read as a time can be counted with."""
    try:
        found = read(Shape(Plain), *said(orjson.dumps({"created_at": text}))).created_at
    except SourceInvalidResponse:
        return
    assert found.instant().tzinfo is not None
