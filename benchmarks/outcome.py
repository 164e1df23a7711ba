"""A whole run, and its form as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from benchmarks.figures import Figures, Key, Sample, summed_up

__all__ = ["CONNECTIONS", "USERS", "Outcome", "Point"]

USERS, CONNECTIONS = "users in the list", "connections"
"""What the sweeps go along."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a sweep: how many of what, and the figures there."""

    server: str
    along: str
    count: int
    figures: Figures


@dataclass(slots=True)
class Outcome:
    """What was measured so far."""

    machine: Mapping[str, str]
    how: Mapping[str, Any]
    titles: Mapping[str, str]
    """Of the servers, by name."""
    operations: Mapping[str, str]
    """Titles by name, in the order of the table."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Servers that are missing, and why."""
    samples: list[Sample] = field(default_factory=list)
    sweep: list[Point] = field(default_factory=list)
    cold: dict[str, float] = field(default_factory=dict)
    """Seconds to the first answer, by server."""
    resident: dict[str, int] = field(default_factory=dict)
    """Bytes after the load, by server."""

    def medians(self) -> dict[Key, Figures]:
        """Over the rounds."""
        return summed_up(self.samples)

    def json(self) -> bytes:
        """All of it, the medians first."""
        medians = [
            {"server": server, "operation": operation, "connections": connections, **asdict(figures)}
            for (server, operation, connections), figures in self.medians().items()
        ]
        names = ("machine", "how", "titles", "operations", "left_out", "cold", "resident", "sweep", "samples")
        document = {"medians": medians} | {name: getattr(self, name) for name in names}
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
