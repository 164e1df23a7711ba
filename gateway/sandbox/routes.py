"""A route table: maps a method and a path template to a handler."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote

__all__ = ["Match", "Routes"]

Handler = TypeVar("Handler")


@dataclass(frozen=True, slots=True)
class Match(Generic[Handler]):
    """A matching route: its handler, its template, and the values of the `{names}` in the template."""

    handler: Handler
    template: str
    values: Mapping[str, str]


class Routes(Generic[Handler]):
    """Routes by templates such as `/v1/users/{id}`.

    A name matches exactly one segment that is not empty; a template with fewer names takes precedence.
    """

    def __init__(self) -> None:
        self._templates: dict[str, dict[str, Handler]] = {}

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Register a handler for one method of one template."""
        self._templates.setdefault(template, {})[method] = handler

    def find(self, method: str, path: str) -> Match[Handler] | frozenset[str]:
        """Return the match, or the methods that the path supports; the set is empty for an unknown path."""
        allowed: set[str] = set()
        for template, values in sorted(self._matching(path), key=lambda match: len(match[1])):
            handlers = self._templates[template]
            if method in handlers:
                return Match(handlers[method], template, values)
            allowed |= handlers.keys()
        return frozenset(allowed)

    def _matching(self, path: str) -> list[tuple[str, dict[str, str]]]:
        segments = path.split("/")
        found = []
        for template in self._templates:
            pattern = template.split("/")
            if len(pattern) != len(segments):
                continue
            values: dict[str, str] = {}
            for expected, segment in zip(pattern, segments, strict=True):
                if expected.startswith("{") and segment:
                    values[expected[1:-1]] = unquote(segment)
                elif expected != segment:
                    break
            else:
                found.append((template, values))
        return found
