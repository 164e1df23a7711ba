"""How requests name their documents."""

from typing import Any

import pytest

from gateway.api.graphql.trusted.naming import DocumentName, name_of
from gateway.errors import BadUserInput

HASH = "ab" * 32


def persisted(**said: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": HASH} | said}}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, DocumentName()),
        ({"query": "{ a }", "extensions": None}, DocumentName()),
        ({"extensions": {"other": 1}}, DocumentName()),
        ({"extensions": {"persistedQuery": None}}, DocumentName()),
        ({"documentId": "ab"}, DocumentName("ab")),
        ({"documentId": "sha256:ab"}, DocumentName("sha256:ab")),
        ({"documentId": ""}, DocumentName()),
        ({"documentId": None}, DocumentName()),
        (persisted(), DocumentName(HASH, HASH)),
        (persisted(sha256Hash=HASH.upper()), DocumentName(HASH, HASH)),
        ({"doc_id": "ab"}, DocumentName("ab")),
        ({"id": "ab"}, DocumentName("ab")),
        ({"documentId": "one", "doc_id": "two", **persisted()}, DocumentName("one")),
        ({"doc_id": "two", "id": "three", **persisted()}, DocumentName(HASH, HASH)),
        ({"doc_id": "two", "id": "three"}, DocumentName("two")),
    ],
)
def test_named(sent: dict[str, Any], expected: DocumentName) -> None:
    """Each kind of client's own words name a document; the first in the list counts."""
    assert name_of(sent) == expected


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"documentId": 1}, "documentId"),
        ({"doc_id": ["a"]}, "doc_id"),
        ({"id": {}}, "id"),
        ({"extensions": {"persistedQuery": "ab"}}, "extensions.persistedQuery"),
        (persisted(version=2), "extensions.persistedQuery.version"),
        (persisted(sha256Hash="ab"), "extensions.persistedQuery.sha256Hash"),
        (persisted(sha256Hash=None), "extensions.persistedQuery.sha256Hash"),
        (persisted(sha256Hash="é" * 64), "extensions.persistedQuery.sha256Hash"),
    ],
)
def test_wrong(sent: dict[str, Any], field: str) -> None:
    """A name that is none is the client's mistake, and the refusal says where."""
    with pytest.raises(BadUserInput) as refused:
        name_of(sent)
    assert ".".join(map(str, refused.value.violations[0].path)) == field
