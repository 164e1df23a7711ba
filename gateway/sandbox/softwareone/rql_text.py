"""Parses a query string and the RQL in it (docs/upstreams/softwareone.md, "RQL").

The query string is decoded first, as ASP.NET does it: every `&` separates, and a raw `+` is a space. In RQL a quoted
value then ends at the next quotation mark of its kind, since there are no escapes. The real parser takes some texts
that are refused here, such as one with an unterminated quotation.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote_plus

from gateway.sandbox.softwareone.problems import ProblemError

__all__ = ["Comparison", "Group", "Node", "Value", "parse", "parse_query"]

_TOKEN = re.compile(
    r"""(?P<quoted>'[^']*'|"[^"]*")|(?P<symbol>[(),&;|=])|(?P<text>[^(),&;|='"]+)""",
)
_OPTIONS = frozenset({"limit", "offset", "order", "select"})
_COMPARISONS = {"eq", "ne", "gt", "ge", "lt", "le", "like", "ilike"}
_SETS = {"in", "out"}
_MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Value:
    """A literal; `special` is `null` or `empty` for the values `null()` and `empty()`."""

    text: str
    special: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operator(path, values)`; only `in` and `out` have more than one value."""

    operator: str
    path: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """`and`, `or` or `not` over other nodes."""

    operator: str
    nodes: tuple["Node", ...]


Node = Comparison | Group


class _Token(NamedTuple):
    kind: str
    text: str


def parse_query(query: str) -> tuple[dict[str, str], str]:
    """Return the options of a query string by name, and its filter, empty if there is none.

    Of a name that is repeated, the first value counts. All other parameters are parts of the filter.
    """
    options: dict[str, str] = {}
    filters: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = map(unquote_plus, part.partition("="))
        if name.lower() in _OPTIONS:
            options.setdefault(name.lower(), value)
        elif name or value:
            filters.setdefault(name, f"{name}={value}" if value else name)
    return options, ",".join(filters.values())


def parse(text: str) -> Node:
    """Return the syntax tree of an expression. Raises ProblemError with the messages of the real parser."""
    parser = _Parser(_tokens(text))
    node = parser.disjunction(0)
    if not parser.at_end:
        raise _problem("Unknown expression group.")
    return node


def _tokens(text: str) -> list[_Token]:
    tokens, position = [], 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _problem("Unterminated constant.")
        position = found.end()
        if (quoted := found["quoted"]) is not None:
            tokens.append(_Token("quoted", quoted[1:-1]))
        elif found["symbol"] is not None:
            tokens.append(_Token("symbol", found["symbol"]))
        elif found["text"].strip():
            tokens.append(_Token("text", found["text"]))
    return tokens


def _problem(message: str) -> ProblemError:
    return ProblemError(400, "The RQL query is invalid.", {"rql": [message]})


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position == len(self._tokens)

    def disjunction(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise _problem("The expression is nested too deeply.")
        nodes = [self._conjunction(depth)]
        while self._accept("|", ";"):
            nodes.append(self._conjunction(depth))
        return nodes[0] if len(nodes) == 1 else Group("or", tuple(nodes))

    def _conjunction(self, depth: int) -> Node:
        nodes = [self._term(depth)]
        while self._accept(",", "&"):
            nodes.append(self._term(depth))
        return nodes[0] if len(nodes) == 1 else Group("and", tuple(nodes))

    def _term(self, depth: int) -> Node:
        if self._accept("("):
            node = self.disjunction(depth + 1)
            self._expect(")")
            return node
        name = self._next_token("text").text
        if self._accept("="):
            if name.lower() == "rql":
                raise _problem("Invalid equals shortcut expression")
            return Comparison("eq", name, (self._value(),))
        operator = name.lower()
        self._expect("(")
        node = self._function(operator, depth)
        self._expect(")")
        return node

    def _function(self, operator: str, depth: int) -> Node:
        if operator in {"and", "or", "not"}:
            # Whatever separates the operands of a function, none of the separators means OR there.
            nodes = [self._operand(depth)]
            while operator != "not" and self._accept(",", "&", ";", "|"):
                nodes.append(self._operand(depth))
            return Group(operator, tuple(nodes))
        if operator not in _COMPARISONS | _SETS:
            raise _problem("Unknown expression group.")
        path = self._next_token("text", "quoted").text
        self._expect(",")
        if operator in _COMPARISONS:
            return Comparison(operator, path, (self._value(),))
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return Comparison(operator, path, tuple(values))

    def _operand(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise _problem("The expression is nested too deeply.")
        return self._term(depth + 1)

    def _value(self) -> Value:
        token = self._next_token("text", "quoted")
        if token.kind == "text" and token.text.lower() in {"null", "empty"} and self._accept("("):
            self._expect(")")
            return Value("", token.text.lower())
        return Value(token.text)

    def _next_token(self, *kinds: str) -> _Token:
        if self.at_end or self._tokens[self._position].kind not in kinds:
            raise _problem("Unknown expression group.")
        self._position += 1
        return self._tokens[self._position - 1]

    def _accept(self, *symbols: str) -> bool:
        if (
            self.at_end
            or self._tokens[self._position].kind != "symbol"
            or self._tokens[self._position].text not in symbols
        ):
            return False
        self._position += 1
        return True

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise _problem("Unknown expression group.")
