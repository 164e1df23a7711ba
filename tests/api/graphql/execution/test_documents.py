"""Operations are prepared once and cached within a bound."""

import random

import pytest
from api.graphql.defaults import document_limits
from graphql import OperationType

from gateway.api.graphql.execution.documents import Documents, InvalidDocument
from gateway.api.graphql.limits.limits import Guard
from gateway.api.graphql.schema.build import build_schema, executable, rules
from gateway.errors import BadUserInput
from gateway.kit.segmented_cache import SegmentedCache


@pytest.fixture(scope="module")
def documents() -> Documents:
    """The documents of the gateway's schema."""
    return Documents(executable(build_schema()), rules(introspection=True), guard=Guard(document_limits()))


def test_a_document_is_prepared_once(documents: Documents) -> None:
    """The same text and operation name give the same object; another name gives another one."""
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
def test_invalid_documents(documents: Documents, text: str, name: str | None, message: str, *, syntax: bool) -> None:
    """A document that cannot be parsed or is not valid raises an error with the reason."""
    with pytest.raises(InvalidDocument) as invalid:
        documents.prepare(text, name)
    assert message in invalid.value.errors[0].message
    assert invalid.value.syntax is syntax


def test_a_document_is_parsed_once(documents: Documents) -> None:
    """All operations of a document use what was parsed for the first; a name that it does not have needs no parsing."""
    text = "query C { __typename } query D { __typename }"
    assert not documents.is_prepared(text, "C")
    first = documents.prepare(text, "C")
    assert documents.is_prepared(text, "C")
    assert documents.is_prepared(text, "other")
    assert documents.is_prepared(text, None)
    assert not documents.is_prepared(text, "D")
    assert documents.prepare(text, "D").document is first.document
    for name in ("other", None):
        with pytest.raises(InvalidDocument):
            documents.prepare(text, name)


def test_the_only_operation(documents: Documents) -> None:
    """The only operation of a document is the same with and without its name."""
    text = "query Only { __typename }"
    assert documents.prepare(text, "Only") is documents.prepare(text)


def test_a_trusted_document_that_is_not_valid(documents: Documents) -> None:
    """A trusted document that is not valid is validated once, and has the same errors each time."""
    text = "{ notInThisSchema }"
    for _ in range(2):
        with pytest.raises(InvalidDocument, match="Cannot query field 'notInThisSchema'"):
            documents.prepare(text, trusted=True)
        assert documents.is_prepared(text, None)


def test_a_large_trusted_document() -> None:
    """A trusted document is cached although it takes more than the share of memory for new documents."""
    text = "{ " + " ".join(f"a{n}: __typename" for n in range(1000)) + " }"
    schema = executable(build_schema())
    documents = Documents(schema, rules(introspection=True), guard=Guard(document_limits()), max_bytes=3 * 1024 * 1024)
    documents.prepare(text, trusted=True)
    assert documents.is_prepared(text, None)


def test_too_many_comparisons(documents: Documents) -> None:
    """A document whose fragments need too many comparisons is refused with the name of the limit, unless trusted."""
    fields = [
        "id",
        "name",
        "firstName",
        "lastName",
        "email",
        "username",
        "imageUrl",
        "status",
        "sourceStatus",
        "company",
    ]
    spreads = " ".join(f"...f{n}" for n in range(400))
    text = f"{{users{{nodes{{{spreads}}}}}}}"
    text += "".join(f"fragment f{n} on User{{{fields[n % len(fields)]}}}" for n in range(400))
    with pytest.raises(InvalidDocument) as invalid:
        documents.prepare(text)
    [error] = invalid.value.errors
    assert isinstance(error.original_error, BadUserInput)
    assert [violation.path for violation in error.original_error.violations] == [("document", "comparisons")]
    assert documents.prepare(text, trusted=True)


def test_few_errors_are_reported(documents: Documents) -> None:
    """At most five errors of a document with a hundred errors are reported."""
    with pytest.raises(InvalidDocument) as invalid:
        documents.prepare("{ " + " ".join(f"a{number}" for number in range(100)) + " }")
    assert len(invalid.value.errors) <= 6


def test_the_plan_depends_on_include(documents: Documents) -> None:
    """The plan depends on the variables that `@include` names, and on no others."""
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


def test_incremental_documents(documents: Documents) -> None:
    """A document with `@defer` is cached in two forms: as written, and for clients that accept one response."""
    prepared = documents.prepare("{ ... @defer { __typename } }")
    assert prepared.incremental is not None
    assert prepared.operation_type is OperationType.QUERY
    assert documents.prepare("{ __typename }").incremental is None


def test_the_cache_is_bounded() -> None:
    """For any order of puts and gets the weight of the cache stays within its bound."""
    chance = random.Random(7)  # noqa: S311 - it only decides the order of a test
    cache: SegmentedCache[int, str] = SegmentedCache(1_000)
    for _ in range(20_000):
        key = chance.randrange(200)
        if chance.random() < 0.5:
            cache.put(key, str(key), chance.randrange(1, 250))
        else:
            assert cache.get(key) in {None, str(key)}
        assert cache.weight <= 1_000
    assert len(cache) > 0


def test_weights_that_change() -> None:
    """For any order of puts, gets and new weights the weight of the cache stays within its bound."""
    chance = random.Random(8)  # noqa: S311 - it only decides the order of a test
    cache: SegmentedCache[int, str] = SegmentedCache(1_000)
    for _ in range(20_000):
        key = chance.randrange(100)
        match chance.randrange(3):
            case 0:
                cache.put(key, str(key), chance.randrange(1, 250), protected=chance.random() < 0.3)
            case 1:
                assert cache.get(key) in {None, str(key)}
            case 2:
                cache.reweigh(key, chance.randrange(1, 1_100))
        assert cache.weight <= 1_000
    for key in range(100):
        cache.reweigh(key, 2_000)  # without room for them
    assert (len(cache), cache.weight) == (0, 0)


def test_single_uses_do_not_evict_repeated_ones() -> None:
    """A hundred thousand documents that are used once do not evict those that are used repeatedly."""
    cache: SegmentedCache[str, int] = SegmentedCache(100)
    for number in range(20):
        cache.put(f"hot {number}", number, 2)
        assert cache.get(f"hot {number}") == number
    for number in range(100_000):
        cache.put(f"once {number}", number, 1)
    assert [cache.get(f"hot {number}") for number in range(20)] == list(range(20))
    assert len(cache) <= 100
