"""Bodies of reseller users: constraints of create and update (reseller.md, section 2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.sandbox.reseller.errors import RefusalError

__all__ = ["columns_of", "read"]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class _Rule:
    column: str
    kind: type = str
    least: int = 0
    most: int = 256
    required: bool = False


_RULES = {
    "firstName": _Rule("first_name", least=1, required=True),
    "lastName": _Rule("last_name"),
    "email": _Rule("email", least=1, required=True),
    "role": _Rule("role", least=1, required=True),
    "company": _Rule("company"),
    "organizationId": _Rule("organization_id"),
    "allowCustomerPortalAccess": _Rule("allow_customer_portal_access", kind=bool, required=True),
}
_PASSWORD = _Rule("password", least=8, required=True)


def read(body: bytes, *, create: bool) -> dict[str, Any]:
    """The checked fields of a body by API name; unknown ones are ignored, null is refused."""
    try:
        document = orjson.loads(body or b"null")
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, f"The request body is not valid JSON: {error}.") from None
    if not isinstance(document, dict):
        raise RefusalError(400, "The request body must be a JSON object.")
    rules = _RULES | {"password": _PASSWORD} if create else _RULES
    for name, rule in rules.items():
        if name in document:
            _check(name, document[name], rule)
        elif create and rule.required:
            raise RefusalError(400, f"The {name} field is required.")
    return {name: document[name] for name in rules if name in document}


def columns_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that fields set; an empty organization means none."""
    columns = {_RULES[name].column: value for name, value in fields.items() if name in _RULES}
    if columns.get("organization_id") == "":
        columns["organization_id"] = None
    return columns


def _check(name: str, value: Any, rule: _Rule) -> None:
    if type(value) is not rule.kind:
        raise RefusalError(400, f"The {name} field must be a {'boolean' if rule.kind is bool else 'string'}.")
    if isinstance(value, str) and not rule.least <= len(value) <= rule.most:
        message = f"The field {name} must be a string with a length of {rule.least} to {rule.most}."
        raise RefusalError(400, message)
    if name == "email" and isinstance(value, str) and _EMAIL.fullmatch(value) is None:
        raise RefusalError(400, "The email field is not a valid e-mail address.")
