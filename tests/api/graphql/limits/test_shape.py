"""The shape of documents, compared with a model that really spreads the fragments."""

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
    parts.extend(f"query Q{number} {operation}" for number, operation in enumerate(operations))
    return " ".join(draw(st.permutations(parts)))


@dataclass
class Naive:
    """Measures a document by spreading its fragments, node by node."""

    document: DocumentNode

    def __post_init__(self) -> None:
        self.shape = DocumentShape()
        self.fragments = {
            node.name.value: node for node in self.document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        for node in self.document.definitions:
            if isinstance(node, OperationDefinitionNode):
                self.counts = DocumentShape()
                self.walk(node.selection_set, 0, 1, 0, root=True)
                for name in ("fields", "aliases", "root_fields", "spreads"):
                    setattr(self.shape, name, max(getattr(self.shape, name), getattr(self.counts, name)))

    def walk(self, selection_set: SelectionSetNode, depth: int, nesting: int, lists: int, *, root: bool) -> None:
        shape, counts = self.shape, self.counts
        shape.nesting = max(shape.nesting, nesting)
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                deeper = depth + (node.name.value != "ofType")
                listed = lists + (node.name.value == "fields")
                shape.depth, shape.introspection = max(shape.depth, deeper), max(shape.introspection, listed)
                counts.fields += 1
                counts.aliases += node.alias is not None
                counts.root_fields += root
                if node.selection_set:
                    self.walk(node.selection_set, deeper, nesting + 1, listed, root=False)
            elif isinstance(node, FragmentSpreadNode):
                counts.spreads += 1
                self.walk(self.fragments[node.name.value].selection_set, depth, nesting + 1, lists, root=root)
            else:
                self.walk(node.selection_set, depth, nesting + 1, lists, root=root)


@given(documents())
def test_as_spread_out(text: str) -> None:
    """The shape without spreading the fragments equals that with spreading them."""
    document = parse(text)
    found, expected = shape_of(document), Naive(document).shape
    expected.directives, expected.overlaps = found.directives, found.overlaps  # counted without spreading
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
    """Fields with one response name are paired wherever they are: validation may have to compare them."""
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
    """Directives count on every kind of node that may have them."""
    assert shape_of(parse(text)).directives == 3


def test_bomb() -> None:
    """Fragments that spread to 2^400 fields are counted up to the maximum."""
    text = "{ ...F0 }" + "".join(f"fragment F{n} on T {{ ...F{n + 1} ...F{n + 1} }}" for n in range(400))
    shape = shape_of(parse(text + "fragment F400 on T { a { b } }"))
    assert (shape.fields, shape.spreads) == (10**9, 10**9)
    assert (shape.depth, shape.nesting) == (2, 403)


def test_long_chain() -> None:
    """A chain of fragments longer than the interpreter's stack is measured, in any order."""
    chain = [f"fragment F{n} on T {{ ...F{n + 1} }}" for n in range(3000)] + ["fragment F3000 on T { a }"]
    for order in (chain, chain[::-1]):
        shape = shape_of(parse("{ ...F0 }" + "".join(order)))
        assert (shape.fields, shape.spreads, shape.nesting) == (1, 3001, 3002)


def test_cycle() -> None:
    """Fragments that form a cycle or are missing are counted once; validation reports them."""
    shape = shape_of(parse("{ ...A ...Missing } fragment A on T { a ...B } fragment B on T { b { ...A } }"))
    assert 1 <= shape.fields <= 3
    assert 2 <= shape.spreads <= 5
