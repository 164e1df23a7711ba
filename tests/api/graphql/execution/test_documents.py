"""Documents are prepared once, kept while they are used, and never more of them than there is room for."""

import random

import pytest
from api.graphql.defaults import document_limits
from graphql import OperationType

from gateway.api.graphql.execution.documents import Documents, InvalidDocument
from gateway.api.graphql.limits.limits import Guard
from gateway.api.graphql.schema.build import build_schema, executable, rules
from gateway.kit.segmented_cache import SegmentedCache


@pytest.fixture(scope="module")
def documents() -> Documents:
    """The documents of the gateway's schema."""
    return Documents(executable(build_schema()), rules(introspection=True), guard=Guard(document_limits()))


def test_a_document_is_prepared_once(documents: Documents) -> None:
    """The same text gives the same operation, whoever sends it; another name another one."""
    text = "query A { __typename } query B { __typename }"
    first = documents.prepare(text, "A")
    assert documents.prepare("query A { __typename }" + " query B { __typename }", "A") is first
    assert documents.prepare(text, "B") is not first


@pytest.mark.parametrize(
    ("text", "name", "message", "syntax"),
    [
        ("{ user(", None, "Syntax Error", True),
        ("{ }", None, "Syntax Error", True),
        ("{ nothing }", None, "Cannot query field 'nothing'", False),
        ("query A { __typename } query B { __typename }", None, "several operations", False),
        ("query A { __typename }", "B", "no operation of that name", False),
        ("fragment A on Query { __typename }", None, "never used", False),
    ],
)
def test_what_cannot_be_executed(
    documents: Documents, text: str, name: str | None, message: str, *, syntax: bool
) -> None:
    """A document that cannot be read or is not valid says what is wrong."""
    with pytest.raises(InvalidDocument) as invalid:
        documents.prepare(text, name)
    assert message in invalid.value.errors[0].message
    assert invalid.value.syntax is syntax


def test_few_errors_are_told(documents: Documents) -> None:
    """A document with a hundred mistakes is told of five."""
    with pytest.raises(InvalidDocument) as invalid:
        documents.prepare("{ " + " ".join(f"a{number}" for number in range(100)) + " }")
    assert len(invalid.value.errors) <= 6


def test_the_plan_follows_the_switches(documents: Documents) -> None:
    """What is fetched depends on the variables that `@include` names, and on no others."""
    text = """
        query ($id: ID!, $wide: Boolean!, $other: String) {
            user(id: $id) { name role @include(if: $wide) { name } }
            person(email: $other) { email }
        }
    """
    prepared = documents.prepare(text.replace("$other: String", "$other: String!"))
    narrow, wide = prepared.plan({"wide": False}), prepared.plan({"wide": True})
    assert narrow != wide
    assert prepared.plan({"wide": True, "other": "x"}) is wide


def test_what_is_deferred_is_known(documents: Documents) -> None:
    """A document with `@defer` is kept in both forms: as written, and for clients that take one answer."""
    prepared = documents.prepare("{ ... @defer { __typename } }")
    assert prepared.incremental is not None
    assert prepared.kind is OperationType.QUERY
    assert documents.prepare("{ __typename }").incremental is None


def test_the_cache_never_weighs_more_than_it_may() -> None:
    """Whatever is put and asked for in whatever order, the weight stays within its bound and adds up."""
    chance = random.Random(7)  # noqa: S311 - it decides nothing but a test's order
    cache: SegmentedCache[int, str] = SegmentedCache(1_000)
    for _ in range(20_000):
        key = chance.randrange(200)
        if chance.random() < 0.5:
            cache.put(key, str(key), chance.randrange(1, 250))
        else:
            assert cache.get(key) in {None, str(key)}
        assert cache.weight <= 1_000
    assert len(cache) > 0


def test_what_never_repeats_cannot_push_out_what_does() -> None:
    """A stream of a hundred thousand documents asked for once leaves the hot ones where they are."""
    cache: SegmentedCache[str, int] = SegmentedCache(100)
    for number in range(20):
        cache.put(f"hot {number}", number, 2)
        assert cache.get(f"hot {number}") == number
    for number in range(100_000):
        cache.put(f"once {number}", number, 1)
    assert [cache.get(f"hot {number}") for number in range(20)] == list(range(20))
    assert len(cache) <= 100
