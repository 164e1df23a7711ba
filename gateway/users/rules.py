"""The rules for the texts in changes, and violations as errors of pydantic and back.

Each message is written here, since some of pydantic's contain the value.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from gateway.errors import BadUserInput
from gateway.violations import Bound, Rule, Violation

__all__ = [
    "Checked",
    "as_details",
    "broken",
    "check_email",
    "check_not_blank",
    "check_password",
    "check_username",
    "violation_of",
]

# Clients get the patterns with a violation, so they must also be valid in ECMAScript.
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")  # the form only: the source checks the rest
_USERNAME = re.compile(r"[A-Za-z0-9_-]{3,255}")
_PASSWORD = re.compile(r"(?=[\s\S]*[A-Z])(?=[\s\S]*[a-z])(?=[\s\S]*[0-9])(?=[\s\S]*[^A-Za-z0-9\s])")

# By the kind of a pydantic error: the message, the rule, and the type that the value must have if the rule is about it.
_KINDS: Mapping[str, tuple[str, Rule, str | None]] = {
    "missing": ("is required", Rule.REQUIRED, None),
    "extra_forbidden": ("is not a field of this change", Rule.UNKNOWN, None),
    "string_type": ("must be a string", Rule.TYPE, "string"),
    "string_unicode": ("must be a string of Unicode characters", Rule.TYPE, "string"),
    "bool_type": ("must be true or false", Rule.TYPE, "boolean"),
    "list_type": ("must be a list", Rule.TYPE, "list"),
    "dict_type": ("must be an object", Rule.TYPE, "object"),
    "model_type": ("must be an object", Rule.TYPE, "object"),
    "model_attributes_type": ("must be an object", Rule.TYPE, "object"),
}


class Checked(BaseModel, frozen=True):
    """A model whose class raises BadUserInput where a rule is broken; the paths begin with the names of its fields."""

    if not TYPE_CHECKING:  # type checkers read the arguments from the fields

        def __init__(self, /, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                found = [violation_of(details) for details in error.errors(include_url=False)]
                raise BadUserInput.of(at_fields(found)) from None

        # pydantic would call a constructor that it does not know for a model inside another one too, where the error
        # must be its own: all broken rules of the outer model are reported at once.
        __init__.__pydantic_base_init__ = True


def check_email(value: str) -> str:
    """Return a text that has the form of an e-mail address; refuse others."""
    if not _EMAIL.fullmatch(value):
        raise broken(Rule.FORMAT, "must be an e-mail address", format="email")
    return value


def check_username(value: str) -> str:
    """Return a text that can be a user name of the account source; refuse others."""
    if not _USERNAME.fullmatch(value):
        message = "must be 3 to 255 letters, digits, underscores or hyphens"
        raise broken(Rule.PATTERN, message, pattern=f"^{_USERNAME.pattern}$")
    return value


def check_password(value: str) -> str:
    """Return a text that has the characters that the account source requires in a password; refuse others."""
    if not _PASSWORD.match(value):
        message = "must have an uppercase letter, a lowercase letter, a digit and a special character"
        raise broken(Rule.PATTERN, message, pattern=f"^{_PASSWORD.pattern}")
    return value


def check_not_blank(value: str) -> str:
    """Return a text that has a character that is not white space; refuse others."""
    if not value.strip():
        raise broken(Rule.PATTERN, "must not be blank", pattern=r"\S")
    return value


def broken(rule: Rule, message: str, **bounds: Bound) -> PydanticCustomError:
    """Return the exception for a validator to raise; `message` must not contain the value."""
    return PydanticCustomError("rule", "{message}", {"message": message, "rule": rule, "bounds": bounds})


def violation_of(details: ErrorDetails) -> Violation:
    """Return the violation for an error of pydantic."""
    kind, path, context = details["type"], ("change", *details["loc"]), details.get("ctx", {})
    if details["input"] is None and kind.endswith("_type"):
        return Violation(path, "must not be null", Rule.NOT_NULL)
    if kind == "rule":
        return Violation(path, context["message"], context["rule"], context["bounds"])
    message, rule, bounds = _described(kind, context)
    return Violation(path, message, rule, bounds)


def at_fields(violations: Iterable[Violation]) -> list[Violation]:
    """Return the violations with the fields of a change at the top: `("email",)`; others keep their paths."""
    return [
        replace(each, path=each.path[1:]) if each.path[:1] == ("change",) and len(each.path) > 1 else each
        for each in violations
    ]


def as_details(violation: Violation) -> InitErrorDetails:
    """Return a violation as an error of pydantic, to be raised with others."""
    return {
        "type": broken(violation.rule, violation.message, **violation.bounds),
        "loc": violation.path[1:],
        "input": "",
    }


def _described(kind: str, context: Mapping[str, object]) -> tuple[str, Rule, Mapping[str, Bound]]:
    """Return the message, the rule and its bounds for a kind of pydantic error and its context."""
    match kind, context:
        case "string_too_short", {"min_length": int(least)}:
            return f"must have at least {_characters(least)}", Rule.MIN_LENGTH, {"min": least}
        case "string_too_long", {"max_length": int(most)}:
            return f"must have at most {_characters(most)}", Rule.MAX_LENGTH, {"max": most}
        case "enum", {"expected": str(expected)}:
            values = re.findall(r"'([^']*)'", expected)
            return f"must be one of {', '.join(values)}", Rule.ENUM, {"values": values}
    message, rule, type_ = _KINDS.get(kind, ("is not valid", Rule.INVALID, None))
    return message, rule, {"type": type_} if type_ else {}


def _characters(count: int) -> str:
    return "1 character" if count == 1 else f"{count} characters"
