from typing import Any

import orjson
import pytest

from gateway import errors
from gateway.sources.http.exchange import Request, Response
from gateway.sources.softwareone.errors import softwareone_error

RFC = "https://tools.ietf.org/html/rfc9110#section-15.5.1"
VENDOR = "https://docs.platform.softwareone.com/developer-resources/rest-api/errors/commerce#MPTCOM03-0078"


def error_for(status: int, body: Any, method: str = "PUT") -> errors.GatewayError:
    """Return the exception for a response with this body."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return softwareone_error(Request("softwareone", method, "https://x/", "/x"), Response(status, {}, content))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadUserInput),
        (401, errors.SourceCredentials),
        (403, errors.SourceCredentials),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (415, errors.BadUserInput),
        (500, errors.SourceUnavailable),
        (501, errors.SourceUnavailable),
        (504, errors.SourceTimeout),
    ],
)
def test_documented(status: int, kind: type) -> None:
    """Every documented status becomes an exception with the trace id."""
    error = error_for(status, {"type": RFC, "title": "Title", "status": status, "traceId": "00-ab"})
    assert type(error) is kind
    assert (error.origin.source, error.origin.request_id, error.origin.http_status) == ("softwareone", "00-ab", status)


@pytest.mark.parametrize(
    ("link", "code"),
    [(VENDOR, "MPTCOM03-0078"), (RFC, None), ("https://x.test/errors", None), ("about:blank", None), (None, None)],
)
def test_code(link: str | None, code: str | None) -> None:
    """The code is the fragment of a link to the vendor's documentation; a link to an RFC has no code."""
    assert error_for(400, {"type": link, "title": "Bad Request"}).origin.code == code


REJECTED = "is rejected by the SoftwareOne source"
E1, E2 = ("change", "email"), ("change", "first_name")


@pytest.mark.parametrize(
    ("problem", "message", "violations"),
    [
        ({"title": "Bad Request"}, "Bad Request", []),
        ({"title": "Bad Request", "detail": "Name is missing."}, "Name is missing.", []),
        ({"title": "T", "errors": {"mistake": ["Unknown expression group."]}}, "T Unknown expression group.", []),
        ({"title": "T", "errors": {"Email": ["Bad.", "Long."]}}, "T Bad. Long.", [(E1, "Bad."), (E1, "Long.")]),
        ({"title": "T", "errors": {"email": "Bad."}}, "T Bad.", [(E1, "Bad.")]),
        ({"title": "T", "errors": [{"message": "Bad.", "properties": ["email"]}]}, "T Bad.", [(E1, "Bad.")]),
        (
            {"title": "T", "errors": [{"id": "x", "message": "Bad.", "properties": ["firstName", "email"]}]},
            "T Bad.",
            [(E2, "Bad."), (E1, "Bad.")],
        ),
        (
            {"errors": [{"message": "Long.", "properties": ["phone.number", "Settings.CultureCode"]}]},
            "Long.",
            [(("change", "phone", "number"), "Long."), (("change", "settings", "culture_code"), "Long.")],
        ),
        ({"errors": [{"message": "Not allowed.", "properties": ["currentAccount"]}]}, "Not allowed.",
            [(("change", "current_account_id"), "Not allowed.")]),
        ({"title": "T", "errors": [{"message": "Bad.", "properties": None}]}, "T Bad.", []),
        ({"title": "T", "errors": [{"message": "Bad.", "properties": "email"}, 5, {}]}, f"T Bad. {REJECTED}", []),
        ({"title": "T", "errors": [{"message": "Bad.", "properties": 5}]}, "T Bad.", []),
        ({"title": "T", "errors": "Bad."}, "T", []),
        ({"title": "T", "errors": {"email": None, "phone": [None]}}, "T", []),
        (
            {"title": "T", "errors": [{"message": None, "properties": ["email"]}]},
            f"T {REJECTED}",
            [(E1, REJECTED)],
        ),
        (
            {"title": "T", "errors": {"User.Data.FirstName": ["Long."], "$.email": ["Bad."], "User.Data": ["No."]}},
            "T Long. Bad. No.",
            [(E2, "Long."), (E1, "Bad.")],
        ),
    ],
)  # fmt: skip
def test_errors(problem: Any, message: str, violations: list[Any]) -> None:
    """Both documented forms of `errors` are read, each text once; a known field becomes a violation."""
    error = error_for(400, problem)
    assert type(error) is errors.BadUserInput
    assert error.message == message
    assert [(v.path, v.message) for v in error.violations] == violations


@pytest.mark.parametrize(
    ("text", "rule", "bounds"),
    [
        ("The firstName field is required.", "required", {}),
        ("The field firstName must be a string with a maximum length of 255.", "maxLength", {"max": 255}),
        ("The field firstName must be a string or array type with a minimum length of '2'.", "minLength", {"min": 2}),
        ("The email field is not a valid e-mail address.", "format", {"format": "email"}),
        ("The JSON value could not be converted to System.String.", "type", {}),
        ("Taken.", "source", {}),
    ],
)
def test_rules(text: str, rule: str, bounds: dict[str, Any]) -> None:
    """A message of ASP.NET's validation is the rule that it states, with its bound; another one is a source's rule."""
    [violation] = error_for(400, {"title": "T", "errors": {"firstName": [text]}}).violations
    assert (violation.rule.value, violation.bounds) == (rule, bounds)


def test_rejected_reads() -> None:
    """The exception for a rejected read has no violations."""
    error = error_for(400, {"title": "T", "errors": {"email": ["Bad."]}}, "GET")
    assert type(error) is errors.BadUserInput
    assert (error.message, error.violations) == ("T Bad.", ())


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"title":5}', b'{"message":"x"}'])
@pytest.mark.parametrize(("status", "kind"), [(400, errors.SourceInvalidResponse), (502, errors.SourceUnavailable)])
def test_undocumented(body: bytes, status: int, kind: type) -> None:
    """A body that does not have the documented form is ignored."""
    error = error_for(status, body)
    assert type(error) is kind
    assert error.origin.message is None
    assert error.outcome is errors.Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (302, {"title": "Found"}),
        (422, {"title": "Unprocessable Content"}),
        (503, {"title": "Service Unavailable", "status": 503}),
        (404, {"title": "Bad Gateway", "status": 502}),
    ],
)
def test_undocumented_status(status: int, body: Any) -> None:
    """After a status that the source does not document, or not with this body, the outcome is unknown."""
    assert error_for(status, body).outcome is errors.Outcome.UNKNOWN
    assert error_for(404, {"title": "Not Found", "status": 404}).outcome is None
