"""The limits on a document and its variables.

The code of every refusal is BAD_USER_INPUT, and the field of the violation names the limit, e.g. `document.depth`. No
argument is called `document`, so a program can distinguish a limit from invalid input by that name alone.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from graphql import DocumentNode, GraphQLSyntaxError, Lexer, Source, TokenKind, parse
from graphql.validation import ValidationRule

from gateway.api.graphql.limits.comparisons import comparison_rule
from gateway.api.graphql.limits.shape import shape_of
from gateway.errors import BadUserInput, Rule, Violation

__all__ = ["DocumentLimits", "Finding", "Guard", "Limit", "check", "has_more_values", "limit_error"]


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
    COMPARISONS = "comparisons"
    VALUES = "values"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The maxima of a document and its variables.

    From `depth` to `introspection` they apply to the largest operation of the document, with fragments spread.

    `length`: characters. `tokens`: lexical tokens without comments. `depth`: nested fields; `ofType` of introspection
    only unwraps a type and does not count. `nesting`: nested selection sets, including those of fragments. `aliases`:
    aliased fields, including `__typename`. `directives`: on one node. `spreads`: fragment spreads, with repetitions.
    `overlaps`: pairs of fields with one response name in the document, which validation compares. `introspection`:
    nested lists of types and fields. `comparisons`: those that validation makes of fields and fragments, see
    `comparisons.py`. `values`: list items and object fields in the variables of one request, at all levels. `cost`: the
    cost of an operation, see `cost_model.py`.

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
    comparisons: int
    values: int
    cost: int
    errors: int
    log: frozenset[Limit]


_NESTED = (dict, list)
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
    Limit.COMPARISONS: "needs more than {allowed} comparisons of fields and fragments",
    Limit.VALUES: "has more than {allowed} list items and object fields in its variables",
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
    violations = [
        Violation(("document", finding.limit.value), finding.message, Rule.RANGE, {"max": finding.allowed})
        for finding in findings
    ]
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
        """Parse a document and check the limits that its text alone exceeds.

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

    def comparison_rule(self) -> type[ValidationRule]:
        """Return the validation rule that limits the comparisons. Its visitor raises BadUserInput beyond the limit."""
        allowed = self.limits.comparisons
        return comparison_rule(
            allowed,
            lambda found: self._handle([Finding(Limit.COMPARISONS, found, allowed)]),
            is_enforced=Limit.COMPARISONS not in self.limits.log,
        )

    def check_variables(self, names: Iterable[str], variables: Mapping[str, Any]) -> None:
        """Check how many values there are in the variables of these names, which are as the client sent them.

        Raises:
            BadUserInput: there are too many. No more of them are counted.
        """
        nested: list[Any] = []
        for name in names:
            value = variables.get(name)
            if isinstance(value, _NESTED):
                nested.append(value)
        if nested and has_more_values(nested, allowed := self.limits.values):
            self._handle([Finding(Limit.VALUES, allowed + 1, allowed)])

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


def has_more_values(nested: Iterable[Any], limit: int) -> bool:
    """Return whether JSON objects and lists have more fields and items than that in all, at all levels."""
    count = 0
    stack = list(nested)
    while stack:
        value = stack.pop()
        count += len(value)
        if count > limit:
            return True
        stack += [each for each in (value.values() if isinstance(value, dict) else value) if isinstance(each, _NESTED)]
    return False


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
