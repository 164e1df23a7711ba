"""Generates the code that reads the fields of an object `v` into its result `r`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from keyword import iskeyword

from graphql import GraphQLField, GraphQLObjectType, TypeNameMetaFieldDef, get_nullable_type, is_leaf_type
from strawberry.types.field import StrawberryField

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.compiled.leaves import Constants, leaf
from gateway.api.graphql.compiled.lookups import Lookup, lookup_for
from gateway.api.graphql.definitions import definition_of
from gateway.api.graphql.schema.fields import (
    Computed,
    Contextual,
    ExpandedReference,
    Expansion,
    IsRecord,
    Reference,
)

__all__ = ["Attribute", "FieldCodegen", "declaration_of"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field whose value is the attribute of that name of the record."""

    name: str


_Declared = Computed | Contextual | Expansion | Reference | ExpandedReference
Declaration = Attribute | _Declared
_Value = Attribute | Computed | Contextual  # those that need no lookup


def declaration_of(field: GraphQLField) -> Declaration | None:
    """Return the declaration of the field in the schema; None if only its resolver can return the value."""
    definition = definition_of(field)
    if not isinstance(definition, StrawberryField) or definition.extensions:
        return None
    if definition.is_basic_field:
        return Attribute(definition.python_name) if definition.default_resolver is getattr else None
    declaration = definition.metadata.get("how")
    return declaration if isinstance(declaration, _Declared) else None


@dataclass(slots=True)
class FieldCodegen:
    """Generates code for one field after the other, in the order of the selection.

    Consecutive leaves that need no resolver have one `try` in common. If one of them takes the slow path,
    `Run.execute_fields` reads all of them again, each for itself.
    """

    constants: Constants
    fast_classes: set[type]
    lookups: list[Lookup]
    reused_slots: list[AnswerSlot]
    write_completion: Callable[[AnswerSlot], str]
    _lines: list[str] = field(default_factory=list)
    _leaf_slots: list[AnswerSlot] = field(default_factory=list)
    _leaf_lines: list[str] = field(default_factory=list)

    def add(self, slot: AnswerSlot) -> None:
        """Generate the code for the field in this slot."""
        result, type_, declaration = f"r[{slot.key!r}]", get_nullable_type(slot.type), declaration_of(slot.field)
        if slot.field is TypeNameMetaFieldDef:
            self._leaf_slots.append(slot)
            self._leaf_lines.append(f"{result} = {slot.parent_type.name!r}")
        elif is_leaf_type(type_) and isinstance(declaration, _Value):
            self._leaf_slots.append(slot)
            self._leaf_lines.append(f"a = {self._value(declaration)}")
            self._leaf_lines.append(f"{result} = {_unless_null(slot)}{leaf(type_, self.fast_classes, self.constants)}")
        else:
            self._end_leaves()
            self._lines += [
                "try:",
                *(f"    {line}" for line in self._completed(slot, declaration)),
                "except Exception as e:",
                f"    {result} = x.handle_error(e, {self.constants.name(slot)}{slot.indices})",
            ]

    def lines(self) -> list[str]:
        """Return the lines of code for all fields added."""
        self._end_leaves()
        return self._lines

    def _end_leaves(self) -> None:
        """Write the `try` of the consecutive leaves before this point, if there are any."""
        if self._leaf_slots:
            slots = self.constants.name(tuple(self._leaf_slots))
            self._lines += [
                "try:",
                *(f"    {line}" for line in self._leaf_lines),
                "except Exception:",
                f"    x.execute_fields(r, v, {slots}{self._leaf_slots[0].indices})",
            ]
            self._leaf_slots, self._leaf_lines = [], []

    def _completed(self, slot: AnswerSlot, declaration: Declaration | None) -> list[str]:
        result, indices, slot_name = f"r[{slot.key!r}]", slot.indices, self.constants.name(slot)
        complete = self.write_completion(slot)
        completed = f"{complete}(x, a{indices})"
        if slot.depth and _is_record(slot.parent_type) and _is_record(get_nullable_type(slot.type)):
            number = len(self.reused_slots)
            self.reused_slots.append(slot)
            completed = f"x.reusable[{number}].get(id(a)) or x.complete_reusable({number}, {complete}, a{indices})"
        assignment = f"{result} = {_unless_null(slot)}{completed}"
        if isinstance(declaration, _Value):
            return [f"a = {self._value(declaration)}", assignment]
        lookup = lookup_for(slot, declaration) if declaration else None
        if declaration is None or lookup is None:
            return [f"a = x.resolve(v, {slot_name}{indices})", assignment]
        need = f"x.needs[{len(self.lookups)}]"
        self.lookups.append(lookup)
        request = f"x.request_lookup({self.constants.name(lookup)}, {complete}, {{}}, r{indices})"
        if isinstance(declaration, Expansion):
            return [
                f"if {need} <= v.loaded or not v.source_id:",
                f"    a = {self._value(Attribute(lookup.attribute))}",
                f"    {assignment}",
                "else:",
                f"    {result} = {request.format('v')}",
            ]
        reference = [
            f"a = {self._value(Attribute(declaration.name))}",
            f"if a is not None and a.__class__ is not {self.constants.name(lookup.record_class)}:",
            f"    {result} = x.execute_field(v, {slot_name}{indices})",
            f"elif a is not None and a.name is None and {need}:",
            f"    {result} = {request.format('a')}",
            "else:",
            f"    {assignment}",
        ]
        expansion = (
            lookup_for(slot, Expansion(declaration.name)) if isinstance(declaration, ExpandedReference) else None
        )
        if expansion is None:
            return reference
        self.lookups.append(expansion)
        # The record that is looked up may refer to another one in turn, which only the resolver looks up.
        return [
            f"if x.needs[{len(self.lookups) - 1}] <= v.loaded or not v.source_id:",
            *(f"    {line}" for line in reference),
            "else:",
            f"    a = x.resolve(v, {slot_name}{indices})",
            f"    {assignment}",
        ]

    def _value(self, declaration: _Value) -> str:
        if isinstance(declaration, Contextual):
            return f"{self.constants.name(declaration.of)}(v, x.context)"
        if isinstance(declaration, Computed):
            return f"{self.constants.name(declaration.of)}(v)"
        if declaration.name.isidentifier() and not iskeyword(declaration.name):
            return f"v.{declaration.name}"
        return f"getattr(v, {declaration.name!r})"


def _is_record(type_: object) -> bool:
    """Return whether objects of the type are records, so that several objects can refer to the same one."""
    return isinstance(type_, GraphQLObjectType) and isinstance(type_.is_type_of, IsRecord)


def _unless_null(slot: AnswerSlot) -> str:
    return "None if a is None else " if slot.nullable else ""
