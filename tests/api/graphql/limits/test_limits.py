"""What the limits let through, and how they refuse."""

import logging
from contextlib import suppress
from dataclasses import replace

import pytest
from api.graphql.defaults import document_limits
from graphql import GraphQLSchema, GraphQLSyntaxError, get_introspection_query, validate
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.graphql.execution.errors import extensions
from gateway.api.graphql.limits.limits import Finding, Guard, Limit
from gateway.errors import BadUserInput

DEEPEST = """
{ users { nodes { department { scanningStations { nodes { productionSteps { nodes {
  machines { department { location { parent { name } } } }
} } } } } } } }
"""
# Of the shape that GraphQL Cop sends: from type to field to type, without an end.
CIRCULAR = "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }"


def fields_refused(guard: Guard, text: str) -> set[str]:
    with pytest.raises(BadUserInput) as refused:
        guard.parse(text)
    told = extensions(refused.value, "request")
    assert told["code"] == "BAD_USER_INPUT"
    return {one["field"] for one in told["violations"]}


def test_introspection_passes(schema: GraphQLSchema) -> None:
    """What GraphiQL asks before anything else is within the limits, with everything that it may ask."""
    text = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
        one_of=True,
    )
    assert validate(schema, Guard(document_limits()).parse(text)) == []


def test_deepest_passes(schema: GraphQLSchema) -> None:
    """The deepest question that makes sense on this schema may be asked."""
    assert validate(schema, Guard(document_limits()).parse(DEEPEST)) == []


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{" + " ".join(f"a{n}: __typename" for n in range(101)) + "}", "document.aliases"),
        ("{ __typename " + "@aa " * 10 + "}", "document.directives"),
        ("{" + "__typename " * 500 + "}", "document.overlaps"),
        (CIRCULAR, "document.introspection"),
    ],
)
def test_known_attacks(text: str, field: str) -> None:
    """The overloads that scanners send are refused, each by the name of its limit."""
    assert field in fields_refused(Guard(document_limits()), text)


@pytest.mark.parametrize(
    ("limit", "within", "beyond", "field"),
    [
        (Limit.DEPTH, "{a{b}}", "{a{b{c}}}", "depth"),
        (Limit.NESTING, "{...{a}}", "{...{...{a}}}", "nesting"),
        (Limit.FIELDS, "{a b}", "{a ...F} fragment F on T {b c}", "fields"),
        (Limit.ALIASES, "{x:a y:a}", "{x:a ...F} fragment F on T {y:a z:__typename}", "aliases"),
        (Limit.ROOT_FIELDS, "{a b{c d}}", "{a ...F} fragment F on Query {b ...{c}}", "rootFields"),
        (Limit.DIRECTIVES, "{a@d@d}", "{a@d@d@d}", "directives"),
        (Limit.SPREADS, "{...F ...F} fragment F on T{a}", "{...F ...F ...F} fragment F on T{a}", "spreads"),
        (Limit.OVERLAPS, "{a a}", "{a a a}", "overlaps"),
        (Limit.INTROSPECTION, "{fields{fields}}", "{fields{type{inputFields{interfaces}}}}", "introspection"),
        (Limit.TOKENS, "{a", "{a}", "tokens"),
        (Limit.LENGTH, "{}", "{a}", "length"),
    ],
)
def test_each(limit: Limit, within: str, beyond: str, field: str) -> None:
    """Each limit lets through as much as it says and no more, and is named in the refusal."""
    guard = Guard(replace(document_limits(), **{limit.value: 2}))
    try:
        guard.parse(within)
    except GraphQLSyntaxError:
        assert limit in {Limit.TOKENS, Limit.LENGTH}  # what is within two of those is no document
    assert fields_refused(guard, beyond) == {f"document.{field}"}


def test_all_at_once() -> None:
    """A document that breaks several limits is told of all of them."""
    limits = document_limits(depth=1, aliases=0)
    assert fields_refused(Guard(limits), "{x:a{b}}") == {"document.depth", "document.aliases"}


def test_too_long_is_not_read() -> None:
    """Nothing behind the last token that may be is looked at, and nothing at all of a text that is too long."""
    assert fields_refused(Guard(document_limits(tokens=10)), "{" + "a " * 50 + "\0") == {"document.tokens"}
    assert fields_refused(Guard(document_limits(length=10)), "\0" * 11) == {"document.length"}


@pytest.mark.parametrize("text", ["", "{", "{}", "{a", "}", "{a(", "\0", '{a(b:"'])
def test_no_document(text: str) -> None:
    """What is short and no document is a syntax error: no limit is blamed."""
    with pytest.raises(GraphQLSyntaxError):
        Guard(document_limits()).parse(text)


@pytest.mark.parametrize("open", ["{a", "[", "{a(b:[", "{a(b:{c:", "{...", "query($a:["])
@pytest.mark.parametrize("times", [300, 3000, 20_000])
def test_nested(open: str, times: int) -> None:
    """However deep a text is nested, it ends in a refusal."""
    with pytest.raises((GraphQLSyntaxError, BadUserInput)):
        Guard(document_limits()).parse("{a(b:" * (open == "[") + open * times)


@given(st.text(alphabet='{}()[]:$@!=|&."#\n ,\\a1F\0\ud800é', max_size=200))
def test_anything(text: str) -> None:
    """Any text is a document or a refusal."""
    with suppress(GraphQLSyntaxError, BadUserInput):
        Guard(document_limits(tokens=50)).parse(text)


def test_tried_out(caplog: pytest.LogCaptureFixture) -> None:
    """A limit that is tried out refuses nothing: what breaks it is logged, counted and parsed."""
    seen: list[tuple[Finding, bool]] = []
    guard = Guard(
        document_limits(length=1, tokens=1, depth=1, cost=1, log=frozenset(Limit)),
        lambda finding, refused: seen.append((finding, refused)),
    )
    with caplog.at_level(logging.WARNING):
        assert len(guard.parse("{a{b}}").definitions) == 1
        guard.check_cost(2)
    expected = [Finding(Limit.LENGTH, 6, 1), Finding(Limit.TOKENS, 6, 1), Finding(Limit.DEPTH, 2, 1)]
    assert seen == [(one, False) for one in (*expected, Finding(Limit.COST, 2, 1))]
    assert [record.getMessage() for record in caplog.records] == [
        "limit length tried out: a document has 6 characters; 1 are allowed",
        "limit tokens tried out: a document has more than 1 tokens; 1 are allowed",
        "limit depth tried out: a document is 2 fields deep; 1 are allowed",
        "limit cost tried out: a document costs 2; 1 are allowed",
    ]


def test_one_tried_out() -> None:
    """Beside a limit that is tried out the others refuse, and both are counted."""
    seen: dict[Limit, bool] = {}
    guard = Guard(
        document_limits(depth=1, aliases=0, log=frozenset({Limit.DEPTH})),
        lambda finding, refused: seen.update({finding.limit: refused}),
    )
    assert fields_refused(guard, "{x:a{b}}") == {"document.aliases"}
    assert seen == {Limit.DEPTH: False, Limit.ALIASES: True}


def test_too_expensive() -> None:
    """An operation may cost as much as the limit says, and no more."""
    guard = Guard(document_limits(cost=10))
    guard.check_cost(10)
    with pytest.raises(BadUserInput, match="costs 11; 10 are allowed"):
        guard.check_cost(11)
