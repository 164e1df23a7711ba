"""Values as an operator writes them in the environment, and as JSON, without secrets."""

import re
from typing import Any

from pydantic import SecretStr

from gateway.settings.kinds import is_off
from gateway.settings.names import Leaf

__all__ = ["MASK", "as_json", "as_text", "without_credentials"]

MASK = "********"
_URL_CREDENTIALS = re.compile(r"//\S*@")  # a password may have any character where somebody forgot to escape it
_URL_QUERY = re.compile(r'(://[^\s?#"]*\?)[^\s#"]+')


def as_text(leaf: Leaf, value: Any) -> str:
    """Return the value as it is written in the environment; empty if it is not set."""
    return _text(as_json(leaf, value))


def as_json(leaf: Leaf, value: Any) -> Any:
    """Return the value as a number, truth value, text or list of texts; None if it is not set."""
    if value is None:
        return "off" if is_off(leaf.field) else None
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return [without_credentials(str(item)) for item in value]
    if isinstance(value, bool | int | float):
        return int(value) if isinstance(value, float) and value.is_integer() else value
    return without_credentials(str(value))


def without_credentials(text: str) -> str:
    """Return a text with the user names, the passwords and the queries of its URLs masked: those may be keys."""
    return _URL_QUERY.sub(rf"\1{MASK}", _URL_CREDENTIALS.sub(f"//{MASK}@", text))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
