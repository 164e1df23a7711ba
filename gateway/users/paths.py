"""Paths of fields: which fields the types have, and which of them a list of dotted paths requests.

The types are those of the domain (`DOMAIN_TYPES`), or those of a surface that has other lists inside its records.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from gateway.users import model
from gateway.users.planning import Selection

__all__ = ["DOMAIN_TYPES", "FieldType", "ObjectType", "Requested", "record_type"]

_MAX_DEPTH = 16  # names in a path: types contain each other, and each level may cost a lookup
_EXPANDED_IN_USER = frozenset({"Role", "Department", "Organization"})
_NEVER_REQUESTED = frozenset({"loaded"})


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a field: that of the objects in it, None for plain values, and whether it is a list of them."""

    type: "ObjectType | None" = None
    is_list: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ObjectType:
    """The type of a record, or of an object inside one, with its fields. Types contain each other."""

    name: str
    fields: dict[str, FieldType] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Requested:
    """The requested fields of a type. `whole`: all fields that are present, and in `fields` those to look up."""

    whole: bool = False
    fields: "dict[str, Requested]" = field(default_factory=dict)

    def add(self, type_: ObjectType, path: str) -> bool:
        """Add the field at a path to the requested ones; return whether there is such a field.

        A `*` at the end stands for all fields. Elsewhere it may stand for the items of a list (AIP-161):
        `accounts.*.name` is `accounts.name`.
        """
        names = path.split(".", _MAX_DEPTH)
        if len(names) > _MAX_DEPTH:
            return False
        requested: Requested = self
        inside: ObjectType | None = type_
        while names:
            name = names.pop(0)
            if inside is None:
                return False
            if name == "*" and not names:
                requested.add_all(inside)
                return True
            found = inside.fields.get(name)
            if found is None:
                return False
            inside = found.type
            if found.is_list and names[:1] == ["*"]:
                names.pop(0)
            requested = requested.fields.setdefault(name, Requested())
        requested.whole = True
        if inside is not None and inside.name == "RoleOwner":
            requested.add_all(inside)  # its account is a separate need
        return True

    def add_all(self, type_: ObjectType) -> None:
        """Add all fields of a type; for a user, also all fields of its role, department and organization."""
        for name, found in type_.fields.items():
            inner = found.type.name if found.type is not None else ""
            is_expanded = type_.name == "User" and inner in _EXPANDED_IN_USER
            self.add(type_, f"{name}.*" if is_expanded else name)

    def returned(self) -> Selection:
        """Return the fields to return; one that is requested as a whole has no fields below it."""
        return Selection(
            {name: Selection() if below.whole else below.returned() for name, below in self.fields.items()}
        )

    def planned(self) -> Selection:
        """Return the fields to plan: also those below one that is requested as a whole."""
        return Selection({name: below.planned() for name, below in self.fields.items()})


def record_type(name: str, field_name: str) -> str | None:
    """Return the type of the objects in a field of a type of the domain; None if its values are plain."""
    found = DOMAIN_TYPES[name].fields[field_name].type
    return None if found is None else found.name


def _domain_types() -> Mapping[str, ObjectType]:
    """Read the types from the records. A list inside a record has the name that planning has for it: `MachineList`."""
    records = [kind for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, model.Record)]
    types = {kind.__name__: ObjectType(kind.__name__) for kind in records}
    for kind in records:
        if kind is model.Listed:
            continue
        for name, hint in get_type_hints(kind).items():
            if name in kind.__struct_fields__ and name not in _NEVER_REQUESTED:
                types[kind.__name__].fields[name] = _field_type(hint, types)
        if issubclass(kind, model.Identified):
            types[kind.__name__].fields["id"] = FieldType()
    return types


def _field_type(hint: Any, types: dict[str, ObjectType]) -> FieldType:
    [of] = [part for part in _parts(hint) if part is not NoneType]
    if get_origin(of) is tuple:
        return FieldType(types.get(_name(get_args(of)[0])), is_list=True)
    if get_origin(of) is model.Listed:
        item = types[_name(get_args(of)[0])]
        listed = types.setdefault(f"{item.name}List", ObjectType(f"{item.name}List"))
        if not listed.fields:
            listed.fields["nodes"] = FieldType(item, is_list=True)
            listed.fields.update({name: FieldType() for name in model.Listed.__struct_fields__ if name != "nodes"})
        return FieldType(listed)
    return FieldType(types.get(_name(of)))


def _parts(hint: Any) -> Iterable[Any]:
    """Return the alternatives of a union, else the hint alone."""
    is_union = isinstance(hint, UnionType) or (get_origin(hint) is not None and NoneType in get_args(hint))
    return get_args(hint) if is_union else [hint]


def _name(hint: Any) -> str:
    return "" if isinstance(hint, TypeVar) else getattr(hint, "__name__", "")


DOMAIN_TYPES: Mapping[str, ObjectType] = _domain_types()
"""The types of the records by their names, with their fields as Python has them."""
