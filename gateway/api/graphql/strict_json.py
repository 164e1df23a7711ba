"""JSON from strangers: what two parsers could read in two ways is refused."""

import json
from typing import Any

import orjson

from gateway.api.graphql.request import refusal

__all__ = ["parse_json"]


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) != len({name for name, _ in pairs}):
        raise _TwiceError


class _TwiceError(ValueError):
    pass


_NAMES = json.JSONDecoder(object_pairs_hook=_unique)


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
    except _TwiceError:
        raise refusal(400, f"{what} has a name twice in one object.") from None
    except (ValueError, RecursionError):
        raise refusal(400, f"{what} is JSON of a kind that is not taken.") from None
    return value
