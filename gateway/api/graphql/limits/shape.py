"""How large a document is, once its fragments are spread out: counted in one pass and without spreading them.

Each definition is walked once, by a stack of its own rather than by recursion. A fragment is measured once,
however often it is spread, so a document that would spread out to 2^400 fields costs what it is long.
"""

from collections import Counter
from dataclasses import dataclass, field, fields

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

_MANY = 10**9  # as good as any larger number
_UNWRAPS = "ofType"
_LISTS = frozenset({"fields", "interfaces", "possibleTypes", "inputFields"})


@dataclass(slots=True)
class DocumentShape:
    """The sizes of a document's largest operation, and of what the document has as a whole."""

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
    """Where a fragment is spread: how much of each is around it."""

    name: str
    depth: int
    nesting: int
    introspection: int
    at_root: bool


@dataclass(slots=True)
class _Part:
    """One definition by itself, and the fragments that it spreads."""

    own: DocumentShape = field(default_factory=DocumentShape)
    spreads: list[_Spread] = field(default_factory=list)


def shape_of(document: DocumentNode) -> DocumentShape:
    """The document's shape. What is no valid document has one too: a fragment inside itself counts once."""
    names: Counter[str] = Counter()
    operations: list[_Part] = []
    fragments: dict[str, _Part] = {}
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            operations.append(_walked(definition, names))
        elif isinstance(definition, FragmentDefinitionNode):
            fragments[definition.name.value] = _walked(definition, names)
    whole = _measured(fragments)
    shape = DocumentShape(
        directives=max((part.own.directives for part in (*operations, *fragments.values())), default=0),
        overlaps=min(_MANY, sum(count * (count - 1) // 2 for count in names.values())),
    )
    for operation in operations:
        spread_out = _spread_out(operation, whole)
        for one in fields(DocumentShape):
            setattr(shape, one.name, max(getattr(shape, one.name), getattr(spread_out, one.name)))
    return shape


def _walked(definition: OperationDefinitionNode | FragmentDefinitionNode, names: Counter[str]) -> _Part:
    part = _Part()
    own = part.own
    variables = definition.variable_definitions or ()
    own.directives = max(len(node.directives or ()) for node in (definition, *variables))
    stack: list[tuple[SelectionSetNode, int, int, int, bool]] = [(definition.selection_set, 0, 1, 0, True)]
    while stack:
        selections, depth, nesting, lists, at_root = stack.pop()
        own.nesting = max(own.nesting, nesting)
        for node in selections.selections:
            if node.directives:
                own.directives = max(own.directives, len(node.directives))
            if isinstance(node, FieldNode):
                name = node.name.value
                names[node.alias.value if node.alias else name] += 1
                own.fields += 1
                own.aliases += node.alias is not None
                own.root_fields += at_root
                deep, listed = depth + (name != _UNWRAPS), lists + (name in _LISTS)
                own.depth, own.introspection = max(own.depth, deep), max(own.introspection, listed)
                if node.selection_set:
                    stack.append((node.selection_set, deep, nesting + 1, listed, False))
            elif isinstance(node, InlineFragmentNode):
                stack.append((node.selection_set, depth, nesting + 1, lists, at_root))
            elif isinstance(node, FragmentSpreadNode):
                part.spreads.append(_Spread(node.name.value, depth, nesting, lists, at_root))
    return part


def _measured(fragments: dict[str, _Part]) -> dict[str, DocumentShape]:
    """Each fragment with those inside it, the innermost first."""
    whole: dict[str, DocumentShape] = {}
    begun: set[str] = set()
    stack = list(fragments)
    while stack:
        name = stack[-1]
        if name not in begun:
            begun.add(name)
            inside = {spread.name for spread in fragments[name].spreads}
            stack.extend(one for one in inside if one in fragments and one not in begun)
            continue
        stack.pop()
        if name not in whole:
            whole[name] = _spread_out(fragments[name], whole)
    return whole


def _spread_out(part: _Part, whole: dict[str, DocumentShape]) -> DocumentShape:
    own = part.own
    shape = DocumentShape(
        own.depth, own.nesting, own.introspection, own.fields, own.aliases, own.root_fields, len(part.spreads)
    )
    for spread in part.spreads:
        inside = whole.get(spread.name)
        if inside is None:
            continue  # unknown, or around this one: validation says so
        shape.depth = max(shape.depth, spread.depth + inside.depth)
        shape.nesting = max(shape.nesting, spread.nesting + inside.nesting)
        shape.introspection = max(shape.introspection, spread.introspection + inside.introspection)
        shape.fields = min(_MANY, shape.fields + inside.fields)
        shape.aliases = min(_MANY, shape.aliases + inside.aliases)
        shape.root_fields = min(_MANY, shape.root_fields + inside.root_fields * spread.at_root)
        shape.spreads = min(_MANY, shape.spreads + inside.spreads)
    return shape
