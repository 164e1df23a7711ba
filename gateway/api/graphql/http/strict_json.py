"""Parses JSON from clients, and refuses what two parsers could interpret in two ways."""

import json
from typing import Any

import orjson

from gateway.api.graphql.execution.request import refusal

__all__ = ["parse_json"]


class _DuplicateNameError(ValueError):
    pass


def _check_names(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) != len({name for name, _ in pairs}):
        raise _DuplicateNameError


def _check_integer(digits: str) -> None:
    if not -(2**63) <= int(digits) < 2**64:
        raise ValueError(digits)


# orjson makes a double of an integer that has more than 64 bits.
_CHECKER = json.JSONDecoder(object_pairs_hook=_check_names, parse_int=_check_integer)


def parse_json(body: bytes, subject: str) -> Any:
    """Return the value of a JSON text; `subject` begins the message of an error.

    orjson refuses what no GraphQL value can be: numbers beyond a double, lone surrogates, 1,024 levels. Of two equal
    names it takes the last, while a firewall in front of the gateway may have read the first; so names are checked
    separately.

    Raises:
        RefusedError: 400.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refusal(400, f"{subject} is not JSON: {error.msg}.") from None
    try:
        _CHECKER.raw_decode(body.decode().lstrip())  # orjson has found that nothing follows the value
        orjson.dumps(value)  # fails beyond 254 levels: values are also written, in responses and as keys
    except _DuplicateNameError:
        raise refusal(400, f"{subject} has a name twice in one object.") from None
    except (ValueError, RecursionError, orjson.JSONEncodeError):
        raise refusal(400, f"{subject} has numbers or nesting that are not supported.") from None
    return value
