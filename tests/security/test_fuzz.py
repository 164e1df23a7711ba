"""Operations that nobody thought of, against the console script: never a defect, always an answer as specified.

`GATEWAY_FUZZ_REQUESTS` says how many (500), `GATEWAY_FUZZ_SEED` which ones: a number, or `random`. What failed is
printed with its seed.
"""

import json
from collections import Counter
from http.client import HTTPConnection
from random import Random
from typing import Any
from urllib.parse import urlsplit

import graphql
from conftest import ROOT
from graphql import ArgumentNode, DocumentNode, ObjectFieldNode, StringValueNode, Visitor
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis_graphql import Mode, from_schema, nodes
from security.fuzzing import REQUESTS, SEED
from security.outside import Recorded, Serve
from security.specified import check

from gateway.errors import Code
from gateway.sandbox import LANDMARKS
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource

SCHEMA = (ROOT / "schema.graphql").read_text()
SCALARS = {
    "DateTime": st.sampled_from(["2026-01-01T00:00:00Z", ""]).map(nodes.String),
    "JSON": st.text().map(nodes.String),
    "Upload": st.just("x").map(nodes.String),
}
IDS = [
    *(there["ada"] for there in LANDMARKS.values() if "ada" in there),
    *(
        encode(Ref(Kind.USER, source, LANDMARKS[source]["ada"]))
        for source in UserSource
        if source is not UserSource.RESELLER
    ),
    encode(Ref(Kind.ROLE, UserSource.ACCOUNT, "x")),
    encode(Ref(Kind.ORGANIZATION, UserSource.RESELLER, "1", "2")),
]
CHOICES = {"id": IDS, "ids": IDS, "email": ["ada@example.com"], "idempotencyKey": ["one", "two", "\r\n", "é" * 300]}


class _Meant(Visitor):
    """Puts values that exist where any would do, now and then: else nobody is ever found."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance

    def enter_argument(self, node: ArgumentNode, *_: Any) -> Any:
        return self._replaced(node)

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> Any:
        return self._replaced(node)

    def _replaced(self, node: Any) -> Any:
        choices = CHOICES.get(node.name.value)
        if choices is None or self._chance.random() < 0.4:
            return None
        values = StringValueNode(value=self._chance.choice(choices))
        value = nodes.List([values]) if node.name.value == "ids" else values
        return type(node)(name=node.name, value=value)


class _Client:
    """One connection; asserts that what comes is an answer as specified, and counts what it was."""

    def __init__(self, running: Recorded) -> None:
        at = urlsplit(running.address("GraphQL"))
        assert at.hostname
        self._connection = HTTPConnection(at.hostname, at.port or 80, timeout=30)
        self.seen: Counter[str] = Counter()

    def send(self, query: str, headers: dict[str, str]) -> None:
        own = {"Content-Type": "application/json", "Accept": "application/graphql-response+json"}
        self._connection.request("POST", "/graphql", json.dumps({"query": query}), own | headers)
        answer = self._connection.getresponse()
        body = answer.read()
        said = json.loads(body)
        check(answer.status, said)
        sent = [error["extensions"]["code"] for error in said.get("errors", ())]
        assert Code.SOURCE_INVALID_RESPONSE not in sent, said  # the sandbox's answers are as documented
        self.seen[f"{answer.status}" + (" with errors" if "errors" in said else "")] += 1

    def close(self) -> None:
        self._connection.close()


def _fuzzed(running: Recorded, mode: Mode, most: int) -> Counter[str]:
    """Send so many documents; what became of them."""
    client = _Client(running)
    documents = from_schema(
        SCHEMA, custom_scalars=SCALARS, mode=mode, codec="utf-8", print_ast=lambda document: document
    )
    print(f"GATEWAY_FUZZ_SEED={SEED} ({mode.name})")  # noqa: T201 - for whoever repeats it

    @seed(SEED)
    @settings(
        max_examples=most,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(documents, st.integers(0, 2**32))
    def sending(document: DocumentNode, chance: int) -> None:
        meant = graphql.visit(document, _Meant(Random(chance)))  # noqa: S311 - no secret
        client.send(graphql.print_ast(meant), {})

    try:
        sending()
    finally:
        client.close()
    assert "defect" not in running.said
    return client.seen


def test_valid_operations(serve: Serve, apart: dict[str, str]) -> None:
    """Any operation that the schema allows is executed or refused in our words."""
    with serve(**apart) as running:
        seen = _fuzzed(running, Mode.POSITIVE, REQUESTS * 4 // 5)
    assert seen["200"] + seen["200 with errors"] > seen.total() / 2, seen


def test_operations_with_a_mistake(serve: Serve, apart: dict[str, str]) -> None:
    """Any operation with one mistake in it is refused in our words, and not executed."""
    with serve(**apart) as running:
        seen = _fuzzed(running, Mode.NEGATIVE, REQUESTS // 5)
    assert seen["400 with errors"] > seen.total() / 2, seen
