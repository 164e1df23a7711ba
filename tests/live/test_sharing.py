"""Who is told the same: it is too little where it costs, and too much where it leaks."""

from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse

from gateway.api.graphql.documents.prepared import Prepared
from gateway.api.graphql.live.sharing import Sharing, sharing
from gateway.api.graphql.request import GraphQLRequest
from gateway.callers.principal import ANYONE, Action, Principal
from gateway.users.model import UserSource

QUERY = "subscription($after: String, $ids: [ID!]) { userChanged(after: $after, ids: $ids) { id } }"
KIM = Principal("kim", frozenset({Action.READ}))


def prepared(text: str) -> Prepared:
    """The operation of a document."""
    document = parse(text)
    [operation] = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return Prepared(document, operation, None, None, None, 0, ())  # type: ignore[arg-type]  # the price is not asked


def shares(of: Prepared, principal: Principal = ANYONE, **variables: Any) -> Sharing:
    """What it shares."""
    return sharing(of, GraphQLRequest("", variables), principal)


def test_the_place_is_no_difference() -> None:
    """Those who resume at different places are told of an event alike, and who does not resume as well."""
    query = prepared(QUERY)
    one, two, other = shares(query, after="e1"), shares(query, after="e2"), shares(query)
    assert one.alike == two.alike == other.alike
    assert (one.resumes, two.resumes, other.resumes) == (True, True, False)
    assert not shares(query, after=None).resumes
    assert shares(query, ids=["a"]).alike != other.alike


@pytest.mark.parametrize(
    ("text", "resumes"),
    [
        ('subscription { userChanged(after: "e1") { id } }', True),
        ("subscription { userChanged(after: null) { id } }", False),
        ('subscription($after: String = "e1") { userChanged(after: $after) { id } }', True),
        ("subscription($after: String = null) { userChanged(after: $after) { id } }", False),
        ('subscription { ...F } fragment F on Subscription { userChanged(after: "e1") { id } }', True),
    ],
)
def test_a_place_in_the_document(text: str, *, resumes: bool) -> None:
    """A place is found wherever the document says it."""
    assert shares(prepared(text)).resumes is resumes


def test_a_place_that_is_used_for_more() -> None:
    """A variable that says something else, too, keeps those apart who give it differently."""
    query = prepared("subscription($after: ID!) { userChanged(after: $after, ids: [$after]) { id } }")
    assert shares(query, after="a").alike != shares(query, after="b").alike


def test_callers() -> None:
    """Nobody is told what another caller may see: name, scopes, forwarded credentials and expiry keep them apart."""
    query = prepared(QUERY)
    others = [
        ANYONE,
        KIM,
        Principal("lee", frozenset({Action.READ})),
        Principal("kim", frozenset({Action.READ.within(UserSource.ACCOUNT)})),
        Principal("kim", frozenset({Action.READ}), {UserSource.ACCOUNT: {"authorization": "a"}}),
        Principal("", frozenset(Action)),
        Principal("kim", frozenset({Action.READ}), expires=1.0),  # else the first one's end would be the others'
    ]
    assert len({shares(query, one).alike for one in others}) == len(others)
    assert shares(query, KIM).alike == shares(query, Principal("kim", frozenset({Action.READ}))).alike
