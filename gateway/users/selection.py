"""What the caller asked for, as a plain tree: from a GraphQL selection or from a gRPC read mask."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Selection", "merged"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Field names in the domain's spelling, each with what is asked of it.

    `fields` holds under one name what all its aliases ask for; `on` holds what is asked only of
    records of that type (a GraphQL fragment with a type condition).
    """

    fields: "Mapping[str, Selection]" = field(default_factory=dict)
    on: "Mapping[str, Selection]" = field(default_factory=dict)

    @classmethod
    def of(cls, *paths: str) -> "Selection":
        """A selection from dotted paths, e.g. `Selection.of("role.name", "department.location.name")`."""
        return merged(
            cls({head: cls.of(*([rest] if rest else []))}) for head, _, rest in (p.partition(".") for p in paths)
        )


def merged(selections: Iterable[Selection]) -> Selection:
    """One selection that asks for everything that any of the given ones asks for."""
    fields: dict[str, list[Selection]] = {}
    on: dict[str, list[Selection]] = {}
    for selection in selections:
        for name, below in selection.fields.items():
            fields.setdefault(name, []).append(below)
        for name, below in selection.on.items():
            on.setdefault(name, []).append(below)
    return Selection(
        {name: merged(below) if len(below) > 1 else below[0] for name, below in fields.items()},
        {name: merged(below) if len(below) > 1 else below[0] for name, below in on.items()},
    )
