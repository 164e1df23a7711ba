"""The sandbox compared with the tables of behaviours in docs/upstreams/."""

import re
from typing import Any

import aiohttp
import pytest
from sandbox.behaviours import MARKS, ROOT, SOURCES, Behaviour, behaviours, parse_call, parse_response, unlike
from yarl import URL

from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    LANDMARKS,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
)

ROWS = [row for source in SOURCES for row in behaviours(source)]
HEADERS = {
    "account": {
        "Authorization": f"Bearer {ACCOUNT_TOKEN}",
        "OpenMRP-Version": "1.0.forge-preview.3",
        "OpenMRP-Account": ACCOUNT_ID,
    },
    "softwareone": {"Authorization": f"Bearer {SOFTWAREONE_TOKEN}"},
    "reseller": {"Authorization": f"Bearer {RESELLER_TOKEN}"},
}


def row_id(row: Behaviour) -> str:
    """Return the name of a row in the output of the tests."""
    return f"{row.source}: {re.sub(r'[^ -~]', '', row.text)[:60]}"


@pytest.mark.parametrize("row", [row for row in ROWS if not row.tests], ids=row_id)
async def test_a_behaviour(world: Any, row: Behaviour) -> None:
    """The requests of the row, one after the other, end with its response."""
    values = LANDMARKS[row.source] | {"reseller": RESELLER_ID, "account": ACCOUNT_ID}
    base = getattr(world.sandbox, f"{row.source}_url")
    assert row.requests, "the row has neither a request nor a test"
    async with aiohttp.ClientSession() as session:
        for text in row.requests:
            call = parse_call(text, values)
            headers = HEADERS[row.source] | ({"Content-Type": "application/json"} if call.body else {}) | call.headers
            async with session.request(
                call.method,
                URL(base + call.target, encoded=True),
                headers={name: value for name, value in headers.items() if value},
                data=call.body.encode() or None,
                allow_redirects=False,
            ) as response:
                actual, body = response.status, await response.read()
                document = await response.json(content_type=None) if body.strip().startswith((b"{", b"[")) else None
    status, pattern = parse_response(row.response, values)
    assert actual == status, body
    assert pattern is None or unlike(pattern, document) is None, (unlike(pattern, document), body)


@pytest.mark.parametrize("row", [row for row in ROWS if row.tests], ids=row_id)
def test_the_named_tests_exist(row: Behaviour) -> None:
    """A behaviour that one request cannot show is shown by tests, which exist."""
    assert len(row.tests) == len(row.requests), "tests and requests are mixed"
    for name in row.tests:
        file, _, function = name.partition("::")
        assert re.search(rf"^(?:async )?def {re.escape(function)}\(", (ROOT / file).read_text(), re.MULTILINE), name


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_every_behaviour_names_its_evidence(row: Behaviour) -> None:
    """Each row has one of the marks, and all but inferences name where they are from."""
    marks, _, where = row.known.partition(": ")
    assert set(re.findall(r"\w+", marks)) <= MARKS, row.known
    assert where or marks == "I", row.known


@pytest.mark.parametrize("source", SOURCES)
def test_every_page_has_a_table(source: str) -> None:
    """The table of a source is found, and has many rows."""
    assert len(behaviours(source)) >= 10


@pytest.mark.parametrize(
    ("pattern", "value", "difference"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": "-"}, {"b": 2}, None),
        ({"a": "*"}, {"a": 0}, None),
        ({"a": "~b"}, {"a": "abc"}, None),
        ([], [], None),
        ({"a": None}, {}, "body.a is absent"),
        ({"a": None}, {"a": 0}, "body.a is 0 instead of None"),
        ({"a": 1}, {"a": True}, "body.a is True instead of 1"),
        ({"a": "-"}, {"a": None}, "body.a is None instead of absent"),
        ({"a": "*"}, {"a": None}, "body.a is None instead of '*'"),
        ({"a": "~x"}, {"a": "abc"}, "body.a is 'abc' instead of '~x'"),
        ([{}], [], "body has 0 items instead of 1"),
        ([{"a": 1}], [{"a": 2}], "body[0].a is 2 instead of 1"),
        ({}, None, "body is None instead of {}"),
    ],
)
def test_patterns(pattern: Any, value: Any, difference: str | None) -> None:
    """A pattern that does not match says where."""
    assert unlike(pattern, value) == difference
