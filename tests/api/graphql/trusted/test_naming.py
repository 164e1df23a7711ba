"""How requests name their documents."""

from typing import Any

import pytest

from gateway.api.graphql.trusted.naming import DocumentName, name_of
from gateway.errors import BadUserInput

HASH = "ab" * 32


def persisted(**changes: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": HASH} | changes}}


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
        (persisted(sha256Hash=f"sha256:{HASH}"), DocumentName(HASH, HASH)),
        ({"doc_id": "ab"}, DocumentName("ab")),
        ({"id": "ab"}, DocumentName("ab")),
        ({"documentId": "one", "doc_id": "two", **persisted()}, DocumentName("one")),
        ({"doc_id": "two", "id": "three", **persisted()}, DocumentName(HASH, HASH)),
        ({"doc_id": "two", "id": "three"}, DocumentName("two")),
    ],
)
def test_named(sent: dict[str, Any], expected: DocumentName) -> None:
    """Documents are named in the format of each kind of client; the first one in the list counts."""
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
    """An invalid name is refused as the client's mistake, with the path of the field."""
    with pytest.raises(BadUserInput) as refused:
        name_of(sent)
    assert ".".join(map(str, refused.value.violations[0].path)) == field
