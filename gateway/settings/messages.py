"""The messages for operators about settings that are not valid."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.settings.given import Given
from gateway.settings.kinds import is_off
from gateway.settings.names import Leaf, LeafPath, leaves, variable_of
from gateway.settings.secret_files import FILE_SUFFIX, NamedFile
from gateway.settings.shown import without_credentials
from gateway.settings.tree import Settings
from gateway.settings.unknown import UNKNOWN, proposal

__all__ = ["SettingsError", "error_lines", "line"]

_RULES = {
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "int_type": "must be an integer",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "greater_than": "must be more than {gt:.15g}",
    "greater_than_equal": "must be at least {ge:.15g}",
    "less_than": "must be less than {lt:.15g}",
    "less_than_equal": "must be at most {le:.15g}",
    "string_too_short": "must have at least {min_length} characters",
    "too_short": "must have at least {min_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "path_not_file": "there is no such file",
    "url_type": "must be a URL",
    "url_parsing": "must be a URL, as https://host/path",
    "url_scheme": "must be a URL that begins with http:// or https://",
    "model_type": "must be a group of settings",
    "model_attributes_type": "must be a group of settings",
}
"""The rules that pydantic checks, by type of error; the rest is in the words of the library or of a validator."""


class SettingsError(ValueError):
    """A setting that is not valid; the message is for the operator."""


def error_lines(error: ValidationError, given: Given) -> str:
    """Return one line for each setting that is not valid, without secrets: name, value and rule."""
    known = {leaf.path: leaf for leaf in leaves(Settings)}
    return "\n".join(_line(details, known, given) for details in error.errors(include_url=False))


def line(path: LeafPath, value: object, rule: str, given: Given) -> str:
    """Return the line for a setting, which is no secret, whose value breaks a rule."""
    leaf = next(leaf for leaf in leaves(Settings) if leaf.path == path)
    return f"{_name(leaf, given)}: got {_shown(value)}; {rule}"


def _line(error: ErrorDetails, known: Mapping[LeafPath, Leaf], given: Given) -> str:
    location = error["loc"]
    if not location:  # of several settings, which the message names
        return _rule(error)
    if error["type"] == UNKNOWN:
        return _unknown(tuple(map(str, location)), given)
    leaf = next((leaf for path, leaf in known.items() if path == location[: len(path)]), None)
    if leaf is None:  # the value of an error in a whole group is the group, with its secrets
        path = tuple(map(str, location))
        name = _in_file(path, given) if given.origin(path) == "file" else variable_of(path)
        return f"{name}: {_rule(error)}"
    value = error["input"]
    if isinstance(value, NamedFile):
        leaf = known[*leaf.path[:-1], leaf.path[-1] + FILE_SUFFIX]
        value = value.path
    shown = "a secret value" if leaf.is_secret else _shown(value)
    rule = f"{_rule(error)}, or `off`" if is_off(leaf.field) else _rule(error)
    return f"{_name(leaf, given)}: got {shown}; {rule}"


def _name(leaf: Leaf, given: Given) -> str:
    """Return the name of a setting as it was given."""
    match given.origin(leaf.path):
        case "option":
            return f"{leaf.option} ({leaf.variable})"
        case "file":
            return f"{leaf.variable} ({_in_file(leaf.path, given)})"
    return leaf.variable


def _unknown(path: LeafPath, given: Given) -> str:
    origin = given.origin(path)
    if origin == "environment":
        name = path[0] if len(path) == 1 else f"{path[-1]} in {variable_of(path[:-1])}"
    else:
        name = _in_file(path, given)
    text = proposal(Settings, path, variable=origin == "environment" and len(path) == 1)
    return f"{name}: there is no such setting; {text}"


def _in_file(path: LeafPath, given: Given) -> str:
    """Return the name of a setting in the file, and the file."""
    group = f" in [{'.'.join(path[:-1])}]" if path[:-1] else ""
    return f"{path[-1]}{group} of {given.file_name}"


def _rule(error: ErrorDetails) -> str:
    rule = _RULES.get(error["type"])
    if rule is not None:
        return rule.format_map(error.get("ctx", {}))
    message: str = error["msg"].removeprefix("Value error, ")  # pydantic's, of a validator of ours
    return message if message.startswith("GATEWAY_") else f"{message[0].lower()}{message[1:]}"


def _shown(value: Any) -> str:
    """Return a value as JSON, as it is written in the file, with what may be a key in its URLs masked."""
    return json.dumps(_masked(value), default=_masked, ensure_ascii=False)


def _masked(value: Any) -> Any:
    match value:
        case str():
            return without_credentials(value)
        case list() | tuple():
            return [_masked(each) for each in value]
        case dict():
            return {name: _masked(each) for name, each in value.items()}
        case None | bool() | int() | float():
            return value
    return without_credentials(str(value))
