"""How a field gets its value: an attribute of the record, or a declared lookup. There is no third way."""

from collections.abc import Callable
from typing import Any

import strawberry

from gateway.api.graphql.context import Context
from gateway.users.ids import encode, ref_of
from gateway.users.lookups import expanded, whole

__all__ = ["Info", "attribute", "expansion", "global_id", "is_record", "reference"]

Info = strawberry.Info[Context, None]


def attribute(description: str, **options: Any) -> Any:
    """A field that is an attribute of the record, by the same name."""
    return strawberry.field(description=description, **options)


def expansion(name: str, description: str) -> Any:
    """A field that arrives where the record's endpoint included it, else by a batched lookup of the record."""

    def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return expanded(root, name, info.context.loaders)

    return strawberry.field(resolver=resolve, description=description)


def reference(name: str, description: str) -> Any:
    """A field that holds a record or a bare reference to one: the latter is looked up, batched, where needed."""

    def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return whole(getattr(root, name), info.context.loaders)

    return strawberry.field(resolver=resolve, description=description)


def global_id() -> Any:
    """The record's global id."""

    def resolve(root: strawberry.Parent[Any]) -> strawberry.ID:
        return strawberry.ID(encode(ref_of(root)))

    return strawberry.field(resolver=resolve, description="Opaque, stable and unique over all systems and types.")


def is_record(kind: type) -> Callable[[Any, Any], bool]:
    """Tells a type's records apart behind the interface `Node`."""

    def is_type_of(obj: Any, _info: Any) -> bool:
        return isinstance(obj, kind)

    return is_type_of
