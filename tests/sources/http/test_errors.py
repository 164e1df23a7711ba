from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import errors
from gateway.errors import Outcome, Violation
from gateway.sources.http.errors import SourceErrorBody, refusal, retry_after
from gateway.sources.http.exchange import Request, Response

BROKEN = (Violation(("change", "email"), "is taken"),)
TOLD = SourceErrorBody(documented=True, code="c", message="why", request_id="rq", violations=BROKEN)

TABLE = [
    (400, errors.BadUserInput, errors.SourceInvalidResponse),
    (401, errors.SourceCredentials, errors.SourceCredentials),
    (402, errors.SourceCredentials, errors.SourceCredentials),
    (403, errors.SourceCredentials, errors.SourceCredentials),
    (404, errors.NotFound, errors.SourceInvalidResponse),
    (405, errors.SourceInvalidResponse, errors.SourceInvalidResponse),
    (408, errors.SourceTimeout, errors.SourceTimeout),
    (409, errors.Conflict, errors.Conflict),
    (410, errors.NotFound, errors.SourceInvalidResponse),
    (413, errors.BadUserInput, errors.SourceInvalidResponse),
    (415, errors.BadUserInput, errors.SourceInvalidResponse),
    (422, errors.BadUserInput, errors.SourceInvalidResponse),
    (429, errors.RateLimited, errors.RateLimited),
    (499, errors.SourceInvalidResponse, errors.SourceInvalidResponse),
    (500, errors.SourceUnavailable, errors.SourceUnavailable),
    (501, errors.SourceUnavailable, errors.SourceUnavailable),
    (502, errors.SourceUnavailable, errors.SourceUnavailable),
    (503, errors.SourceUnavailable, errors.SourceUnavailable),
    (504, errors.SourceTimeout, errors.SourceTimeout),
    (524, errors.SourceUnavailable, errors.SourceUnavailable),
    (302, errors.SourceInvalidResponse, errors.SourceInvalidResponse),
    (418, errors.SourceInvalidResponse, errors.SourceInvalidResponse),
]
UNCERTAIN = {408, 499, 500, 502, 504, 524}


@pytest.mark.parametrize(("status", "documented", "other"), TABLE)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_table(status: int, documented: type, other: type, method: str) -> None:
    """A status means the same for the three systems; a body that is none of theirs makes no record missing."""
    request = Request("account", method, "u", "/x")
    for told, body, kind in ((TOLD, b"{}", documented), (SourceErrorBody(), b"<html>", other)):
        error = refusal(request, Response(status, {}, body), told)
        assert type(error) is kind
        assert (error.origin.source, error.origin.http_status) == ("account", status)
        assert error.origin.code == told.code
        assert error.outcome is (Outcome.UNKNOWN if method == "PATCH" and status in UNCERTAIN else None)


@pytest.mark.parametrize("status", [404, 410])
def test_missing_without_a_word(status: int) -> None:
    """An empty body is enough for a record to be missing."""
    assert (
        type(refusal(Request("account", "GET", "u", "/x"), Response(status, {}, b" \n"), SourceErrorBody()))
        is errors.NotFound
    )


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_says_why(status: int) -> None:
    """What the caller can mend carries the source's words and its violations."""
    error = refusal(Request("account", "PATCH", "u", "/x"), Response(status, {}, b"{}"), TOLD)
    assert error.message == "why"
    assert error.violations == BROKEN
    assert error.origin.request_id == "rq"


def test_keeps_words_about_keys() -> None:
    """What a source says of a credential, which may name a part of it, goes to nobody."""
    error = refusal(Request("account", "GET", "u", "/x"), Response(401, {}, b"{}"), TOLD)
    assert error.origin.message is None
    assert "why" not in error.message


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504])
def test_waits(status: int) -> None:
    """What may pass says when to come back, if the source did."""
    error = refusal(
        Request("account", "GET", "u", "/x"), Response(status, {"Retry-After": "7"}, b""), SourceErrorBody()
    )
    assert error.retryable
    assert error.retry_after == 7


@pytest.mark.parametrize("text", ["90000", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_without_end(text: str) -> None:
    """Callers are told of a day at most, which every surface can spell."""
    error = refusal(Request("account", "GET", "u", "/x"), Response(503, {"Retry-After": text}, b""), SourceErrorBody())
    assert error.retry_after == 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 5 ", 5),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """Seconds or an HTTP date, one in the past meaning now; anything else is not there (RFC 9110, 10.2.3)."""
    assert retry_after({"Retry-After": text}) == seconds


def test_retry_after_a_date() -> None:
    """A date means the time from now until then."""
    wait = retry_after({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)})
    assert wait is not None
    assert 0 < wait <= 3600


def test_no_retry_after() -> None:
    """No header, no wait."""
    assert retry_after({}) is None


@given(st.text())
def test_any_retry_after(text: Any) -> None:
    """No header breaks the reading of an error."""
    wait = retry_after({"Retry-After": text})
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("GET /v3/resellers/7f3a/users could not be processed.", "GET … could not be processed."),
        ("See https://internal.example/x?token=1 for more", "See … for more"),
        ("Either first and/or last name; 1/2 done, N/A.", "Either first and/or last name; 1/2 done, N/A."),
    ],
)
def test_addresses_are_not_told(said: str, told: str) -> None:
    """A source's words reach a caller without the URLs and paths in them."""
    request = Request("reseller", "PATCH", "http://x", "/x")
    error = refusal(request, Response(400, {}, b"{}"), SourceErrorBody(documented=True, message=said))
    assert error.message == error.origin.message == told
