"""Hostile requests: the response is always a 4xx, never a 500."""

import asyncio
import gzip
import json
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession

JSON = {"Content-Type": "application/json"}
TYPENAME = '{"query": "{ __typename }"'
BOMB = gzip.compress(b'{"query": "' + b" " * 200_000_000 + b'"}', 9)

HOSTILE = {
    "nested arrays": b"[" * 100_000,
    "nested variables": (TYPENAME + ', "variables": {"a": ' + "[" * 5_000 + "]" * 5_000 + "}}").encode(),
    "nested within orjson's limit": (TYPENAME + ', "variables": {"a": ' + "[" * 1_000 + "]" * 1_000 + "}").encode(),
    "nested beyond what orjson writes": (TYPENAME + ', "variables": {"a": ' + "[" * 300 + "]" * 300 + "}}").encode(),
    "an integer past 64 bits": (TYPENAME + f', "variables": {{"a": {2**64}}}}}').encode(),
    "a negative integer past 64 bits": (TYPENAME + f', "variables": {{"a": {-(2**63) - 1}}}}}').encode(),
    "a number past a double": (TYPENAME + ', "variables": {"a": 1e999}}').encode(),
    "an integer of 5,000 digits": (TYPENAME + ', "variables": {"a": ' + "9" * 5_000 + "}}").encode(),
    "NaN": (TYPENAME + ', "variables": {"a": NaN}}').encode(),
    "a lone surrogate": (TYPENAME + ', "variables": {"a": "\\ud800"}}').encode(),
    "a surrogate in bytes": (TYPENAME + ', "variables": {"a": "').encode() + b'\xed\xa0\x80"}}',
    "a name twice": b'{"query": "{ __typename }", "query": "{ a }"}',
    "a variable twice": b'{"query": "{ __typename }", "variables": {"a": 1, "a": 2}}',
    "no UTF-8": b'{"query": "\xff"}',
    "UTF-16": '{"query": "{ __typename }"}'.encode("utf-16"),
    "an empty body": b"",
    "a string": b'"{ __typename }"',
    "a batch": b'[{"query": "{ __typename }"}]',
    "no query": b"{}",
    "a query that is a number": b'{"query": 1}',
    "a truncated body": b'{"query": "{ __type',
    "trailing bytes": b'{"query": "{ __typename }"} {}',
    "a null byte": b'{"query": "{ __typename }"}\x00',
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_body(gateway_url: str, sent: bytes) -> None:
    """Invalid JSON, and JSON that two parsers could interpret in two ways, is a 400 with a GraphQL error."""
    async with ClientSession() as session, session.post(f"{gateway_url}/graphql", data=sent, headers=JSON) as answer:
        body = await answer.json()
        assert answer.status == 400, body
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63)])
async def test_large_integers(gateway_url: str, number: int) -> None:
    """Integers of 64 bits are accepted."""
    sent = {"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": number}}
    async with ClientSession() as session, session.post(f"{gateway_url}/graphql", json=sent) as answer:
        assert (answer.status, await answer.json()) == (200, {"data": {"node": None}})


DEEP: Any = json.loads("[" * 300 + "]" * 300)
FOLLOW = "subscription ($ids: [ID!]) { userChanged(ids: $ids) { id } }"


@pytest.mark.parametrize("query", ["{ __typename }", FOLLOW])
async def test_deep_variables_of_an_event_stream(gateway_url: str, query: str) -> None:
    """Variables that cannot be serialized again are refused before a stream begins."""
    headers = JSON | {"Accept": "text/event-stream", "GraphQL-Require-Preflight": "1"}
    posted: dict[str, Any] = {"json": {"query": query, "variables": {"ids": DEEP}}}
    got: dict[str, Any] = {"params": {"query": query, "variables": json.dumps({"ids": DEEP})}}
    async with ClientSession(gateway_url) as session:
        for method, sent in (("POST", posted), ("GET", got)):
            async with session.request(method, "/graphql", headers=headers, **sent) as answer:
                [error] = (await answer.json())["errors"]
                assert (answer.status, error["extensions"]["code"]) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "id": "1", "payload": {"query": FOLLOW, "variables": {"ids": DEEP}}},
        {"type": "ping", "payload": {"a": DEEP}},
    ],
    ids=lambda message: message["type"],
)
async def test_a_deep_message(gateway_url: str, message: Any) -> None:
    """A message that cannot be serialized again closes its WebSocket as the client's mistake."""
    async with (
        ClientSession() as session,
        session.ws_connect(f"{gateway_url}/graphql", protocols=("graphql-transport-ws",)) as socket,
    ):
        await socket.send_json({"type": "connection_init"})
        assert await socket.receive_json(timeout=30) == {"type": "connection_ack"}
        await socket.send_json(message)
        assert (await socket.receive(timeout=30)).type.name == "CLOSE"
        assert socket.close_code == 4400


QUERIES = {
    "nested fields": ("{ a " * 10_000, "BAD_USER_INPUT"),
    "nested lists": ("{ user(id: " + "[" * 10_000 + ") { id } }", "BAD_USER_INPUT"),
    "a long name": ("{ " + "a" * 500_000 + " }", "BAD_USER_INPUT"),
    "nested fragments": ("{ " + "... on Query { " * 3_000 + "__typename" + " }" * 3_000 + " }", "BAD_USER_INPUT"),
    "a control character": ("{ \x00 }", "GRAPHQL_PARSE_FAILED"),
    "a lone surrogate, escaped": ('{ user(id: "\\ud800") { id } }', "GRAPHQL_PARSE_FAILED"),
    "a huge integer": ("{ users(first: 99999999999999999999) { nodes { id } } }", "GRAPHQL_VALIDATION_FAILED"),
    "a cycle of fragments": (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
}


@pytest.mark.parametrize(("query", "code"), QUERIES.values(), ids=QUERIES.keys())
async def test_a_hostile_document(gateway_url: str, query: str, code: str) -> None:
    """A document that would overflow a parser is refused as a client's mistake."""
    headers = JSON | {"Accept": "application/graphql-response+json"}
    sent = json.dumps({"query": query})
    async with ClientSession() as session, session.post(f"{gateway_url}/graphql", data=sent, headers=headers) as answer:
        body = await answer.json()
        assert answer.status == 400, body
    assert {error["extensions"]["code"] for error in body["errors"]} == {code}


async def test_a_body_past_the_cap(gateway_url: str) -> None:
    """More than a MiB is a 413."""
    body = BytesIO(b" " * 1_100_000)
    async with ClientSession() as session, session.post(f"{gateway_url}/graphql", data=body, headers=JSON) as answer:
        assert answer.status == 413


async def test_a_compressed_body(gateway_url: str) -> None:
    """gzip and deflate are accepted."""
    for encoding, compress in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        body = compress(b'{"query": "{ __typename }"}')
        async with ClientSession() as session:
            headers = JSON | {"Content-Encoding": encoding}
            async with session.post(f"{gateway_url}/graphql", data=body, headers=headers) as answer:
                assert (await answer.json())["data"] == {"__typename": "Query"}


async def test_a_compression_bomb(gateway_url: str, demo: Any) -> None:
    """A body that inflates to 200 MB is refused, and is never in memory as a whole."""
    before = _peak(demo.pid)
    async with ClientSession() as session:
        headers = JSON | {"Content-Encoding": "gzip"}
        async with session.post(f"{gateway_url}/graphql", data=BOMB, headers=headers) as answer:
            assert answer.status in {400, 413}
    assert _peak(demo.pid) - before < 20_000_000


async def test_a_body_that_is_not_compressed_as_stated(gateway_url: str) -> None:
    """A body that does not have the stated encoding, or not all of it, is a 400 that says so."""
    body = b'{"query": "{ __typename }"}'
    for encoding, sent in (("gzip", b"not gzip"), ("gzip", gzip.compress(body)[:-8]), ("br", body), ("zstd", body)):
        async with ClientSession() as session:
            headers = JSON | {"Content-Encoding": encoding}
            async with session.post(f"{gateway_url}/graphql", data=sent, headers=headers) as answer:
                assert (answer.status, len((await answer.json())["errors"])) == (400, 1), encoding


async def test_two_codings(gateway_url: str) -> None:
    """A request with two fields of a coding is refused: a proxy in front may have read the other one."""
    at = urlsplit(gateway_url)
    body = gzip.compress(b'{"query": "{ __typename }"}')
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    writer.write(head + b"Content-Encoding: gzip\r\nContent-Encoding: identity\r\n\r\n" + body)
    async with asyncio.timeout(30):
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()
    await writer.wait_closed()


async def test_a_slow_body(fresh: Any) -> None:
    """A body that does not arrive in time is a 408."""
    world = await fresh(request_timeout=0.5)
    at = urlsplit(world.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    async with asyncio.timeout(30):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()
    await writer.wait_closed()


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
