"""Reads the tables of behaviours in docs/upstreams/ and compares responses with their patterns.

The format of the tables is described in docs/upstreams/reseller.md, "Behaviours".
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["MARKS", "SOURCES", "Behaviour", "Call", "behaviours", "parse_call", "parse_response", "unlike"]

ROOT = Path(__file__).parents[2]
SOURCES = ("account", "softwareone", "reseller")
MARKS = frozenset("VSCTOI")
_HEADING = re.compile(r"^## \d+\. Behaviours$", re.MULTILINE)
_CODE = re.compile(r"`([^`]*)`")
_NAME = re.compile(r"\{(\w+)\}")
_HEADER = re.compile(r"\s*\[([\w-]+): ([^\]]*)\]")
_CELL = re.compile(r"(?<!\\)\|")
_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One row: what the source does, how it is known, and either requests to the sandbox or tests that show it."""

    source: str
    text: str
    known: str
    requests: tuple[str, ...]
    response: str

    @property
    def tests(self) -> tuple[str, ...]:
        """The tests that show the behaviour, if no request can."""
        return tuple(request for request in self.requests if request.startswith("tests/"))


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the sandbox; the target is below the base URL of the source."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str


def behaviours(source: str) -> list[Behaviour]:
    """Return the rows of a source's table, none if its page has no table."""
    page = (ROOT / "docs" / "upstreams" / f"{source}.md").read_text()
    heading = _HEADING.search(page)
    return [] if heading is None else list(_rows(source, page[heading.end() :].partition("\n## ")[0]))


def _rows(source: str, section: str) -> Iterator[Behaviour]:
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for line in lines[2:]:  # without the heading and the line below it
        cells = [cell.strip().replace("\\|", "|") for cell in _CELL.split(line)[1:-1]]
        assert len(cells) == _COLUMNS, f"{len(cells)} cells instead of {_COLUMNS} in: {line}"
        text, known, requests, response = cells
        yield Behaviour(source, text, known, tuple(_CODE.findall(requests)), response.strip("`"))


def parse_call(text: str, values: Mapping[str, str]) -> Call:
    """Return the request of `METHOD target [Header: value]… body`, with `values` for each name in braces."""
    filled = _NAME.sub(lambda name: values[name[1]], text)
    method, _, rest = filled.partition(" ")
    target, _, rest = rest.partition(" ")
    headers = {}
    while found := _HEADER.match(rest):
        headers[found[1]] = found[2]
        rest = rest[found.end() :]
    return Call(method, target, headers, rest.strip())


def parse_response(text: str, values: Mapping[str, str]) -> tuple[int, Any]:
    """Return the status and the pattern of the body of a response; the pattern is None if there is none."""
    filled = _NAME.sub(lambda name: values[name[1]], text)
    status, _, pattern = filled.partition(" ")
    return int(status), json.loads(pattern) if pattern else None


def unlike(pattern: Any, value: Any, path: str = "body") -> str | None:
    """Return how a value differs from a pattern, None if it does not.

    Of an object, only the fields in the pattern are compared; "-" stands for an absent field, "*" for any value but
    null. An array has as many items as its pattern. A text that begins with "~" has to occur in the value.
    """
    if isinstance(pattern, dict) and isinstance(value, dict):
        found = (_field_unlike(inner, name, value, path) for name, inner in pattern.items())
    elif isinstance(pattern, list) and isinstance(value, list) and len(pattern) == len(value):
        found = (unlike(inner, value[index], f"{path}[{index}]") for index, inner in enumerate(pattern))
    elif isinstance(pattern, list) and isinstance(value, list):
        return f"{path} has {len(value)} items instead of {len(pattern)}"
    else:
        return None if _matches(pattern, value) else f"{path} is {value!r} instead of {pattern!r}"
    return next((difference for difference in found if difference is not None), None)


def _field_unlike(pattern: Any, name: str, value: Mapping[str, Any], path: str) -> str | None:
    if pattern == "-":
        return f"{path}.{name} is {value[name]!r} instead of absent" if name in value else None
    return unlike(pattern, value[name], f"{path}.{name}") if name in value else f"{path}.{name} is absent"


def _matches(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, str) and pattern.startswith("~"):
        return isinstance(value, str) and pattern[1:] in value
    return value is not None if pattern == "*" else type(pattern) is type(value) and pattern == value
