"""RQL from text to a tree (softwareone.md, section 3).

The text is read as it came over the wire: a quote ends where the same spelling of it returns (`'` or
`%27`), and only what lies between structural characters is percent-decoded. `+` is never a space.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from gateway.sandbox.softwareone.problems import ProblemError

__all__ = ["Comparison", "Group", "Node", "Value", "parse", "split_query"]

_TOKEN = re.compile(
    r"""(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|%27(?:(?!%27).)*%27|%22(?:(?!%22).)*%22)"""
    r"""|(?P<mark>[(),&;|=]|%28|%29|%2C|%3B|%7C|%3D|%26)"""
    r"""|(?P<word>(?:(?!%28|%29|%2C|%3B|%7C|%3D|%26|%27|%22)[^(),&;|='"])+)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_COMPARISONS = {"eq", "ne", "gt", "ge", "lt", "le", "like", "ilike"}
_SETS = {"in", "out"}
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Value:
    """A literal; `null()` and `empty()` are words of their own."""

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


def split_query(query: str) -> list[str]:
    """Split at every `&` that is outside of parentheses and quotes."""
    pieces, start, depth = [], 0, 0
    for found in _TOKEN.finditer(query):
        mark = unquote(found["mark"] or "")
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if found.group() == "&" and depth <= 0:
            pieces.append(query[start : found.start()])
            start = found.end()
    pieces.append(query[start:])
    return [piece for piece in pieces if piece]


def parse(text: str) -> Node:
    """The tree of an expression; raises ProblemError with the messages of the real parser."""
    parser = _Parser(_tokens(text))
    node = parser.alternatives(0)
    if not parser.done:
        raise _refusal("Unknown expression group.")
    return node


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _refusal("Unterminated constant.")
        at = found.end()
        if (quoted := found["quoted"]) is not None:
            edge = 3 if quoted.startswith("%") else 1
            tokens.append(_Token("quoted", _unescape(unquote(quoted[edge:-edge]))))
        elif found["mark"] is not None:
            tokens.append(_Token("mark", unquote(found["mark"])))
        elif (word := unquote(found["word"]).strip()) != "":
            tokens.append(_Token("word", word))
    return tokens


def _unescape(text: str) -> str:
    # `\*` stays: the star's own escape is for `like` to read.
    return re.sub(r"\\(['\"])", r"\1", text)


def _refusal(message: str) -> ProblemError:
    return ProblemError(400, "The RQL query is invalid.", {"rql": [message]})


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at == len(self._tokens)

    def alternatives(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise _refusal("The expression is nested too deeply.")
        nodes = [self._conjunction(depth)]
        while self._takes("|", ";"):
            nodes.append(self._conjunction(depth))
        return nodes[0] if len(nodes) == 1 else Group("or", tuple(nodes))

    def _conjunction(self, depth: int) -> Node:
        nodes = [self._unit(depth)]
        while self._takes(",", "&"):
            nodes.append(self._unit(depth))
        return nodes[0] if len(nodes) == 1 else Group("and", tuple(nodes))

    def _unit(self, depth: int) -> Node:
        if self._takes("("):
            node = self.alternatives(depth + 1)
            self._expect(")")
            return node
        name = self._literal("word").text
        if self._takes("="):
            if name.lower() == "rql":
                raise _refusal("Invalid equals shortcut expression")
            return Comparison("eq", name, (self._value(),))
        operator = name.lower()
        self._expect("(")
        node = self._call(operator, depth)
        self._expect(")")
        return node

    def _call(self, operator: str, depth: int) -> Node:
        if operator in {"and", "or", "not"}:
            # Commas separate the operands of all three; `;` and `|` still mean OR inside one operand.
            nodes = [self._operand(depth)]
            while operator != "not" and self._takes(",", "&"):
                nodes.append(self._operand(depth))
            return Group(operator, tuple(nodes))
        if operator not in _COMPARISONS | _SETS:
            raise _refusal("Unknown expression group.")
        path = self._literal("word", "quoted").text
        self._expect(",")
        if operator in _COMPARISONS:
            return Comparison(operator, path, (self._value(),))
        self._expect("(")
        values = [self._value()]
        while self._takes(","):
            values.append(self._value())
        self._expect(")")
        return Comparison(operator, path, tuple(values))

    def _operand(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise _refusal("The expression is nested too deeply.")
        nodes = [self._unit(depth + 1)]
        while self._takes("|", ";"):
            nodes.append(self._unit(depth + 1))
        return nodes[0] if len(nodes) == 1 else Group("or", tuple(nodes))

    def _value(self) -> Value:
        token = self._literal("word", "quoted")
        if token.kind == "word" and token.text.lower() in {"null", "empty"} and self._takes("("):
            self._expect(")")
            return Value("", token.text.lower())
        return Value(token.text)

    def _literal(self, *kinds: str) -> _Token:
        if self.done or self._tokens[self._at].kind not in kinds:
            raise _refusal("Unknown expression group.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _takes(self, *marks: str) -> bool:
        if self.done or self._tokens[self._at].kind != "mark" or self._tokens[self._at].text not in marks:
            return False
        self._at += 1
        return True

    def _expect(self, mark: str) -> None:
        if not self._takes(mark):
            raise _refusal("Unknown expression group.")
