"""Prepares operations from the text of documents, and caches them."""

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

from gateway.api.graphql.execution.prepared import Executable, Prepared, prepare_operation
from gateway.api.graphql.limits.cost_analysis import price_of
from gateway.api.graphql.limits.cost_model import CostModel
from gateway.api.graphql.limits.limits import Guard
from gateway.errors import BadUserInput
from gateway.kit.segmented_cache import SegmentedCache

__all__ = ["Compile", "Documents", "InvalidDocument"]

Compile = Callable[[GraphQLSchema, DocumentNode, OperationDefinitionNode], Executable | None]
"""Compiles a valid operation; None if graphql-core has to execute it."""

_MAX_BYTES = 32 * 1024 * 1024  # of all cached operations, approximately
_BYTES_PER_OPERATION = 6_000  # however short its document is
_BYTES_PER_CHARACTER = 120  # of a document, once it is parsed


class InvalidDocument(Exception):  # noqa: N818 - named as it is read in `except`
    """A document that cannot be executed, with the errors in it. `syntax`: it could not be parsed."""

    def __init__(self, errors: Sequence[GraphQLError], *, syntax: bool = False) -> None:
        super().__init__(errors[0].message)
        self.errors = tuple(errors)
        self.syntax = syntax


class Documents:
    """The prepared operations of one schema, in a cache of at most about `max_bytes`.

    `suggestions`: an error about an unknown name lists similar names of the schema.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        rules: Sequence[type[ASTValidationRule]],
        *,
        guard: Guard,
        suggestions: bool = True,
        compiling: Compile | None = None,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        self._schema = schema
        self._rules = tuple(rules)
        self._guard = guard
        self._cost_model = CostModel(schema)
        self._suggestions = suggestions
        self._compile = compiling
        self._cache: SegmentedCache[tuple[str, str | None], Prepared] = SegmentedCache(max_bytes)

    def is_prepared(self, text: str, operation_name: str | None) -> bool:
        """Return whether the operation is in the cache."""
        return (text, operation_name) in self._cache

    def prepare(self, text: str, operation_name: str | None = None, *, trusted: bool = False) -> Prepared:
        """Return the operation of that name in a document, or the only one. A trusted document may be of any size.

        Raises:
            InvalidDocument: the text is no document, exceeds a limit, is not valid, or has no such operation.
        """
        key = (text, operation_name)
        operation = self._cache.get(key)
        if operation is None:
            operation = self._prepare(text, operation_name, trusted=trusted)
            compiled_bytes = operation.compiled.weight if operation.compiled else 0
            self._cache.put(key, operation, _BYTES_PER_OPERATION + _BYTES_PER_CHARACTER * len(text) + compiled_bytes)
        return operation

    def _prepare(self, text: str, name: str | None, *, trusted: bool) -> Prepared:
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
        remover = _IncrementalRemover()
        whole = visit(document, remover)
        operation = _operation(whole, name)
        compiled = self._compile(self._schema, whole, operation) if self._compile is not None else None
        price = price_of(self._cost_model, whole, operation)
        return prepare_operation(whole, operation, price, compiled, document if remover.found else None)


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


class _IncrementalRemover(Visitor):
    """Removes `@defer` and `@stream`. `found`: there was one."""

    found = False

    def enter_directive(self, node: DirectiveNode, *_: object) -> object:
        if node.name.value not in {"defer", "stream"}:
            return None
        self.found = True
        return REMOVE
