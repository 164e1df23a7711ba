"""The limits on documents: what passes, and how refusals are reported."""

import logging
from contextlib import suppress
from dataclasses import replace
from typing import Any

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
# As GraphQL Cop sends it: from type to field to type, arbitrarily deep.
CIRCULAR = "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }"


def fields_refused(guard: Guard, text: str) -> set[str]:
    with pytest.raises(BadUserInput) as refused:
        guard.parse(text)
    found = extensions(refused.value, "request")
    assert found["code"] == "BAD_USER_INPUT"
    return {violation["field"] for violation in found["violations"]}


def test_introspection_passes(schema: GraphQLSchema) -> None:
    """GraphiQL's introspection query is within the limits, with all of its options."""
    text = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
        one_of=True,
    )
    assert validate(schema, Guard(document_limits()).parse(text)) == []


def test_deepest_passes(schema: GraphQLSchema) -> None:
    """The deepest query that makes sense on this schema is within the limits."""
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
    """The overload documents that scanners send are refused, each with the name of its limit."""
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
    """A document at a limit passes; one beyond it is refused with the name of the limit."""
    guard = Guard(replace(document_limits(), **{limit.value: 2}))
    try:
        guard.parse(within)
    except GraphQLSyntaxError:
        assert limit in {Limit.TOKENS, Limit.LENGTH}  # two tokens or characters are no document
    assert fields_refused(guard, beyond) == {f"document.{field}"}


def test_all_at_once() -> None:
    """A refusal names all limits that the document exceeds."""
    limits = document_limits(depth=1, aliases=0)
    assert fields_refused(Guard(limits), "{x:a{b}}") == {"document.depth", "document.aliases"}


def test_excess_is_not_parsed() -> None:
    """A text that is too long is not parsed, and one with too many tokens only up to the limit."""
    assert fields_refused(Guard(document_limits(tokens=10)), "{" + "a " * 50 + "\0") == {"document.tokens"}
    assert fields_refused(Guard(document_limits(length=10)), "\0" * 11) == {"document.length"}


@pytest.mark.parametrize("text", ["", "{", "{}", "{a", "}", "{a(", "\0", '{a(b:"'])
def test_no_document(text: str) -> None:
    """A short text that is no document is a syntax error, not a limit."""
    with pytest.raises(GraphQLSyntaxError):
        Guard(document_limits()).parse(text)


@pytest.mark.parametrize("open", ["{a", "[", "{a(b:[", "{a(b:{c:", "{...", "query($a:["])
@pytest.mark.parametrize("times", [300, 3000, 20_000])
def test_nested(open: str, times: int) -> None:
    """Nesting of any depth ends in a refusal."""
    with pytest.raises((GraphQLSyntaxError, BadUserInput)):
        Guard(document_limits()).parse("{a(b:" * (open == "[") + open * times)


@given(st.text(alphabet='{}()[]:$@!=|&."#\n ,\\a1F\0\ud800é', max_size=200))
def test_anything(text: str) -> None:
    """Any text is a document or is refused."""
    with suppress(GraphQLSyntaxError, BadUserInput):
        Guard(document_limits(tokens=50)).parse(text)


def beside(number: int) -> str:
    """Return a document with fragments side by side, of which validation compares each with each."""
    spreads = " ".join(f"...f{n}" for n in range(number))
    return f"{{users{{nodes{{{spreads}}}}}}}" + "".join(f"fragment f{n} on User{{a{n}:id}}" for n in range(number))


def chained(chains: int, length: int) -> str:
    """Return a document with chains of fragments, of which validation compares each with those of other chains."""
    names = [(chain, link) for chain in range(chains) for link in range(length)]
    spreads = " ".join(f"...f{chain}x0" for chain in range(chains))
    return f"{{users{{nodes{{{spreads}}}}}}}" + "".join(
        f"fragment f{chain}x{link} on User{{a{chain}x{link}:id"
        + (f" ...f{chain}x{link + 1}}}" if link + 1 < length else "}")
        for chain, link in names
    )


COMPARED = {
    "side by side": beside(400),
    "chains": chained(6, 50),
    "unused": "fragment g on Query" + beside(400) + "{__typename}",
    "in fields of one name": "{" + "users{nodes{...f ...g}}" * 90 + "}"
    "fragment f on User{...h}fragment g on User{...h}fragment h on User{id name email username}",
}


@pytest.mark.parametrize("text", COMPARED.values(), ids=COMPARED.keys())
def test_comparisons(schema: GraphQLSchema, text: str) -> None:
    """Validation stops at the maximum of comparisons, in whatever way fragments multiply them."""
    limits = document_limits(comparisons=20_000, aliases=10_000, fields=10_000, overlaps=10_000, root_fields=100)
    guard = Guard(limits)
    with pytest.raises(BadUserInput) as refused:
        validate(schema, guard.parse(text), [guard.comparison_rule()])
    [violation] = extensions(refused.value, "request")["violations"]
    assert violation["field"] == "document.comparisons"
    seen: list[Finding] = []
    counting = Guard(
        replace(limits, log=frozenset({Limit.COMPARISONS})), lambda finding, _refused: seen.append(finding)
    )
    validate(schema, counting.parse(text), [counting.comparison_rule()])
    assert seen[0].found > 20_000


def test_fragments_of_a_large_application(schema: GraphQLSchema) -> None:
    """Sixty fragments side by side, each with several fields, are within the limits."""
    spreads = " ".join(f"...f{n}" for n in range(60))
    text = f"{{users{{nodes{{{spreads}}}}}}}" + "".join(f"fragment f{n} on User{{id name email}}" for n in range(60))
    guard = Guard(document_limits())
    assert validate(schema, guard.parse(text), [guard.comparison_rule()]) == []


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"a": 1, "b": "x" * 1000, "c": None}, 0),
        ({"a": [1, 2, 3]}, 3),
        ({"a": {"x": 1, "y": None}, "b": [1]}, 3),
        ({"a": [{"x": [[1], {}]}, {"y": 2}]}, 7),
        ({"other": list(range(100_000))}, 0),
    ],
)
def test_values(variables: dict[str, Any], found: int) -> None:
    """The values in the variables that the operation declares count at all levels, those in others do not."""
    names = ("a", "b", "c")
    Guard(document_limits(values=max(1, found))).check_variables(names, variables)
    if found:
        with pytest.raises(BadUserInput) as refused:
            Guard(document_limits(values=found - 1)).check_variables(names, variables)
        [violation] = extensions(refused.value, "request")["violations"]
        assert violation["field"] == "document.values"


def test_limits_that_are_not_enforced(caplog: pytest.LogCaptureFixture) -> None:
    """A document that exceeds a limit which is not enforced is logged, counted and parsed."""
    seen: list[tuple[Finding, bool]] = []
    guard = Guard(
        document_limits(length=1, tokens=1, depth=1, cost=1, log=frozenset(Limit)),
        lambda finding, refused: seen.append((finding, refused)),
    )
    with caplog.at_level(logging.WARNING):
        assert len(guard.parse("{a{b}}").definitions) == 1
        guard.check_cost(2)
    expected = [Finding(Limit.LENGTH, 6, 1), Finding(Limit.TOKENS, 6, 1), Finding(Limit.DEPTH, 2, 1)]
    assert seen == [(finding, False) for finding in (*expected, Finding(Limit.COST, 2, 1))]
    assert [record.getMessage() for record in caplog.records] == [
        "limit length exceeded, not enforced: a document has 6 characters; 1 are allowed",
        "limit tokens exceeded, not enforced: a document has more than 1 tokens; 1 are allowed",
        "limit depth exceeded, not enforced: a document is 2 fields deep; 1 are allowed",
        "limit cost exceeded, not enforced: a document costs 2; 1 are allowed",
    ]


def test_one_limit_that_is_not_enforced() -> None:
    """The other limits are enforced beside one that is not, and all findings are counted."""
    seen: dict[Limit, bool] = {}
    guard = Guard(
        document_limits(depth=1, aliases=0, log=frozenset({Limit.DEPTH})),
        lambda finding, refused: seen.update({finding.limit: refused}),
    )
    assert fields_refused(guard, "{x:a{b}}") == {"document.aliases"}
    assert seen == {Limit.DEPTH: False, Limit.ALIASES: True}


def test_too_expensive() -> None:
    """An operation may cost as much as the limit allows, and no more."""
    guard = Guard(document_limits(cost=10))
    guard.check_cost(10)
    with pytest.raises(BadUserInput, match="costs 11; 10 are allowed"):
        guard.check_cost(11)
