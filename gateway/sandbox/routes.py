"""A route table: method and path template to whatever handles it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote

__all__ = ["Match", "Routes"]

Handler = TypeVar("Handler")


@dataclass(frozen=True, slots=True)
class Match(Generic[Handler]):
    """A found route: its handler, its template, and the values of the template's `{names}`."""

    handler: Handler
    template: str
    values: Mapping[str, str]


class Routes(Generic[Handler]):
    """Templates such as `/v1/users/{id}`; a name takes exactly one non-empty segment, fixed text wins."""

    def __init__(self) -> None:
        self._templates: dict[str, dict[str, Handler]] = {}

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Register a handler for one method of one template."""
        self._templates.setdefault(template, {})[method] = handler

    def find(self, method: str, path: str) -> Match[Handler] | frozenset[str]:
        """The match, or the methods that the path does have: none of them means an unknown path."""
        allowed: set[str] = set()
        for template, values in sorted(self._fitting(path), key=lambda fit: len(fit[1])):
            handlers = self._templates[template]
            if method in handlers:
                return Match(handlers[method], template, values)
            allowed |= handlers.keys()
        return frozenset(allowed)

    def _fitting(self, path: str) -> list[tuple[str, dict[str, str]]]:
        segments = path.split("/")
        found = []
        for template in self._templates:
            pattern = template.split("/")
            if len(pattern) != len(segments):
                continue
            values: dict[str, str] = {}
            for wanted, segment in zip(pattern, segments, strict=True):
                if wanted.startswith("{") and segment:
                    values[wanted[1:-1]] = unquote(segment)
                elif wanted != segment:
                    break
            else:
                found.append((template, values))
        return found
