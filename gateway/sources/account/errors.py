"""Parses the error bodies of the account source (docs/upstreams/account.md, "Errors")."""

import re
from dataclasses import replace

from gateway.errors import (
    GatewayError,
    IdempotencyConflict,
    IdempotencyInProgress,
    Origin,
    Rule,
    SourceInvalidResponse,
    Violation,
)
from gateway.sources.http.causes import failed_response
from gateway.sources.http.errors import SourceErrorBody, caller_retry_after, redact, source_error
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import JsonDecoder, Wire
from gateway.users.changes import CreateAccountUser, UpdateAccountUser
from gateway.violations import Bound

__all__ = ["account_error"]


class _Error(Wire, frozen=True):
    code: str | None = None
    type: str | None = None
    message: str | None = None
    param: str | None = None


class _Body(Wire, frozen=True):
    error: _Error


_BODY = JsonDecoder(_Body)
_STATUSES = frozenset({400, 401, 402, 403, 404, 405, 408, 409, 410, 429, 499, 500, 502, 503, 504})
_NO_SUCH_ENDPOINT = "The requested endpoint "
_NAME = re.compile(r"\w+")
_NAMES = {"notification_type_code": "notification_type"}  # of older versions
_FIELDS = frozenset((*CreateAccountUser.model_fields, *UpdateAccountUser.model_fields))
# By the code of an error about one field.
_RULES = {
    "missing_field": Rule.REQUIRED,
    "parameter_missing": Rule.REQUIRED,
    "parameter_unknown": Rule.UNKNOWN,
    "parameters_exclusive": Rule.NOT_ALLOWED,
    "resource_not_found": Rule.EXISTS,
    "resource_exists": Rule.UNIQUE,
    "resource_conflict": Rule.UNIQUE,
}
# The code `invalid_format` stands for all rules of one value: its message distinguishes two kinds.
_WRONG_TYPE = re.compile(r"Invalid type for field \S+(?: expected (?P<type>string|boolean|number|integer|object)\b)?")
_NULL = re.compile(r"Field \S+ cannot be null\b")
# With several broken fields, `param` is only the first one, and the message lists all.
_SEVERAL = re.compile(r"Validation failed for the following fields: (.+)")
_VERSION_NAME = re.compile(r"\b\d+\.\d+\.[a-z]+(?:-preview\.\d+)?\b")
_MAX_VERSIONS = 3  # of those that a message lists, the last ones
_ADVICE = {
    "api_version_required": "the version did not arrive: check GATEWAY_ACCOUNT__HEADER_PREFIX",
    "api_version_invalid": "set GATEWAY_ACCOUNT__API_VERSION to a supported version",
    "api_version_too_old": "set GATEWAY_ACCOUNT__API_VERSION to a supported version",
    "parameter_unknown": "the source may be of another version: check GATEWAY_ACCOUNT__API_VERSION",
    "api_key_expired": "create a new API key, and set GATEWAY_ACCOUNT__TOKEN to it",
    "api_key_revoked": "create a new API key, and set GATEWAY_ACCOUNT__TOKEN to it",
    "expired_token": "create a new API key, and set GATEWAY_ACCOUNT__TOKEN to it",
    "insufficient_permissions": "check the permissions of the API key, and that it is of GATEWAY_ACCOUNT__ACCOUNT_ID",
}
_NO_ACCOUNT = re.compile(r"-Account\S* header is required")
_PERMISSION = re.compile(r"permission to ([a-z_]+:[a-z_]+)\b")
_GATEWAY_PARAMS = frozenset({"limit", "include", "include[]"})  # chosen by the gateway, never by a caller


def account_error(request: Request, response: Response) -> GatewayError:
    """Return the exception for a status outside 2xx."""
    error = _parse(response.body)
    made = _exception(request, response, error)
    if error is not None and (advice := _advice(error)):
        made.failed_call = replace(failed_response(request, response, made), advice=advice)
    return made


def _exception(request: Request, response: Response, error: _Error | None) -> GatewayError:
    request_id = response.headers.get("Request-ID")
    if error is None or not error.code:
        return source_error(request, response, SourceErrorBody(request_id=request_id))
    violations = _violations(error, request)
    documented = response.status in _STATUSES
    body = redact(SourceErrorBody(documented, error.code, error.message, request_id, violations), request)
    origin = Origin(request.source, body.code, body.message, body.request_id, response.status)
    if error.code == "idempotency_in_progress":
        return IdempotencyInProgress(
            "The first call under this idempotency key still runs.",
            origin=origin,
            retry_after=caller_retry_after(response),
        )
    if error.type == "idempotency_error" or error.code == "idempotency_key_reused":
        return IdempotencyConflict("This idempotency key was used with another payload.", origin=origin)
    if (message := _misconfiguration(error, request)) is not None:
        return SourceInvalidResponse(message, origin=origin)
    return source_error(request, response, body)


def _parse(body: bytes) -> _Error | None:
    try:
        return _BODY.decode(body).error
    except ValueError:
        return None


def _misconfiguration(error: _Error, request: Request) -> str | None:
    """Return the message for a refusal that is about the gateway or its settings, and not about the caller's input."""
    code = error.code or ""
    if code == "resource_not_found" and (error.message or "").startswith(_NO_SUCH_ENDPOINT):
        # The record may exist: it is the path that the source does not know.
        return "The account source does not know the endpoint of the call. Check GATEWAY_ACCOUNT__BASE_URL."
    if code.startswith("api_version_"):
        return "The account source does not support the configured API version."
    if not request.writes and (code == "parameter_unknown" or error.param in _GATEWAY_PARAMS):
        return "The account source rejected the parameters of this gateway."
    return None


def _advice(error: _Error) -> str:
    """Return what an operator has to correct after a refusal that is about the settings or the API key; else empty.

    Of the message nothing is used but the names of permissions and versions in it.
    """
    code, message = error.code or "", error.message or ""
    advice = _ADVICE.get(code, "")
    if code in {"api_version_invalid", "api_version_too_old"}:
        newest = ", ".join(_VERSION_NAME.findall(message)[-_MAX_VERSIONS:])
        advice += newest and f": {newest}"
    elif code == "invalid_credentials" and _NO_ACCOUNT.search(message):
        advice = "the account did not arrive: check GATEWAY_ACCOUNT__ACCOUNT_ID and GATEWAY_ACCOUNT__HEADER_PREFIX"
    elif code == "insufficient_permissions" and (permission := _PERMISSION.search(message)):
        advice = f"give the API key the permission {permission[1]}"
    return advice


def _violations(error: _Error, request: Request) -> tuple[Violation, ...]:
    # For a read, `param` names a parameter that the gateway chose, such as `q`, and no field of the caller's input.
    if not error.param or not request.writes or error.param in _GATEWAY_PARAMS:
        return ()
    several = _SEVERAL.match(error.message or "")
    paths = map(_path, several[1].split(",") if several else [error.param])
    message = error.message or "is rejected by the account source"
    return tuple(Violation(("change", *path), message, *_rule(error, path)) for path in paths if path)


def _path(param: str) -> tuple[str | int, ...]:
    """Return the path of a field by the gateway's names; empty if the changes of the gateway have no such field."""
    path = tuple(int(name) if name.isdecimal() else _NAMES.get(name, name) for name in _NAME.findall(param))
    return path if path and path[0] in _FIELDS else ()


def _rule(error: _Error, path: tuple[str | int, ...]) -> tuple[Rule, dict[str, Bound]]:
    """Return the rule of an error about one field, with its bounds as far as they are known."""
    if error.code != "invalid_format":
        return _RULES.get(error.code or "", Rule.SOURCE), {}
    message = error.message or ""
    if found := _WRONG_TYPE.match(message):
        return Rule.TYPE, {"type": found["type"]} if found["type"] else {}
    if _NULL.match(message):
        return Rule.NOT_NULL, {}
    return (Rule.FORMAT, {"format": "email"}) if path == ("email",) else (Rule.SOURCE, {})
