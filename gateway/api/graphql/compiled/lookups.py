"""Lookups: which records a level of an answer has to fetch, and what becomes of them.

`gateway.users.loaders` says when a value in hand can be trusted. Compiled code asks the same per list instead of per
record: what is needed is known once an operation, and records become references only where something is missing.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from graphql import GraphQLObjectType, get_named_type

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.schema.fields import Expansion, IsRecord, Reference
from gateway.users.ids import Kind
from gateway.users.planning import DETAILS, Plan

__all__ = ["Lookup", "lookup_at"]

_KINDS = {kind.value: kind for kind in Kind}


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """A field that a lookup may have to answer. `record` is the class of what is looked up.

    Of the record that is found, the field is its `attribute`, or with an empty one the record itself. `identity` is
    what tells one record from another, cheaper than by its reference.
    """

    place: AnswerSlot
    kind: Kind
    record: type
    attribute: str
    identity: Callable[[Any], Hashable]

    def need(self, plan: Plan) -> frozenset[str]:
        """What has to be loaded of a record before the field can be trusted; empty where anything will do."""
        if self.attribute:
            return plan.below(self.kind, self.attribute)
        return frozenset({DETAILS}) & plan.of(self.kind)

    def of(self, found: Any) -> Any:
        """The field's value, from the record that was found."""
        return getattr(found, self.attribute) if self.attribute and found is not None else found


def lookup_at(place: AnswerSlot, how: Expansion | Reference) -> Lookup | None:
    """The lookup of a field that is declared so; None where its type is not one that is looked up."""
    looked_up = place.owner if isinstance(how, Expansion) else get_named_type(place.type)
    is_record = looked_up.is_type_of if isinstance(looked_up, GraphQLObjectType) else None
    if not isinstance(is_record, IsRecord) or looked_up.name not in _KINDS:
        return None
    attribute = how.name if isinstance(how, Expansion) else ""
    record = is_record.kind
    identity = attrgetter("source_id", *(name for name in ("source", "tenant") if hasattr(record, name)))
    return Lookup(place, _KINDS[looked_up.name], record, attribute, identity)
