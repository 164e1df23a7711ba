"""What is refused in JSON of clients, compared with a parser that looks at each object and number."""

import json
import random
from typing import Any

import orjson
import pytest

from gateway.api.graphql.execution.request import RefusedError
from gateway.api.graphql.http.strict_json import parse_json

NUMBERS = (
    *("1", "-0", "1.5", "1e5", "-1E-05", "18446744073709551615", "18446744073709551616", "-9223372036854775808"),
    *("-9223372036854775809", "0.12345678901234567890123", "12345678901234567890123.5", "1e0000000000000000000000"),
    *("123456789012345678901e3", "12345678901234567890123"),
)


def _random_json(rng: random.Random, depth: int = 0) -> str:
    def text() -> str:
        characters = "".join(rng.choice('ab\\":{},é\n 1') for _ in range(rng.randrange(4)))
        return json.dumps(characters, ensure_ascii=rng.random() < 0.5)

    kind = rng.random()
    if depth < 4 and kind < 0.3:
        pairs = (f"{text()}{rng.choice((':', ' : '))}{_random_json(rng, depth + 1)}" for _ in range(rng.randrange(4)))
        return "{" + rng.choice(("", " ")) + ",".join(pairs) + "}"
    if depth < 4 and kind < 0.5:
        return "[" + ",".join(_random_json(rng, depth + 1) for _ in range(rng.randrange(4))) + "]"
    return rng.choice(NUMBERS) if kind < 0.65 else text() if kind < 0.95 else "null"


def _is_ambiguous(body: bytes) -> bool:
    def check_names(pairs: list[tuple[str, Any]]) -> None:
        if len(pairs) != len({name for name, _ in pairs}):
            raise ValueError

    def check_integer(digits: str) -> None:
        if not -(2**63) <= int(digits) < 2**64:
            raise ValueError

    try:
        json.loads(body, object_pairs_hook=check_names, parse_int=check_integer)
    except ValueError:
        return True
    return False


def test_ambiguous_json_is_refused() -> None:
    """Names that are twice in one object and integers of more than 64 bits are refused, and nothing else is."""
    rng, refused = random.Random(20), 0  # noqa: S311 - a repeatable test
    for _ in range(20_000):
        body = _random_json(rng).encode()
        try:
            assert parse_json(body, "The body") == orjson.loads(body)
            is_refused = False
        except RefusedError:
            is_refused = True
        assert is_refused == _is_ambiguous(body), body
        refused += is_refused
    assert refused > 1_000


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a": 1, "\\u0061": 2}', "a name twice"),
        (b"[18446744073709551616]", "more than 64 bits"),
        (b"[" * 300 + b"]" * 300, "nesting"),
        (b"[1e999]", "not JSON"),
        (b'["\\ud800"]', "not JSON"),
        (b"[1] [2]", "not JSON"),
    ],
)
def test_messages(body: bytes, message: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(RefusedError) as refused:
        parse_json(body, "The body")
    assert message in refused.value.error.message
