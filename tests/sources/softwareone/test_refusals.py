from typing import Any

import orjson
import pytest

from gateway import errors
from gateway.sources.http.exchange import Request, Response
from gateway.sources.softwareone.errors import softwareone_refusal

RFC = "https://tools.ietf.org/html/rfc9110#section-15.5.1"
OWN = "https://docs.platform.softwareone.com/developer-resources/rest-api/errors/commerce#MPTCOM03-0078"


def refused(status: int, body: Any, method: str = "PUT") -> errors.GatewayError:
    """What a call that the source refuses with that body comes to."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return softwareone_refusal(Request("softwareone", method, "https://x/", "/x"), Response(status, {}, content))


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
    """Every status that the source documents has its place, with its trace id."""
    error = refused(status, {"type": RFC, "title": "Title", "status": status, "traceId": "00-ab"})
    assert type(error) is kind
    assert (error.origin.source, error.origin.request_id, error.origin.http_status) == ("softwareone", "00-ab", status)


@pytest.mark.parametrize(
    ("link", "code"),
    [(OWN, "MPTCOM03-0078"), (RFC, None), ("https://x.test/errors", None), ("about:blank", None), (None, None)],
)
def test_code(link: str | None, code: str | None) -> None:
    """The vendor's code is the fragment of its own link; a section of the HTTP standard is no code."""
    assert refused(400, {"type": link, "title": "Bad Request"}).origin.code == code


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
            [(("change", "phone"), "Long."), (("change", "settings"), "Long.")],
        ),
        ({"errors": [{"message": "Not allowed.", "properties": ["currentAccount"]}]}, "Not allowed.",
            [(("change", "current_account_id"), "Not allowed.")]),
        ({"title": "T", "errors": [{"message": "Bad.", "properties": None}]}, "T Bad.", []),
        ({"title": "T", "errors": [{"message": "Bad.", "properties": "email"}, 5, {}]}, "T Bad. is refused", []),
        ({"title": "T", "errors": [{"message": "Bad.", "properties": 5}]}, "T Bad.", []),
        ({"title": "T", "errors": "Bad."}, "T", []),
        ({"title": "T", "errors": {"email": None, "phone": [None]}}, "T", []),
        (
            {"title": "T", "errors": [{"message": None, "properties": ["email"]}]},
            "T is refused",
            [(E1, "is refused")],
        ),
        (
            {"title": "T", "errors": {"User.Data.FirstName": ["Long."], "$.email": ["Bad."], "User.Data": ["No."]}},
            "T Long. Bad. No.",
            [(E2, "Long."), (E1, "Bad.")],
        ),
    ],
)  # fmt: skip
def test_errors(problem: Any, message: str, violations: list[Any]) -> None:
    """Both documented forms of `errors` are read, each text once; what names a field of ours is a violation of it."""
    error = refused(400, problem)
    assert type(error) is errors.BadUserInput
    assert error.message == message
    assert [(v.path, v.message) for v in error.violations] == violations


def test_questions() -> None:
    """A question that is refused names no field of a change."""
    error = refused(400, {"title": "T", "errors": {"email": ["Bad."]}}, "GET")
    assert type(error) is errors.BadUserInput
    assert (error.message, error.violations) == ("T Bad.", ())


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"title":5}', b'{"message":"x"}'])
@pytest.mark.parametrize(("status", "kind"), [(400, errors.SourceInvalidResponse), (502, errors.SourceUnavailable)])
def test_undocumented(body: bytes, status: int, kind: type) -> None:
    """A body that is not the source's is passed over, whatever it is."""
    error = refused(status, body)
    assert type(error) is kind
    assert error.origin.message is None
