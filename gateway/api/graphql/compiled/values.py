"""How the schema says that a field gets its value."""

from dataclasses import dataclass

from graphql import GraphQLField
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from gateway.api.graphql.fields import Computed, Expansion, Reference

__all__ = ["Attribute", "value_of"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the record, by that name."""

    name: str


def value_of(field: GraphQLField) -> Attribute | Computed | Expansion | Reference | None:
    """What is declared of the field; None where only its resolver knows."""
    declared = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(declared, StrawberryField) or declared.extensions:
        return None
    if declared.is_basic_field:
        return Attribute(declared.python_name) if declared.default_resolver is getattr else None
    how = declared.metadata.get("how")
    return how if isinstance(how, Computed | Expansion | Reference) else None
