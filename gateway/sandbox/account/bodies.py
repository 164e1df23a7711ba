"""Decodes JSON bodies as Go does, and checks the rules of each field."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.sandbox.account.errors import ApiError

__all__ = ["Field", "check", "decode", "is_email", "is_password", "is_username", "max_length"]

_EMAIL = re.compile(r"[^@\s,<>()]+@[^@\s.,<>()]+(\.[^@\s.,<>()]+)+")
_USERNAME = re.compile(r"[A-Za-z0-9_-]{3,255}")
_PASSWORD = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?=.*[^A-Za-z0-9]).{8,72}", re.DOTALL)
_JSON_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}

Rule = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body: its JSON type, whether null is allowed, and a rule with the message for its violation."""

    kind: type
    nullable: bool = False
    rule: Rule | None = None
    message: str = ""


def decode(body: bytes, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Decode a JSON object. Raises ApiError for an unknown field or a wrong type."""
    try:
        document = orjson.loads(body or b"null")
    except orjson.JSONDecodeError as error:
        message = f"Invalid JSON in request body at offset {error.pos}: {error.msg}"
        raise ApiError(400, "validation_failed", message) from None
    if not isinstance(document, dict):
        raise ApiError(400, "validation_failed", "Invalid JSON in request body at offset 0: expected an object")
    for name, value in document.items():
        if name not in fields:
            similar = difflib.get_close_matches(name, fields, n=1)
            hint = f" Did you mean '{similar[0]}'?" if similar else ""
            raise ApiError(
                400, "parameter_unknown", f"Invalid JSON in request body: unknown field '{name}'.{hint}", name
            )
        _check_type(name, value, fields[name])
    return document


def check(document: Mapping[str, Any], fields: Mapping[str, Field]) -> None:
    """Apply the rules of the fields. Raises ApiError: `invalid_format` for one violation, else `validation_failed`."""
    broken = [
        name
        for name, value in document.items()
        if value is not None and (rule := fields[name].rule) is not None and not rule(value)
    ]
    if len(broken) == 1:
        raise ApiError(400, "invalid_format", f"Field '{broken[0]}' {fields[broken[0]].message}.", broken[0])
    if broken:
        message = f"Validation failed for the following fields: {', '.join(broken)}"
        raise ApiError(400, "validation_failed", message, broken[0])


def max_length(maximum: int, *, blank: bool = True) -> Rule:
    """Return the rule for a maximum number of characters; without `blank`, spaces alone are refused."""
    return lambda text: len(text) <= maximum and (blank or bool(text.strip()))


def is_email(text: str) -> bool:
    """Return whether the text is an e-mail address of at most 255 characters."""
    return len(text) <= 255 and _EMAIL.fullmatch(text) is not None  # noqa: PLR2004 (the documented length)


def is_username(text: str) -> bool:
    """Return whether the text has 3 to 255 letters, digits, underscores and hyphens."""
    return _USERNAME.fullmatch(text) is not None


def is_password(text: str) -> bool:
    """Return whether the text has 8 to 72 characters with upper case, lower case, a digit and a special character."""
    return _PASSWORD.fullmatch(text) is not None


def _check_type(name: str, value: Any, field: Field) -> None:
    if value is None:
        if not field.nullable:
            raise ApiError(400, "invalid_format", f"Field '{name}' cannot be null.", name)
        return
    if type(value) is not field.kind:
        expected, actual = _JSON_NAMES[field.kind], _JSON_NAMES[type(value)]
        message = f"Invalid type for field '{name}': expected {expected}, got {actual}"
        raise ApiError(400, "invalid_format", message, name)
