"""Holds documents to the limits: before they are parsed, before they are validated, before they are executed."""

import logging
from collections.abc import Callable, Iterable

from graphql import DocumentNode, GraphQLSyntaxError, Lexer, Source, TokenKind, parse

from gateway.api.graphql.limits.limits import Finding, Limit, Limits, refusal
from gateway.api.graphql.limits.shape import shape_of

__all__ = ["Guard", "check"]

_LOG = logging.getLogger("gateway.graphql")
_SHAPE = (
    Limit.DEPTH,
    Limit.NESTING,
    Limit.FIELDS,
    Limit.ALIASES,
    Limit.ROOT_FIELDS,
    Limit.DIRECTIVES,
    Limit.SPREADS,
    Limit.OVERLAPS,
    Limit.INTROSPECTION,
)


def check(document: DocumentNode, limits: Limits) -> list[Finding]:
    """The limits that a document's shape breaks."""
    shape = shape_of(document)
    sizes = ((limit, getattr(shape, limit.value), getattr(limits, limit.value)) for limit in _SHAPE)
    return [Finding(limit, found, allowed) for limit, found, allowed in sizes if found > allowed]


class Guard:
    """The limits of one gateway.

    `observe` is told of every finding, and whether the document was refused for it. A limit that is only
    tried out protects nothing: what breaks it is executed.
    """

    def __init__(
        self, limits: Limits, observe: Callable[[Finding, bool], None] = lambda _finding, _refused: None
    ) -> None:
        self.limits = limits
        self._observe = observe

    def parse(self, text: str) -> DocumentNode:
        """The document of a text within the limits.

        Raises:
            BadUserInput: a limit is broken; a text that is too long is not read, one of too many tokens no further.
            GraphQLSyntaxError: it is no document.
        """
        limits = self.limits
        if len(text) > limits.length:
            self._found([Finding(Limit.LENGTH, len(text), limits.length)])
        refusing = Limit.TOKENS not in limits.log
        try:
            document = parse(
                text, max_lexical_tokens=limits.tokens if refusing else None, allow_empty_selection_sets=False
            )
        except GraphQLSyntaxError:
            if refusing and _is_longer(text, limits.tokens):
                self._found([Finding(Limit.TOKENS, limits.tokens + 1, limits.tokens)])
            raise
        if document.token_count > limits.tokens:
            self._found([Finding(Limit.TOKENS, document.token_count, limits.tokens)])
        self._found(check(document, limits))
        return document

    def afford(self, price: int) -> None:
        """Let an operation of that price through.

        Raises:
            BadUserInput: it costs more than any operation may.
        """
        if price > self.limits.cost:
            self._found([Finding(Limit.COST, price, self.limits.cost)])

    def _found(self, findings: Iterable[Finding]) -> None:
        broken = []
        for one in findings:
            refused = one.limit not in self.limits.log
            self._observe(one, refused)
            if refused:
                broken.append(one)
            else:
                _LOG.warning("limit %s tried out: a document %s", one.limit.value, one.message)
        if broken:
            raise refusal(broken)


def _is_longer(text: str, tokens: int) -> bool:
    """Whether the text has more tokens; asked only of one that could not be parsed."""
    lexer = Lexer(Source(text))
    try:
        for _ in range(tokens + 1):
            if lexer.advance().kind is TokenKind.EOF:
                return False
    except GraphQLSyntaxError:
        return False
    return True
