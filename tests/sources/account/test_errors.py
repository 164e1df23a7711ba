from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from gateway import errors
from gateway.errors import Outcome
from gateway.sources.account.errors import account_error
from gateway.sources.http.exchange import Request, Response


def error_for(
    status: int, *, method: str = "PATCH", headers: Mapping[str, str] | None = None, **error: Any
) -> errors.GatewayError:
    """Return the exception for a response with this error body."""
    whole = {"code": None, "type": "invalid_request_error", "message": "Why.", "param": None, "is_transient": False}
    body = orjson.dumps({"error": whole | {"quota": None, "doc_url": None, "request_log_url": "u"} | error})
    request = Request("account", method, "https://x/", "/x")
    return account_error(request, Response(status, {"Request-ID": "rq_1", **(headers or {})}, body))


TABLE: list[tuple[int, str, type, str | None]] = [
    (400, "validation_failed", errors.BadUserInput, None),
    (400, "invalid_format", errors.BadUserInput, "name"),
    (400, "parameter_unknown", errors.BadUserInput, "password"),
    (400, "parameter_invalid", errors.BadUserInput, "include[]"),
    (400, "api_version_invalid", errors.SourceInvalidResponse, None),
    (400, "api_version_required", errors.SourceInvalidResponse, None),
    (401, "invalid_credentials", errors.SourceCredentials, None),
    (402, "payment_required", errors.SourceCredentials, None),
    (403, "insufficient_permissions", errors.SourceCredentials, None),
    (404, "resource_not_found", errors.NotFound, None),
    (404, "resource_not_found", errors.NotFound, "role_id"),
    (408, "request_timeout", errors.SourceTimeout, None),
    (409, "resource_conflict", errors.Conflict, "email"),
    (409, "resource_exists", errors.Conflict, "username"),
    (410, "resource_gone", errors.NotFound, None),
    (429, "rate_limit_exceeded", errors.RateLimited, None),
    (500, "internal_error", errors.SourceUnavailable, None),
    (503, "service_unavailable", errors.SourceUnavailable, None),
    (504, "timeout", errors.SourceTimeout, None),
]


@pytest.mark.parametrize(("status", "code", "kind", "param"), TABLE)
def test_documented(status: int, code: str, kind: type, param: str | None) -> None:
    """Every documented error becomes an exception with the code and the request id of the source."""
    error = error_for(status, code=code, param=param)
    assert type(error) is kind
    origin = error.origin
    assert (origin.source, origin.code, origin.request_id, origin.http_status) == ("account", code, "rq_1", status)


PREFERENCE = ("preferences", 0, "notification_type")


@pytest.mark.parametrize(
    ("status", "code", "param", "path", "rule"),
    [
        (400, "missing_field", "preferences[1].enabled", ("preferences", 1, "enabled"), "required"),
        (
            400,
            "invalid_format",
            "preferences[0].notification_type_code",
            ("preferences", 0, "notification_type"),
            "source",
        ),
        (404, "resource_not_found", "role_id", ("role_id",), "exists"),
        (409, "resource_conflict", "email", ("email",), "unique"),
        (400, "validation_failed", "name", ("name",), "source"),
    ],
)
def test_rules(status: int, code: str, param: str, path: tuple[str | int, ...], rule: str) -> None:
    """The code of an error about a field is a rule, and the field is named as the change names it."""
    [violation] = error_for(status, code=code, param=param).violations
    assert (violation.path, violation.rule.value) == (("change", *path), rule)


@pytest.mark.parametrize(
    ("param", "message", "rule", "bounds"),
    [
        ("email", "Field 'email' must be a valid email.", "format", {"format": "email"}),
        ("username", "Field 'username' must be at least 3 characters.", "source", {}),
        ("name", "Field 'name' cannot be null.", "notNull", {}),
        ("name", "Invalid type for field 'name': expected string, got number", "type", {"type": "string"}),
        ("preferences[0].enabled", "Invalid type for field 'preferences[0].enabled'", "type", {}),
    ],
)
def test_invalid_values(param: str, message: str, rule: str, bounds: dict[str, str]) -> None:
    """One code stands for several rules of a value: the violation has the one that the message states."""
    [violation] = error_for(400, code="invalid_format", param=param, message=message).violations
    assert (violation.rule.value, violation.bounds) == (rule, bounds)


def test_several_fields() -> None:
    """Each field that the message lists becomes a violation, not only the first one, which `param` names."""
    message = "Validation failed for the following fields: name, preferences[0].notification_type, unknown"
    error = error_for(400, code="validation_failed", param="name", message=message)
    assert [(v.path, v.message, v.rule.value) for v in error.violations] == [
        (("change", "name"), message, "source"),
        (("change", *PREFERENCE), message, "source"),
    ]


@pytest.mark.parametrize(
    ("status", "kind"), [(400, errors.BadUserInput), (409, errors.Conflict), (404, errors.NotFound)]
)
def test_violations(status: int, kind: type) -> None:
    """A field that the source names becomes a violation, but not a parameter that the gateway chose."""
    error = error_for(status, code="x", param="email", message="Taken.")
    assert type(error) is kind
    assert [(v.path, v.message) for v in error.violations] == [(("change", "email"), "Taken.")]
    assert error_for(status, code="x", param="include[]").violations == ()
    assert error_for(status, code="x", param="is_commission_eligible").violations == ()
    assert error_for(status, code="x").violations == ()


@pytest.mark.parametrize(
    ("code", "param", "kind"),
    [
        ("parameter_invalid", "limit", errors.SourceInvalidResponse),
        ("parameter_invalid", "include[]", errors.SourceInvalidResponse),
        ("parameter_invalid", "include", errors.SourceInvalidResponse),
        ("parameter_unknown", "removed_scope", errors.SourceInvalidResponse),
        ("parameter_unknown", None, errors.SourceInvalidResponse),
        ("parameter_invalid", "cursor", errors.BadUserInput),
        ("parameter_invalid", "q", errors.BadUserInput),
        ("parameter_invalid", "role_type", errors.BadUserInput),
    ],
)
def test_rejected_reads(code: str, param: str | None, kind: type) -> None:
    """For a read, a rejected parameter that the gateway chose is no bad input, and there are no violations."""
    error = error_for(400, method="GET", code=code, param=param)
    assert type(error) is kind
    assert (error.origin.code, error.origin.request_id, error.violations) == (code, "rq_1", ())


def test_longest_retry_after() -> None:
    """For a key whose first call still runs, `retry_after` is at most a day."""
    error = error_for(409, headers={"Retry-After": "9" * 400}, code="idempotency_in_progress")
    assert type(error) is errors.IdempotencyInProgress
    assert error.retry_after == 86_400
    assert error_for(409, headers={"Retry-After": "7"}, code="idempotency_in_progress").retry_after == 7


@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (400, "validation_failed", errors.IdempotencyConflict, False),
        (422, "idempotency_key_reused", errors.IdempotencyConflict, False),
        (409, "idempotency_in_progress", errors.IdempotencyInProgress, True),
    ],
)
def test_idempotency(status: int, code: str, kind: type, retryable: bool) -> None:  # noqa: FBT001 - a table's column
    """A key that was used with another payload, or whose first call still runs, has an exception of that name."""
    error = error_for(status, code=code, type="idempotency_error", message="Idempotency key 'K' …")
    assert type(error) is kind
    assert error.retryable is retryable
    assert "'K'" not in error.message


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_no_such_endpoint(method: str) -> None:
    """A path that the source does not know is no missing record, although the code is the same."""
    message = "The requested endpoint GET /v1/identity/account-users/x was not found."
    error = error_for(404, method=method, code="resource_not_found", message=message)
    assert type(error) is errors.SourceInvalidResponse
    assert (error.outcome, error.origin.code) == (None, "resource_not_found")


@pytest.mark.parametrize("status", [302, 413, 418, 422, 501, 524])
def test_undocumented_status(status: int) -> None:
    """After a status that the source does not document, the outcome is unknown, whatever the body is."""
    assert error_for(status, code="x").outcome is Outcome.UNKNOWN


def test_outcome() -> None:
    """The outcome of a change is unknown after an internal error of the source, and known after a rejection."""
    assert error_for(500, code="internal_error").outcome is Outcome.UNKNOWN
    assert error_for(499, code="client_closed_request").outcome is Outcome.UNKNOWN
    assert error_for(400, code="validation_failed").outcome is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"x"}', b'{"error":{"code":5}}', b'{"message":"x"}'])
@pytest.mark.parametrize(("status", "kind"), [(400, errors.SourceInvalidResponse), (502, errors.SourceUnavailable)])
def test_undocumented(body: bytes, status: int, kind: type) -> None:
    """A body that does not have the documented form is ignored."""
    request = Request("account", "PATCH", "https://x/", "/x")
    error = account_error(request, Response(status, {"Request-ID": "rq_1"}, body))
    assert type(error) is kind
    assert error.origin.request_id == "rq_1"
    assert error.origin.message is None
    assert error.outcome is Outcome.UNKNOWN


def test_message_about_a_key() -> None:
    """The message of the source about a credential is in no attribute of the exception."""
    assert "aug_sk" not in str(
        vars(error_for(401, code="invalid_credentials", message="Invalid API Key: aug_sk_prod_UN"))
    )
