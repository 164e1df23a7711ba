from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import errors
from gateway.errors import Outcome, Violation
from gateway.sources.http.errors import SourceErrorBody, retry_after, source_error
from gateway.sources.http.exchange import Request, Response

VIOLATIONS = (Violation(("change", "email"), "is taken"),)
BODY = SourceErrorBody(documented=True, code="c", message="why", request_id="rq", violations=VIOLATIONS)

TABLE = [
    (400, errors.BadUserInput, errors.SourceInvalidResponse),
    (401, errors.SourceCredentials, errors.SourceCredentials),
    (402, errors.SourceCredentials, errors.SourceCredentials),
    (403, errors.SourceCredentials, errors.SourceCredentials),
    (404, errors.NotFound, errors.SourceInvalidResponse),
    (405, errors.SourceInvalidResponse, errors.SourceInvalidResponse),
    (408, errors.SourceTimeout, errors.SourceTimeout),
    (409, errors.Conflict, errors.SourceInvalidResponse),
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
UNKNOWN_OUTCOME = {408, 499, 500, 502, 504, 524, 302, 418}  # after a documented response


@pytest.mark.parametrize(("status", "documented", "other"), TABLE)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_table(status: int, documented: type, other: type, method: str) -> None:
    """A status means the same for all sources; an undocumented response is neither a refusal nor a missing record."""
    request = Request("account", method, "u", "/x")
    for error_body, body, kind in ((BODY, b"{}", documented), (SourceErrorBody(), b"<html>", other)):
        error = source_error(request, Response(status, {}, body), error_body)
        assert type(error) is kind
        assert (error.origin.source, error.origin.http_status) == ("account", status)
        assert error.origin.code == error_body.code
        unknown = status in UNKNOWN_OUTCOME or not (error_body.documented or status == 429)
        assert error.outcome is (Outcome.UNKNOWN if method == "PATCH" and unknown else None)


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_message_and_violations(status: int) -> None:
    """An error that the caller can correct has the message and the violations of the source."""
    error = source_error(Request("account", "PATCH", "u", "/x"), Response(status, {}, b"{}"), BODY)
    assert error.message == "why"
    assert error.violations == VIOLATIONS
    assert error.origin.request_id == "rq"


def test_message_about_a_key() -> None:
    """The message of a 401, which may contain a part of the credential, is not passed on."""
    error = source_error(Request("account", "GET", "u", "/x"), Response(401, {}, b"{}"), BODY)
    assert error.origin.message is None
    assert "why" not in error.message


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504])
def test_waits(status: int) -> None:
    """A transient error has the `Retry-After` of the source."""
    error = source_error(
        Request("account", "GET", "u", "/x"), Response(status, {"Retry-After": "7"}, b""), SourceErrorBody()
    )
    assert error.retryable
    assert error.retry_after == 7


@pytest.mark.parametrize("text", ["90000", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_longest_retry_after(text: str) -> None:
    """`retry_after` is at most a day, which every surface can represent."""
    error = source_error(
        Request("account", "GET", "u", "/x"), Response(503, {"Retry-After": text}, b""), SourceErrorBody()
    )
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
    """The header is seconds or a date, of which one in the past is 0; any other text is None (RFC 9110, 10.2.3)."""
    assert retry_after({"Retry-After": text}) == seconds


def test_retry_after_a_date() -> None:
    """A date becomes the seconds until then."""
    wait = retry_after({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)})
    assert wait is not None
    assert 0 < wait <= 3600


def test_retry_after_a_date_of_the_source() -> None:
    """A date is compared with that of the response: the clock of the source may be another one."""
    headers = {"Date": "Sun, 06 Nov 1994 08:49:30 GMT", "Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}
    assert retry_after(headers) == 7
    assert retry_after(headers | {"Date": "yesterday"}) == 0


def test_no_retry_after() -> None:
    """Without the header the result is None."""
    assert retry_after({}) is None


@given(st.text())
def test_any_retry_after(text: Any) -> None:
    """No text raises an exception."""
    wait = retry_after({"Retry-After": text})
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("sent", "redacted"),
    [
        ("GET /v3/resellers/7f3a/users could not be processed.", "GET … could not be processed."),
        ("See https://internal.example/x?token=1 for more", "See … for more"),
        ("Either first and/or last name; 1/2 done, N/A.", "Either first and/or last name; 1/2 done, N/A."),
    ],
)
def test_addresses_are_redacted(sent: str, redacted: str) -> None:
    """URLs and paths in the message of a source are redacted."""
    request = Request("reseller", "PATCH", "http://x", "/x")
    error = source_error(request, Response(400, {}, b"{}"), SourceErrorBody(documented=True, message=sent))
    assert error.message == error.origin.message == redacted
