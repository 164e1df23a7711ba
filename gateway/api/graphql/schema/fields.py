"""Declares fields by the way they get their value: an attribute of the record, a function of it, or a batched lookup.

All fields below the three roots are declared in one of these ways. The metadata of a function or a lookup names it for
the compiler of operations (`gateway/api/graphql/compiled/`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import strawberry

from gateway.api.graphql.execution.context import Context
from gateway.api.graphql.limits.directives import Cost
from gateway.users.ids import Ref
from gateway.users.loaders import load_expanded_reference, load_expansion, load_reference
from gateway.users.model import Identified

__all__ = [
    "CREATED",
    "UPDATED",
    "Computed",
    "Contextual",
    "ExpandedReference",
    "Expansion",
    "Info",
    "IsRecord",
    "Reference",
    "attribute",
    "computed",
    "detail",
    "expanded_reference",
    "expansion",
    "global_id",
    "inner_id",
    "is_record",
    "picture_url",
    "reference",
    "source_id",
]

Info = strawberry.Info[Context, None]

CREATED = "When the record was created in its source."
UPDATED = "When the record was last changed in its source."
_GLOBAL_ID = "The global id: opaque, stable, and unique over all sources and types."
_LOOKUP = Cost(weight="10")
_PART = Cost(weight="2")  # the details of a record come by one lookup, so each is charged for a part of it


@dataclass(frozen=True, slots=True)
class Computed:
    """A field whose value is a function of the record; equal records give equal values."""

    of: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Contextual:
    """A field whose value is a function of the record and of the context of the operation."""

    of: Callable[[Any, Context], Any]


@dataclass(frozen=True, slots=True)
class Expansion:
    """A field of that name that is looked up if the record came without it (`gateway.users.loaders.load_expansion`).

    `if_gone`: its value if the source no longer has the record.
    """

    name: str
    if_gone: Any = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A field of that name that is looked up if it holds a bare reference (`gateway.users.loaders.load_reference`)."""

    name: str


@dataclass(frozen=True, slots=True)
class ExpandedReference:
    """An expansion whose value may be a bare reference (`gateway.users.loaders.load_expanded_reference`)."""

    name: str


@dataclass(frozen=True, slots=True)
class IsRecord:
    """The `is_type_of` of a type whose records can be looked up: whether an object is a record of that class."""

    kind: type

    def __call__(self, obj: Any, _info: Any) -> bool:
        return isinstance(obj, self.kind)


def _mark_stale(info: Info) -> Callable[[Ref], None]:
    """Return the function that marks the position of the field if the record that was looked up for it is stale."""
    return partial(info.context.stale.mark, path=info.path)


def attribute(description: str, **options: Any) -> Any:
    """Declare a field that is an attribute of the record, by the same name."""
    return strawberry.field(description=description, **options)


def expansion(name: str, description: str) -> Any:
    """Declare a field that is in the record if its source included it, and is otherwise looked up in a batch."""
    return _expansion(name, description, [_LOOKUP])


def detail(name: str, description: str, *, usually_sent: bool = True, if_gone: Any = None) -> Any:
    """Declare a plain field that short forms of the record lack; it is then looked up in a batch.

    It costs nothing if its source usually sends it. `if_gone`: its value if the source no longer has the record.
    """
    return _expansion(name, description, [] if usually_sent else [_PART], if_gone)


def _expansion(name: str, description: str, costs: list[Cost], if_gone: Any = None) -> Any:
    def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return load_expansion(root, name, info.context.loaders, if_gone, on_load=_mark_stale(info))

    metadata = {"how": Expansion(name, if_gone)}
    return strawberry.field(resolver=resolve, description=description, directives=costs, metadata=metadata)


def expanded_reference(name: str, description: str) -> Any:
    """Declare a field that is looked up if the record lacks it, or if it holds a bare reference."""

    def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return load_expanded_reference(root, name, info.context.loaders, on_load=_mark_stale(info))

    metadata = {"how": ExpandedReference(name)}
    return strawberry.field(resolver=resolve, description=description, directives=[_LOOKUP], metadata=metadata)


def reference(name: str, description: str) -> Any:
    """Declare a field that holds a record or a bare reference; the latter is looked up in a batch where needed."""

    def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return load_reference(getattr(root, name), info.context.loaders, on_load=_mark_stale(info))

    metadata = {"how": Reference(name)}
    return strawberry.field(resolver=resolve, description=description, directives=[_LOOKUP], metadata=metadata)


def computed(of: Callable[[Any], Any], type_: Any, description: str) -> Any:
    """Declare a field of that type whose value is a function of the record."""

    def resolve(root: strawberry.Parent[Any]) -> Any:
        return of(root)

    metadata = {"how": Computed(of)}
    return strawberry.field(resolver=resolve, graphql_type=type_, description=description, metadata=metadata)


def picture_url(description: str) -> Any:
    """Declare the field `imageUrl`: the URL of a picture, as the client can load it."""

    def of(record: Any, context: Context) -> str | None:
        return context.incoming.picture_url(record)

    def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return of(root, info.context)

    metadata = {"how": Contextual(of)}
    return strawberry.field(resolver=resolve, graphql_type=str | None, description=description, metadata=metadata)


def global_id() -> Any:
    """Declare the field `id` of records that can be fetched by it."""
    return computed(_global_id, strawberry.ID, _GLOBAL_ID)


def inner_id() -> Any:
    """Declare the field `id` of records that are only read inside others: clients use it as the key of a cache."""
    return computed(
        _global_id, strawberry.ID, f"{_GLOBAL_ID} `node` does not find it: this record is only read inside another one."
    )


def _global_id(record: Identified) -> str:
    return record.id


def source_id() -> Any:
    """Declare the field `sourceId`."""
    return attribute("The id of the record in its source, as the source spells it.")


def is_record(kind: type) -> IsRecord:
    """Declare which records have a type whose records can be looked up."""
    return IsRecord(kind)
