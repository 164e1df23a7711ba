"""Lookups: the fields whose value may have to be fetched, and what the record must have been loaded with if not.

`gateway.users.loaders` decides for each record whether its value can be used or has to be looked up. Compiled code
makes the same decision with less work: the need is computed once for each operation, and a `Ref` is created only for a
record that is looked up.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from graphql import GraphQLObjectType, get_named_type

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.schema.fields import ExpandedReference, Expansion, IsRecord, Reference
from gateway.users.ids import Kind
from gateway.users.planning import DETAILS, Plan

__all__ = ["Lookup", "lookup_for"]

_KINDS = {kind.value: kind for kind in Kind}


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """A field that may need a lookup of a record of the class `record_class`.

    The value of the field is `attribute` of that record, or the record itself if `attribute` is empty, and
    `if_gone` if the record does not exist. `identity` returns what distinguishes two records; it costs less than a
    `Ref`.
    """

    slot: AnswerSlot
    kind: Kind
    record_class: type
    attribute: str
    identity: Callable[[Any], Hashable]
    if_gone: Any = None

    def need(self, plan: Plan) -> frozenset[str]:
        """Return what a record must have been loaded with before the field can be read from it; may be empty."""
        if self.attribute:
            return plan.below(self.kind, self.attribute)
        return frozenset({DETAILS}) & plan.of(self.kind)

    def value_from(self, record: Any) -> Any:
        """Return the value of the field from the record that was looked up, which is None if it does not exist."""
        if record is None:
            return self.if_gone
        return getattr(record, self.attribute) if self.attribute else record


def lookup_for(slot: AnswerSlot, declaration: Expansion | Reference | ExpandedReference) -> Lookup | None:
    """Return the lookup of a field with this declaration; None if records of its type are not looked up.

    That of an expanded reference is the lookup of the reference.
    """
    looked_up = slot.parent_type if isinstance(declaration, Expansion) else get_named_type(slot.type)
    is_record = looked_up.is_type_of if isinstance(looked_up, GraphQLObjectType) else None
    if not isinstance(is_record, IsRecord) or looked_up.name not in _KINDS:
        return None
    attribute, if_gone = (declaration.name, declaration.if_gone) if isinstance(declaration, Expansion) else ("", None)
    record_class = is_record.kind
    identity = attrgetter("source_id", *(name for name in ("source", "tenant") if hasattr(record_class, name)))
    return Lookup(slot, _KINDS[looked_up.name], record_class, attribute, identity, if_gone)
