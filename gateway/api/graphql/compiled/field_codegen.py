"""The code that reads the fields of an object `v` into its answer `r`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from keyword import iskeyword

from graphql import GraphQLField, GraphQLObjectType, TypeNameMetaFieldDef, get_nullable_type, is_leaf_type
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from gateway.api.graphql.compiled.answer_slots import AnswerSlot
from gateway.api.graphql.compiled.leaves import Constants, leaf
from gateway.api.graphql.compiled.lookups import Lookup, lookup_at
from gateway.api.graphql.schema.fields import Computed, Expansion, IsRecord, Reference

__all__ = ["Attribute", "FieldCodegen", "value_of"]


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


@dataclass(slots=True)
class FieldCodegen:
    """Reads one field after the other, in the order of the selection.

    Leaves that stand together and are read without a resolver share one `try`: where one of them is odd,
    `Run.fields` reads all of them again, each by itself.
    """

    constants: Constants
    met: set[type]
    lookups: list[Lookup]
    shared: list[AnswerSlot]
    completion: Callable[[AnswerSlot], str]
    _lines: list[str] = field(default_factory=list)
    _leaves: list[AnswerSlot] = field(default_factory=list)
    _reads: list[str] = field(default_factory=list)

    def add(self, place: AnswerSlot) -> None:
        """Read the field at that place."""
        key, type_, how = f"r[{place.key!r}]", get_nullable_type(place.type), value_of(place.field)
        if place.field is TypeNameMetaFieldDef:
            self._leaves.append(place)
            self._reads.append(f"{key} = {place.owner.name!r}")
        elif is_leaf_type(type_) and isinstance(how, Attribute | Computed):
            self._leaves.append(place)
            self._reads.append(f"a = {self._value(how)}")
            self._reads.append(f"{key} = {_none(place)}{leaf(type_, self.met, self.constants)}")
        else:
            self._close()
            at = place.indices
            self._lines += [
                "try:",
                *(f"    {line}" for line in self._completed(place, how)),
                "except Exception as e:",
                f"    {key} = x.failed(e, {self.constants.name(place)}{at})",
            ]

    def lines(self) -> list[str]:
        """What was written."""
        self._close()
        return self._lines

    def _close(self) -> None:
        """End a row of leaves."""
        if self._leaves:
            places = self.constants.name(tuple(self._leaves))
            self._lines += [
                "try:",
                *(f"    {read}" for read in self._reads),
                "except Exception:",
                f"    x.fields(r, v, {places}{self._leaves[0].indices})",
            ]
            self._leaves, self._reads = [], []

    def _completed(self, place: AnswerSlot, how: Attribute | Computed | Expansion | Reference | None) -> list[str]:
        key, at, here = f"r[{place.key!r}]", place.indices, self.constants.name(place)
        complete = self.completion(place)
        put = f"{key} = {_none(place)}{complete}(x, a{at})"
        if place.depth and _is_record(place.owner) and _is_record(get_nullable_type(place.type)):
            number = len(self.shared)
            self.shared.append(place)
            put = f"{key} = {_none(place)}x.shared[{number}].get(id(a)) or x.share({number}, {complete}, a{at})"
        if isinstance(how, Attribute | Computed):
            return [f"a = {self._value(how)}", put]
        lookup = lookup_at(place, how) if how else None
        if how is None or lookup is None:
            return [f"a = x.resolve(v, {here}{at})", put]
        need = f"x.needs[{len(self.lookups)}]"
        self.lookups.append(lookup)
        want = f"x.want({self.constants.name(lookup)}, {complete}, {{}}, r{at})"
        if isinstance(how, Expansion):
            return [
                f"if {need} <= v.loaded or not v.source_id:",
                f"    a = {self._value(Attribute(lookup.attribute))}",
                f"    {put}",
                "else:",
                f"    {key} = {want.format('v')}",
            ]
        return [
            f"a = {self._value(Attribute(how.name))}",
            f"if a is not None and a.__class__ is not {self.constants.name(lookup.record)}:",
            f"    {key} = x.field(v, {here}{at})",
            f"elif a is not None and a.name is None and {need}:",
            f"    {key} = {want.format('a')}",
            "else:",
            f"    {put}",
        ]

    def _value(self, how: Attribute | Computed) -> str:
        if isinstance(how, Computed):
            return f"{self.constants.name(how.of)}(v)"
        if how.name.isidentifier() and not iskeyword(how.name):
            return f"v.{how.name}"
        return f"getattr(v, {how.name!r})"


def _is_record(type_: object) -> bool:
    """Whether it is something with an id of its own, which others may refer to."""
    return isinstance(type_, GraphQLObjectType) and isinstance(type_.is_type_of, IsRecord)


def _none(place: AnswerSlot) -> str:
    return "None if a is None else " if place.nullable else ""
