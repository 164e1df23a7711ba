"""The limits on a document.

The code of every refusal is BAD_USER_INPUT, and the field of the violation names the limit, e.g. `document.depth`. No
argument is called `document`, so a program can distinguish a limit from invalid input by that name alone.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from graphql import DocumentNode, GraphQLSyntaxError, Lexer, Source, TokenKind, parse

from gateway.api.graphql.limits.shape import shape_of
from gateway.errors import BadUserInput, Violation

__all__ = ["DocumentLimits", "Finding", "Guard", "Limit", "check", "limit_error"]


class Limit(StrEnum):
    """The names of the limits; `DocumentLimits` describes what each counts."""

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
    """The maxima of a document. All but `length` and `tokens` apply to its largest operation, with fragments spread.

    `length`: characters. `tokens`: lexical tokens without comments. `depth`: nested fields; `ofType` of introspection
    only unwraps a type and does not count. `nesting`: nested selection sets, including those of fragments. `aliases`:
    aliased fields, including `__typename`. `directives`: on one node. `spreads`: fragment spreads, with repetitions.
    `overlaps`: pairs of fields with one response name in the document, which validation compares. `introspection`:
    nested lists of types and fields. `cost`: the cost of an operation, see `cost_model.py`.

    `errors` is how many validation errors of one document are reported. `log` names the limits that are not enforced:
    a document that exceeds them is logged, counted and executed.
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


_LOG = logging.getLogger("gateway.graphql")
_SHAPE_LIMITS = (
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
_MESSAGES = {
    Limit.LENGTH: "has {found} characters",
    Limit.TOKENS: "has more than {allowed} tokens",
    Limit.DEPTH: "is {found} fields deep",
    Limit.NESTING: "has {found} nested selection sets",
    Limit.FIELDS: "has {found} fields",
    Limit.ALIASES: "has {found} aliases",
    Limit.ROOT_FIELDS: "has {found} fields at its root",
    Limit.DIRECTIVES: "has {found} directives on one node",
    Limit.SPREADS: "spreads fragments {found} times",
    Limit.OVERLAPS: "has {found} pairs of fields with one response name",
    Limit.INTROSPECTION: "has {found} nested lists of introspection",
    Limit.COST: "costs {found}",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A limit that a document exceeds, with the number that was found and the number that is allowed."""

    limit: Limit
    found: int
    allowed: int

    @property
    def message(self) -> str:
        excess = _MESSAGES[self.limit].format(found=self.found, allowed=self.allowed)
        return f"{excess}; {self.allowed} are allowed"


def limit_error(findings: Iterable[Finding]) -> BadUserInput:
    """Return the error for a document that exceeds these limits, with one violation for each."""
    violations = [Violation(("document", finding.limit.value), finding.message) for finding in findings]
    return BadUserInput(
        " ".join(f"The document {violation.message}." for violation in violations),
        violations=violations,
    )


def check(document: DocumentNode, limits: DocumentLimits) -> list[Finding]:
    """Return the limits that a document's shape exceeds."""
    shape = shape_of(document)
    sizes = ((limit, getattr(shape, limit.value), getattr(limits, limit.value)) for limit in _SHAPE_LIMITS)
    return [Finding(limit, found, allowed) for limit, found, allowed in sizes if found > allowed]


class Guard:
    """Enforces the limits. `observe` is called for every finding, with whether the document was refused for it."""

    def __init__(
        self, limits: DocumentLimits, observe: Callable[[Finding, bool], None] = lambda _finding, _refused: None
    ) -> None:
        self.limits = limits
        self._observe = observe

    def parse(self, text: str) -> DocumentNode:
        """Parse a document and check all limits but the cost.

        Raises:
            BadUserInput: it exceeds a limit. It is not parsed beyond the limits of length and tokens.
            GraphQLSyntaxError: the text is no document.
        """
        limits = self.limits
        if len(text) > limits.length:
            self._handle([Finding(Limit.LENGTH, len(text), limits.length)])
        is_enforced = Limit.TOKENS not in limits.log
        try:
            document = parse(
                text, max_lexical_tokens=limits.tokens if is_enforced else None, allow_empty_selection_sets=False
            )
        except GraphQLSyntaxError:
            if is_enforced and _has_more_tokens(text, limits.tokens):
                self._handle([Finding(Limit.TOKENS, limits.tokens + 1, limits.tokens)])
            raise
        if document.token_count > limits.tokens:
            self._handle([Finding(Limit.TOKENS, document.token_count, limits.tokens)])
        self._handle(check(document, limits))
        return document

    def check_cost(self, cost: int) -> None:
        """Check the cost of an operation.

        Raises:
            BadUserInput: it costs more than any operation may.
        """
        if cost > self.limits.cost:
            self._handle([Finding(Limit.COST, cost, self.limits.cost)])

    def _handle(self, findings: Iterable[Finding]) -> None:
        enforced = []
        for finding in findings:
            is_enforced = finding.limit not in self.limits.log
            self._observe(finding, is_enforced)
            if is_enforced:
                enforced.append(finding)
            else:
                _LOG.warning("limit %s exceeded, not enforced: a document %s", finding.limit.value, finding.message)
        if enforced:
            raise limit_error(enforced)


def _has_more_tokens(text: str, tokens: int) -> bool:
    """Return whether the text has more tokens. It cannot be parsed, so the lexer counts them."""
    lexer = Lexer(Source(text))
    try:
        for _ in range(tokens + 1):
            if lexer.advance().kind is TokenKind.EOF:
                return False
    except GraphQLSyntaxError:
        return False
    return True
