from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Outcome, SourceInvalidResponse
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import CamelWire, JsonDecoder, Wire, decode_change_response, decode_response
from gateway.users.model import Timestamp


class Thing(CamelWire, frozen=True):
    """An object with camelCase names."""

    id: str
    full_name: str | None = None
    created_at: Timestamp | None = None


class Plain(Wire, frozen=True):
    """An object with snake_case names."""

    created_at: Timestamp | None = None


THING = JsonDecoder(Thing)


def exchange(body: bytes, method: str = "GET", status: int = 200) -> tuple[Request, Response]:
    return Request("account", method, "u", "/x"), Response(status, {}, body)


def test_tolerance() -> None:
    """Known fields are decoded by their names, unknown ones are ignored, and absent ones are None."""
    body = b'{"id":"1","fullName":null,"createdAt":null,"new":{"x":[1]}}'
    assert decode_response(THING, *exchange(body)) == Thing(id="1")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"x"', b"{}", b"NaN", b"<!doctype html><p>hello", b"\xff\xfe"),
        *(b'{"id":1}', b'{"id":"1"', b'{"id":"1","fullName":{}}'),
        *(b'{"id":"1","createdAt":"yesterday"}', b'{"id":"1","createdAt":5}'),
    ],
)
@pytest.mark.parametrize(("method", "outcome"), [("GET", None), ("PUT", Outcome.UNKNOWN)])
def test_undocumented_form(body: bytes, method: str, outcome: Outcome | None) -> None:
    """A body that is not JSON of the documented form is an invalid response; the outcome of a change is unknown."""
    with pytest.raises(SourceInvalidResponse) as caught:
        decode_response(THING, *exchange(body, method))
    assert caught.value.outcome is outcome
    assert caught.value.origin.source == "account"


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, b'{"id":"1"}', Thing(id="1")),
        *((status, body, None) for status in (200, 201, 204) for body in (b"", b"\n")),
    ],
)
def test_confirmation_without_a_body(status: int, body: bytes, found: Thing | None) -> None:
    """A successful response to a change without a body confirms it."""
    assert decode_change_response(THING, *exchange(body, "PUT", status)) == found


@pytest.mark.parametrize(("status", "body"), [(202, b""), (202, b"{}"), (200, b"{}"), (200, b"<html>")])
def test_unconfirmed_change(status: int, body: bytes) -> None:
    """After a 202, or a body that cannot be decoded, the outcome of a change is unknown."""
    with pytest.raises(SourceInvalidResponse) as caught:
        decode_change_response(THING, *exchange(body, "PUT", status))
    assert caught.value.outcome is Outcome.UNKNOWN


def test_exceptions_hold_no_data() -> None:
    """The exception has the path of the wrong value, and no data of the source."""
    with pytest.raises(SourceInvalidResponse) as caught:
        decode_response(THING, *exchange(b'{"id":{"secret":"ada@example.com"}}'))
    text = str(caught.value) + str(caught.value.__cause__)
    assert "ada@" not in text
    assert "$.id" in text


@pytest.mark.parametrize(
    ("text", "expected", "moment"),
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
def test_timestamps(text: str, expected: str | None, moment: datetime) -> None:
    """A time is kept as it was sent, to its last digit; without an offset it is UTC."""
    found = decode_response(JsonDecoder(Plain), *exchange(orjson.dumps({"created_at": text}))).created_at
    assert found == (expected or text)
    assert found.instant() == moment


@given(st.one_of(st.datetimes().map(datetime.isoformat), st.dates().map(str), st.text(max_size=25)))
def test_any_timestamp(text: str) -> None:
    """Every text that is accepted as a time can be converted to a datetime with a time zone."""
    try:
        found = decode_response(JsonDecoder(Plain), *exchange(orjson.dumps({"created_at": text}))).created_at
    except SourceInvalidResponse:
        return
    assert found.instant().tzinfo is not None
