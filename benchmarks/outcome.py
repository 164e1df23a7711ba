"""The results of a run, and their JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from benchmarks.figures import Figures, Key, Sample, median_figures

__all__ = ["CONNECTIONS", "USERS", "Outcome", "Point"]

USERS, CONNECTIONS = "users in the list", "connections"
"""The quantities that a sweep varies."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a sweep: the varied quantity (`along`), its value (`count`), and the figures."""

    server: str
    along: str
    count: int
    figures: Figures


@dataclass(slots=True)
class Outcome:
    """The results so far."""

    machine: Mapping[str, str]
    how: Mapping[str, Any]
    titles: Mapping[str, str]
    """Titles of the servers, by name."""
    operations: Mapping[str, str]
    """Titles of the operations by name, in the order of the table."""
    left_out: dict[str, str] = field(default_factory=dict)
    """The servers that were not measured, with the reason."""
    samples: list[Sample] = field(default_factory=list)
    sweep: list[Point] = field(default_factory=list)
    cold: dict[str, float] = field(default_factory=dict)
    """Seconds to the first response, by server."""
    resident: dict[str, int] = field(default_factory=dict)
    """Resident memory in bytes after the load, by server."""

    def medians(self) -> dict[Key, Figures]:
        """Return the medians over the rounds."""
        return median_figures(self.samples)

    def json(self) -> bytes:
        """Return all results as JSON, the medians first."""
        medians = [
            {"server": server, "operation": operation, "connections": connections, **asdict(figures)}
            for (server, operation, connections), figures in self.medians().items()
        ]
        names = ("machine", "how", "titles", "operations", "left_out", "cold", "resident", "sweep", "samples")
        document = {"medians": medians} | {name: getattr(self, name) for name in names}
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
