"""How a field gets its value: an attribute of the record, computed from the record alone, or by a declared lookup.

There is no fourth way. Each declaration carries its kind in its metadata, for compiled documents.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import strawberry

from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.limits.directives import Cost
from gateway.users.ids import encode, ref_of
from gateway.users.loaders import expanded, whole

__all__ = [
    "Computed",
    "Expansion",
    "Info",
    "IsRecord",
    "Reference",
    "attribute",
    "computed",
    "expansion",
    "global_id",
    "is_record",
    "reference",
]

Info = strawberry.Info[Context, None]

_LOOKUP = Cost(weight="10")


@dataclass(frozen=True, slots=True)
class Computed:
    """A field that follows from the record alone; the same record always gives the same value."""

    of: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Expansion:
    """A field of that name that the record may have come without (`lookups.expanded`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A field of that name that may hold a bare reference (`lookups.whole`)."""

    name: str


@dataclass(frozen=True, slots=True)
class IsRecord:
    """Tells a type's records apart behind the interface `Node`."""

    kind: type

    def __call__(self, obj: Any, _info: Any) -> bool:
        return isinstance(obj, self.kind)


def attribute(description: str, **options: Any) -> Any:
    """A field that is an attribute of the record, by the same name."""
    return strawberry.field(description=description, **options)


def expansion(name: str, description: str) -> Any:
    """A field that arrives where the record's endpoint included it, else by a batched lookup of the record."""

    def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return expanded(root, name, info.context.loaders)

    metadata = {"how": Expansion(name)}
    return strawberry.field(resolver=resolve, description=description, directives=[_LOOKUP], metadata=metadata)


def reference(name: str, description: str) -> Any:
    """A field that holds a record or a bare reference to one: the latter is looked up, batched, where needed."""

    def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return whole(getattr(root, name), info.context.loaders)

    metadata = {"how": Reference(name)}
    return strawberry.field(resolver=resolve, description=description, directives=[_LOOKUP], metadata=metadata)


def computed(of: Callable[[Any], Any], type_: Any, description: str) -> Any:
    """A field of that type whose value is a function of the record."""

    def resolve(root: strawberry.Parent[Any]) -> Any:
        return of(root)

    metadata = {"how": Computed(of)}
    return strawberry.field(resolver=resolve, graphql_type=type_, description=description, metadata=metadata)


def global_id() -> Any:
    """The record's global id."""
    description = "Opaque, stable and unique over all systems and types."
    return computed(lambda record: encode(ref_of(record)), strawberry.ID, description)


def is_record(kind: type) -> IsRecord:
    """Tells a type's records apart behind the interface `Node`."""
    return IsRecord(kind)
