"""From a document's text to an operation that is ready, once."""

from collections.abc import Callable, Sequence

from graphql import (
    ASTValidationRule,
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    Visitor,
    parse,
    validate,
    visit,
)
from graphql.language import REMOVE

from gateway.api.graphql.execution.prepared import Executable, Prepared, prepared
from gateway.api.graphql.limits.cost_analysis import price_of
from gateway.api.graphql.limits.cost_model import Tariff
from gateway.api.graphql.limits.limits import Guard
from gateway.errors import BadUserInput
from gateway.kit.segmented_cache import SegmentedCache

__all__ = ["Compile", "Documents", "InvalidDocument"]

Compile = Callable[[GraphQLSchema, DocumentNode, OperationDefinitionNode], Executable | None]
"""Makes code of a valid operation, or None of one that graphql-core is to execute."""


_HELD = 32 * 1024 * 1024  # bytes, about: what all of it may take
_EACH = 6_000  # bytes of an operation that is ready, however short it is
_A_CHARACTER = 120  # bytes that a character of a document takes when it is parsed


class InvalidDocument(Exception):  # noqa: N818 - read in `except`
    """A document that cannot be executed, and what is wrong with it. `syntax`: it cannot even be read."""

    def __init__(self, errors: Sequence[GraphQLError], *, syntax: bool = False) -> None:
        super().__init__(errors[0].message)
        self.errors = tuple(errors)
        self.syntax = syntax


class Documents:
    """The documents of one schema.

    `suggestions` tells a client of a wrong name which one it may have meant.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        rules: Sequence[type[ASTValidationRule]],
        *,
        guard: Guard,
        suggestions: bool = True,
        compiling: Compile | None = None,
        held: int = _HELD,
    ) -> None:
        self._schema = schema
        self._rules = tuple(rules)
        self._guard = guard
        self._tariff = Tariff(schema)
        self._suggestions = suggestions
        self._compile = compiling
        self._kept: SegmentedCache[tuple[str, str | None], Prepared] = SegmentedCache(held)

    def knows(self, text: str, operation_name: str | None) -> bool:
        """Whether that operation is ready."""
        return (text, operation_name) in self._kept

    def prepare(self, text: str, operation_name: str | None = None, *, trusted: bool = False) -> Prepared:
        """The operation of that name in a document, or its only one; a trusted one may be of any size.

        Raises:
            InvalidDocument: it is no document, too much of one, not valid here, or has no such operation.
        """
        key = (text, operation_name)
        known = self._kept.get(key)
        if known is None:
            known = self._prepared(text, operation_name, trusted=trusted)
            self._kept.put(
                key, known, _EACH + _A_CHARACTER * len(text) + (known.compiled.weight if known.compiled else 0)
            )
        return known

    def _prepared(self, text: str, name: str | None, *, trusted: bool) -> Prepared:
        try:
            document = parse(text, allow_empty_selection_sets=False) if trusted else self._guard.parse(text)
        except GraphQLError as error:
            raise InvalidDocument([error], syntax=True) from None
        except BadUserInput as error:
            raise InvalidDocument([GraphQLError(error.message, original_error=error)]) from None
        if errors := validate(
            self._schema,
            document,
            self._rules,
            max_errors=self._guard.limits.errors,
            hide_suggestions=not self._suggestions,
        ):
            raise InvalidDocument(errors[: self._guard.limits.errors])
        finder = _Incremental()
        whole = visit(document, finder)
        operation = _operation(whole, name)
        compiled = self._compile(self._schema, whole, operation) if self._compile is not None else None
        price = price_of(self._tariff, whole, operation)
        return prepared(whole, operation, price, compiled, document if finder.found else None)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is None:
        if len(operations) == 1:
            return operations[0]
        message = "The document has several operations: name one." if operations else "The document has no operation."
        raise InvalidDocument([GraphQLError(message)])
    for operation in operations:
        if operation.name is not None and operation.name.value == name:
            return operation
    raise InvalidDocument([GraphQLError("There is no operation of that name.")])


class _Incremental(Visitor):
    """Takes `@defer` and `@stream` out."""

    found = False

    def enter_directive(self, node: DirectiveNode, *_: object) -> object:
        if node.name.value not in {"defer", "stream"}:
            return None
        self.found = True
        return REMOVE
