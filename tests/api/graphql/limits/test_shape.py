"""The shape of documents, against a model that spreads fragments out as a reader would."""

from dataclasses import dataclass

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.graphql.limits.shape import DocumentShape, shape_of

NAMES = st.sampled_from(["a", "b", "ofType", "fields", "__typename", "x: a", "y: fields"])


def selections(spreads: list[str]) -> st.SearchStrategy[str]:
    """A selection set that may spread these fragments."""
    leaves = [NAMES, *([st.sampled_from([f"...{name}" for name in spreads])] if spreads else [])]
    return st.recursive(
        st.lists(st.one_of(*leaves), min_size=1, max_size=4).map(lambda parts: f"{{{' '.join(parts)}}}"),
        lambda inner: st.lists(
            st.one_of(
                *leaves,
                st.tuples(NAMES, inner).map("".join),
                inner.map(lambda inside: f"... on T @d {inside}"),
            ),
            min_size=1,
            max_size=3,
        ).map(lambda parts: f"{{{' '.join(parts)}}}"),
        max_leaves=6,
    )


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A document of a few operations and fragments; a fragment spreads only those before it."""
    fragments: list[str] = []
    parts = []
    for number in range(draw(st.integers(0, 4))):
        parts.append(f"fragment F{number} on T {draw(selections(fragments))}")
        fragments.append(f"F{number}")
    operations = draw(st.lists(selections(fragments), min_size=1, max_size=2))
    parts.extend(f"query Q{number} {one}" for number, one in enumerate(operations))
    return " ".join(draw(st.permutations(parts)))


@dataclass
class Naive:
    """Spreads a document out, node by node."""

    document: DocumentNode

    def __post_init__(self) -> None:
        self.shape = DocumentShape()
        self.fragments = {
            one.name.value: one for one in self.document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        for one in self.document.definitions:
            if isinstance(one, OperationDefinitionNode):
                self.counts = DocumentShape()
                self.walk(one.selection_set, 0, 1, 0, root=True)
                for name in ("fields", "aliases", "root_fields", "spreads"):
                    setattr(self.shape, name, max(getattr(self.shape, name), getattr(self.counts, name)))

    def walk(self, node: SelectionSetNode, depth: int, nesting: int, lists: int, *, root: bool) -> None:
        shape, counts = self.shape, self.counts
        shape.nesting = max(shape.nesting, nesting)
        for one in node.selections:
            if isinstance(one, FieldNode):
                deeper = depth + (one.name.value != "ofType")
                listed = lists + (one.name.value == "fields")
                shape.depth, shape.introspection = max(shape.depth, deeper), max(shape.introspection, listed)
                counts.fields += 1
                counts.aliases += one.alias is not None
                counts.root_fields += root
                if one.selection_set:
                    self.walk(one.selection_set, deeper, nesting + 1, listed, root=False)
            elif isinstance(one, FragmentSpreadNode):
                counts.spreads += 1
                self.walk(self.fragments[one.name.value].selection_set, depth, nesting + 1, lists, root=root)
            else:
                self.walk(one.selection_set, depth, nesting + 1, lists, root=root)


@given(documents())
def test_as_spread_out(text: str) -> None:
    """Counted without spreading the fragments out, everything is as if they had been."""
    document = parse(text)
    found, expected = shape_of(document), Naive(document).shape
    expected.directives, expected.overlaps = found.directives, found.overlaps  # of the document as it is written
    assert found == expected
    assert found.directives == ("@d" in text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ a a b: a }", 1),
        ("{ a { a } } fragment F on T { a }", 3),
        ("{ a b c }", 0),
        ("{ x: a y: a }", 0),
    ],
)
def test_overlaps(text: str, expected: int) -> None:
    """Fields are paired by the name of their answer, wherever they are: validation may have to compare them."""
    assert shape_of(parse(text)).overlaps == expected


@pytest.mark.parametrize(
    "text",
    [
        "{ a @d @d @d }",
        "query @d @d @d { a }",
        "query ($v: Int @d @d @d) { a }",
        "{ ...F @d @d @d }",
        "{ ... @d @d @d { a } }",
        "{ a } fragment F on T @d @d @d { a }",
    ],
)
def test_directives(text: str) -> None:
    """Directives count wherever a document may have them."""
    assert shape_of(parse(text)).directives == 3


def test_bomb() -> None:
    """Fragments that spread out to 2^400 fields are counted like any others, and one number is as bad as another."""
    text = "{ ...F0 }" + "".join(f"fragment F{n} on T {{ ...F{n + 1} ...F{n + 1} }}" for n in range(400))
    shape = shape_of(parse(text + "fragment F400 on T { a { b } }"))
    assert (shape.fields, shape.spreads) == (10**9, 10**9)
    assert (shape.depth, shape.nesting) == (2, 403)


def test_long_chain() -> None:
    """A chain of fragments longer than the interpreter's stack is measured all the same, in any order."""
    chain = [f"fragment F{n} on T {{ ...F{n + 1} }}" for n in range(3000)] + ["fragment F3000 on T { a }"]
    for order in (chain, chain[::-1]):
        shape = shape_of(parse("{ ...F0 }" + "".join(order)))
        assert (shape.fields, shape.spreads, shape.nesting) == (1, 3001, 3002)


def test_cycle() -> None:
    """Fragments in a circle, or missing, are no endless document here: that they are wrong is validation's to say."""
    shape = shape_of(parse("{ ...A ...Missing } fragment A on T { a ...B } fragment B on T { b { ...A } }"))
    assert 1 <= shape.fields <= 3
    assert 2 <= shape.spreads <= 5
