"""JSON from strangers: what two parsers could read in two ways is refused."""

import json
from typing import Any

import orjson

from gateway.api.graphql.execution.request import refusal

__all__ = ["parse_json"]


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) != len({name for name, _ in pairs}):
        raise _TwiceError


class _TwiceError(ValueError):
    pass


def _exact(digits: str) -> None:
    if not -(2**63) <= int(digits) < 2**64:
        raise ValueError(digits)


_NAMES = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_exact)  # past 64 bits orjson makes it a double


def parse_json(body: bytes, what: str) -> Any:
    """The value; `what` begins the sentence that a refused client is sent.

    orjson refuses what no GraphQL value can be: numbers past a double, lone surrogates, 1,024 levels. It takes the
    last of two equal names, where a firewall before us may have read the first: so names are looked at once more.

    Raises:
        RefusedError: 400.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refusal(400, f"{what} is not JSON: {error.msg}.") from None
    try:
        _NAMES.raw_decode(body.decode().lstrip())  # that nothing follows is known by now
        orjson.dumps(value)  # it writes 254 levels: what is said back, or told apart by its text, is written
    except _TwiceError:
        raise refusal(400, f"{what} has a name twice in one object.") from None
    except (ValueError, RecursionError, orjson.JSONEncodeError):
        raise refusal(400, f"{what} is JSON of a kind that is not taken.") from None
    return value
