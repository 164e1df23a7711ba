"""The limits on a document, and what breaks one.

The code of every refusal is BAD_USER_INPUT; the violation's field tells which limit, as `document.depth`:
no argument is called `document`, so a program can tell a limit from a wrong input by that word alone.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from graphql import DocumentNode, GraphQLSyntaxError, Lexer, Source, TokenKind, parse

from gateway.api.graphql.limits.shape import shape_of
from gateway.errors import BadUserInput, Violation

__all__ = ["DocumentLimits", "Finding", "Guard", "Limit", "check", "refusal"]


class Limit(StrEnum):
    """The limits by name: `DocumentLimits` says what each counts."""

    LENGTH = "length"
    TOKENS = "tokens"
    DEPTH = "depth"
    NESTING = "nesting"
    FIELDS = "fields"
    ALIASES = "aliases"
    ROOT_FIELDS = "root_fields"
    DIRECTIVES = "directives"
    SPREADS = "spreads"
    OVERLAPS = "overlaps"
    INTROSPECTION = "introspection"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The most that a document may have; but for the first two, of its largest operation, fragments spread out.

    `length`: characters. `tokens`: lexical tokens, comments aside. `depth`: fields inside each other;
    introspection's `ofType`, which only unwraps, adds none. `nesting`: selection sets inside each other, those
    of fragments included. `aliases`: aliased fields, `__typename` too. `directives`: in one place. `spreads`:
    fragments spread, each as often as it is. `overlaps`: pairs of fields of one name in the document, which
    validation compares. `introspection`: its lists of types and fields inside each other. `cost`: see `price`.

    `errors` is how many mistakes of one document are told. `log` names the limits that are tried out: what
    breaks them is logged and counted, and executed.
    """

    length: int
    tokens: int
    depth: int
    nesting: int
    fields: int
    aliases: int
    root_fields: int
    directives: int
    spreads: int
    overlaps: int
    introspection: int
    cost: int
    errors: int
    log: frozenset[Limit]


_TELLING = {
    Limit.LENGTH: "has {found} characters",
    Limit.TOKENS: "has more than {allowed} tokens",
    Limit.DEPTH: "is {found} fields deep",
    Limit.NESTING: "has {found} selection sets inside each other",
    Limit.FIELDS: "has {found} fields",
    Limit.ALIASES: "has {found} aliases",
    Limit.ROOT_FIELDS: "has {found} fields at its root",
    Limit.DIRECTIVES: "has {found} directives in one place",
    Limit.SPREADS: "spreads fragments {found} times",
    Limit.OVERLAPS: "has {found} pairs of fields of one name",
    Limit.INTROSPECTION: "asks for {found} lists of introspection inside each other",
    Limit.COST: "costs {found}",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One limit that a document breaks: what was found, and what is allowed."""

    limit: Limit
    found: int
    allowed: int

    @property
    def message(self) -> str:
        told = _TELLING[self.limit].format(found=self.found, allowed=self.allowed)
        return f"{told}; {self.allowed} are allowed"


def refusal(findings: Iterable[Finding]) -> BadUserInput:
    """The error for a document that breaks these limits: all of them at once."""
    violations = [Violation(("document", one.limit.value), one.message) for one in findings]
    return BadUserInput(
        " ".join(f"The document {one.message}." for one in violations),
        violations=violations,
    )


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


def check(document: DocumentNode, limits: DocumentLimits) -> list[Finding]:
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
        self, limits: DocumentLimits, observe: Callable[[Finding, bool], None] = lambda _finding, _refused: None
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

    def check_cost(self, cost: int) -> None:
        """Check the cost of an operation.

        Raises:
            BadUserInput: it costs more than any operation may.
        """
        if cost > self.limits.cost:
            self._found([Finding(Limit.COST, cost, self.limits.cost)])

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
