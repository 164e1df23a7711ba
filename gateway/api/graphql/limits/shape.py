"""Measures a document as if its fragments were spread out, in one pass and without spreading them.

Each definition is traversed once, with an explicit stack instead of recursion. A fragment is measured once, however
often it is spread, so the time is linear in the length even of a document that would spread out to 2^400 fields.
"""

from collections import Counter
from dataclasses import dataclass, field, fields, replace

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

__all__ = ["DocumentShape", "shape_of"]

_MAX_COUNT = 10**9  # larger numbers make no difference
_UNWRAPPING_FIELD = "ofType"
_INTROSPECTION_LISTS = frozenset({"fields", "interfaces", "possibleTypes", "inputFields"})


@dataclass(slots=True)
class DocumentShape:
    """The sizes of a document's largest operation; `directives` and `overlaps` are those of the whole document."""

    depth: int = 0
    nesting: int = 0
    introspection: int = 0
    fields: int = 0
    aliases: int = 0
    root_fields: int = 0
    spreads: int = 0
    directives: int = 0
    overlaps: int = 0


@dataclass(frozen=True, slots=True)
class _Spread:
    """A fragment spread, with the depth, the nesting and the introspection lists around it."""

    name: str
    depth: int
    nesting: int
    introspection: int
    at_root: bool


@dataclass(slots=True)
class _Definition:
    """The shape of one definition without its fragments, and the spreads of these."""

    shape: DocumentShape = field(default_factory=DocumentShape)
    spreads: list[_Spread] = field(default_factory=list)


def shape_of(document: DocumentNode) -> DocumentShape:
    """Return the document's shape. The document may be invalid: a fragment that spreads itself counts once."""
    names: Counter[str] = Counter()
    operations: list[_Definition] = []
    fragments: dict[str, _Definition] = {}
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            operations.append(_measure(definition, names))
        elif isinstance(definition, FragmentDefinitionNode):
            fragments[definition.name.value] = _measure(definition, names)
    whole = _spread_fragments(fragments)
    shape = DocumentShape(
        directives=max((part.shape.directives for part in (*operations, *fragments.values())), default=0),
        overlaps=min(_MAX_COUNT, sum(count * (count - 1) // 2 for count in names.values())),
    )
    for operation in operations:
        spread_out = _spread(operation, whole)
        for size in fields(DocumentShape):
            setattr(shape, size.name, max(getattr(shape, size.name), getattr(spread_out, size.name)))
    return shape


def _measure(definition: OperationDefinitionNode | FragmentDefinitionNode, names: Counter[str]) -> _Definition:
    """Measure a definition without its fragments; count the response names of its fields in `names`."""
    measured = _Definition()
    shape = measured.shape
    variables = definition.variable_definitions or ()
    shape.directives = max(len(node.directives or ()) for node in (definition, *variables))
    stack: list[tuple[SelectionSetNode, int, int, int, bool]] = [(definition.selection_set, 0, 1, 0, True)]
    while stack:
        selections, depth, nesting, lists, at_root = stack.pop()
        shape.nesting = max(shape.nesting, nesting)
        for node in selections.selections:
            if node.directives:
                shape.directives = max(shape.directives, len(node.directives))
            if isinstance(node, FieldNode):
                name = node.name.value
                names[node.alias.value if node.alias else name] += 1
                shape.fields += 1
                shape.aliases += node.alias is not None
                shape.root_fields += at_root
                deep, listed = depth + (name != _UNWRAPPING_FIELD), lists + (name in _INTROSPECTION_LISTS)
                shape.depth, shape.introspection = max(shape.depth, deep), max(shape.introspection, listed)
                if node.selection_set:
                    stack.append((node.selection_set, deep, nesting + 1, listed, False))
            elif isinstance(node, InlineFragmentNode):
                stack.append((node.selection_set, depth, nesting + 1, lists, at_root))
            elif isinstance(node, FragmentSpreadNode):
                measured.spreads.append(_Spread(node.name.value, depth, nesting, lists, at_root))
    return measured


def _spread_fragments(fragments: dict[str, _Definition]) -> dict[str, DocumentShape]:
    """Return the shape of each fragment with those inside it; the innermost are computed first."""
    whole: dict[str, DocumentShape] = {}
    begun: set[str] = set()
    stack = list(fragments)
    while stack:
        name = stack[-1]
        if name not in begun:
            begun.add(name)
            inside = {spread.name for spread in fragments[name].spreads}
            stack.extend(other for other in inside if other in fragments and other not in begun)
            continue
        stack.pop()
        if name not in whole:
            whole[name] = _spread(fragments[name], whole)
    return whole


def _spread(definition: _Definition, whole: dict[str, DocumentShape]) -> DocumentShape:
    """Return the shape of a definition with its fragments, whose shapes are `whole`."""
    shape = replace(definition.shape, spreads=len(definition.spreads))
    for spread in definition.spreads:
        inside = whole.get(spread.name)
        if inside is None:
            continue  # unknown, or a cycle: validation reports it
        shape.depth = max(shape.depth, spread.depth + inside.depth)
        shape.nesting = max(shape.nesting, spread.nesting + inside.nesting)
        shape.introspection = max(shape.introspection, spread.introspection + inside.introspection)
        shape.fields = min(_MAX_COUNT, shape.fields + inside.fields)
        shape.aliases = min(_MAX_COUNT, shape.aliases + inside.aliases)
        shape.root_fields = min(_MAX_COUNT, shape.root_fields + inside.root_fields * spread.at_root)
        shape.spreads = min(_MAX_COUNT, shape.spreads + inside.spreads)
    return shape
