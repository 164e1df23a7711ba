"""Prepares operations from the text of documents, and caches them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from graphql import (
    ASTValidationRule,
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    Visitor,
    parse,
    validate,
    visit,
)
from graphql.language import REMOVE

from gateway.api.graphql.execution.document_errors import operation_not_found, syntax_error, validation_error
from gateway.api.graphql.execution.prepared import Executable, Prepared, prepare_operation
from gateway.api.graphql.limits.cost_analysis import price_of
from gateway.api.graphql.limits.cost_model import CostModel
from gateway.api.graphql.limits.limits import Guard
from gateway.api.graphql.trusted.naming import sha256_of
from gateway.errors import BadUserInput
from gateway.kit.segmented_cache import SegmentedCache

__all__ = ["Compile", "Documents", "InvalidDocument"]

Compile = Callable[[GraphQLSchema, DocumentNode, OperationDefinitionNode], Executable | None]
"""Compiles a valid operation; None if graphql-core has to execute it."""

_MAX_BYTES = 32 * 1024 * 1024  # of all cached operations, approximately
_BYTES_PER_DOCUMENT = 1_000
_BYTES_PER_OPERATION = 5_000  # however short its document is
_BYTES_PER_TOKEN = 500  # of a document, once it is parsed: 300 to 630, whatever their length


class InvalidDocument(Exception):  # noqa: N818 - named as it is read in `except`
    """A document that cannot be executed, with the errors in it. `syntax`: it could not be parsed."""

    def __init__(self, errors: Sequence[GraphQLError], *, syntax: bool = False) -> None:
        super().__init__(errors[0].message)
        self.errors = tuple(errors)
        self.syntax = syntax


@dataclass(slots=True, eq=False)
class _ReadDocument:
    """A document that was parsed and validated, and those of its operations that were prepared, by requested name.

    `incremental` is the document as the client wrote it, if it has `@defer` or `@stream`, and `document` is without
    them. `tokens` is how many lexical tokens both have. `errors` are those of a document that is not valid.
    """

    document: DocumentNode
    incremental: DocumentNode | None = None
    tokens: int = 0
    errors: tuple[GraphQLError, ...] = ()
    operations: dict[str | None, Prepared] = field(default_factory=dict)

    def find(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation of that name, or the only one.

        Raises:
            InvalidDocument: there is none, or there are several.
        """
        operations = [node for node in self.document.definitions if isinstance(node, OperationDefinitionNode)]
        if name is None:
            if len(operations) == 1:
                return operations[0]
            message = (
                "The document has several operations: name one." if operations else "The document has no operation."
            )
            raise InvalidDocument([operation_not_found(message)])
        for operation in operations:
            if operation.name is not None and operation.name.value == name:
                return operation
        raise InvalidDocument([operation_not_found("The document has no operation of that name.")])


class Documents:
    """The documents of one schema with their prepared operations, in a cache of at most about `max_bytes`.

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
        comparisons = guard.comparison_rule()
        self._limiting_rules = tuple(
            comparisons if rule is OverlappingFieldsCanBeMergedRule else rule for rule in self._rules
        )
        self._guard = guard
        self._cost_model = CostModel(schema)
        self._suggestions = suggestions
        self._compile = compiling
        self._cache: SegmentedCache[str, _ReadDocument] = SegmentedCache(max_bytes)

    def is_prepared(self, text: str, operation_name: str | None) -> bool:
        """Return whether `prepare` has little to do: the operation is in the cache, or its document has none such."""
        read = self._cache.get(text)
        if read is None:
            return False
        if operation_name not in read.operations and not read.errors:
            with suppress(InvalidDocument):
                read.find(operation_name)
                return False
        return True

    def find(self, text: str, operation_name: str | None) -> Prepared | None:
        """Return what `prepare` does if the operation is in the cache under this name; else None."""
        read = self._cache.get(text)
        return None if read is None else read.operations.get(operation_name)

    def prepare(self, text: str, operation_name: str | None = None, *, trusted: bool = False) -> Prepared:
        """Return the operation of that name in a document, or the only one. A trusted document may be of any size.

        Raises:
            InvalidDocument: the text is no document, exceeds a limit, is not valid, or has no such operation.
        """
        read = self._cache.get(text)
        if read is None:
            read = self._read_trusted(text) if trusted else self._read(text)
            self._cache.put(text, read, _weight(text, read), protected=trusted)
        if read.errors:
            raise InvalidDocument(read.errors)
        operation = read.operations.get(operation_name)
        if operation is None:
            operation = read.operations[operation_name] = self._prepare(text, read, read.find(operation_name))
            self._cache.reweigh(text, _weight(text, read))
        return operation

    def _read_trusted(self, text: str) -> _ReadDocument:
        """Read a trusted document without limits. One that is not valid is cached too: nobody is charged for it."""
        try:
            return self._validate(parse(text, allow_empty_selection_sets=False), self._rules)
        except GraphQLSyntaxError as error:
            raise InvalidDocument([syntax_error(error)], syntax=True) from None
        except InvalidDocument as invalid:
            return _ReadDocument(DocumentNode(definitions=()), errors=invalid.errors)

    def _read(self, text: str) -> _ReadDocument:
        try:
            return self._validate(self._guard.parse(text), self._limiting_rules)
        except GraphQLSyntaxError as error:
            raise InvalidDocument([syntax_error(error)], syntax=True) from None
        except BadUserInput as error:
            raise InvalidDocument([GraphQLError(error.message, original_error=error)]) from None

    def _validate(self, document: DocumentNode, rules: Sequence[type[ASTValidationRule]]) -> _ReadDocument:
        if errors := validate(
            self._schema,
            document,
            rules,
            max_errors=self._guard.limits.errors,
            hide_suggestions=not self._suggestions,
        ):
            raise InvalidDocument([validation_error(error) for error in errors[: self._guard.limits.errors]])
        remover = _IncrementalRemover()
        whole = visit(document, remover)
        if remover.found:
            return _ReadDocument(whole, document, 2 * document.token_count)
        return _ReadDocument(whole, tokens=document.token_count)

    def _prepare(self, text: str, read: _ReadDocument, operation: OperationDefinitionNode) -> Prepared:
        name = None if operation.name is None else operation.name.value
        if (prepared := read.operations.get(name)) is not None:  # the only one, requested with and without its name
            return prepared
        document = read.document
        compiled = self._compile(self._schema, document, operation) if self._compile is not None else None
        price = price_of(self._cost_model, document, operation)
        return prepare_operation(document, operation, price, compiled, read.incremental, sha256=sha256_of(text))


def _weight(text: str, read: _ReadDocument) -> int:
    """Return about how many bytes a document takes with its prepared operations."""
    operations = sum(
        _BYTES_PER_OPERATION + (each.compiled.weight if each.compiled else 0) for each in set(read.operations.values())
    )
    return _BYTES_PER_DOCUMENT + len(text) + _BYTES_PER_TOKEN * read.tokens + operations


class _IncrementalRemover(Visitor):
    """Removes `@defer` and `@stream`. `found`: there was one."""

    found = False

    def enter_directive(self, node: DirectiveNode, *_: object) -> object:
        if node.name.value not in {"defer", "stream"}:
            return None
        self.found = True
        return REMOVE
