"""Validates the bodies of create and update (docs/upstreams/reseller.md, "Fields").

An update may leave fields out, but has the same rules (docs/upstreams/reseller.md, "Updates").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.sandbox.exchange import SandboxRequest
from gateway.sandbox.reseller.errors import RefusalError

__all__ = ["parse_body", "to_columns"]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class _Rule:
    column: str
    kind: type = str
    minimum: int = 0
    maximum: int = 256
    required: bool = False


_RULES = {
    "firstName": _Rule("first_name", minimum=1, required=True),
    "lastName": _Rule("last_name"),
    "email": _Rule("email", minimum=1, required=True),
    "role": _Rule("role", minimum=1, required=True),
    "company": _Rule("company"),
    "organizationId": _Rule("organization_id"),
    "allowCustomerPortalAccess": _Rule("allow_customer_portal_access", kind=bool, required=True),
}
_PASSWORD = _Rule("password", minimum=8, required=True)


def parse_body(request: SandboxRequest, *, create: bool) -> dict[str, Any]:
    """Return the validated fields of a body by API name. Unknown fields are ignored.

    Raises:
        RefusalError: the body is not JSON by its type, or a field is missing, is null or breaks a rule.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusalError(415, "The Content-Type must be application/json.")
    try:
        document = orjson.loads(request.body or b"null")
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, f"The request body is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise RefusalError(400, "The request body must be a JSON object.")
    rules = _RULES | {"password": _PASSWORD} if create else _RULES
    for name, rule in rules.items():
        if name in document:
            _check_field(name, document[name], rule)
        elif create and rule.required:
            raise RefusalError(400, f"The {name} field is required.")
    return {name: document[name] for name in rules if name in document}


def to_columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that the fields set; an empty `organizationId` means no organization."""
    columns = {_RULES[name].column: value for name, value in fields.items() if name in _RULES}
    if columns.get("organization_id") == "":
        columns["organization_id"] = None
    return columns


def _check_field(name: str, value: Any, rule: _Rule) -> None:
    if type(value) is not rule.kind:
        raise RefusalError(400, f"The {name} field must be a {'boolean' if rule.kind is bool else 'string'}.")
    if isinstance(value, str) and not rule.minimum <= len(value) <= rule.maximum:
        message = f"The field {name} must be a string with a length of {rule.minimum} to {rule.maximum}."
        raise RefusalError(400, message)
    if name == "email" and isinstance(value, str) and _EMAIL.fullmatch(value) is None:
        raise RefusalError(400, "The email field is not a valid e-mail address.")
