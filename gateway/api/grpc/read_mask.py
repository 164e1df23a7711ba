"""Converts a view or a read mask into what sources are called for, what is looked up, and what is returned."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gateway.errors import BadUserInput, Rule, Violation
from gateway.users.planning import EXPANSIONS, REFERENCES, Plan, Selection, plan
from usergateway.v1 import users_pb2

__all__ = ["ReadPlan", "read_plan_of_department", "read_plan_of_role", "read_plan_of_user", "record_type"]

_MAX_PATHS = 200
_MAX_DEPTH = 16  # names in a path: types contain each other, and each level may cost a lookup
_VIEWS = frozenset(users_pb2.View.values())
_TYPES = users_pb2.DESCRIPTOR.message_types_by_name
_EXPANDED_IN_USER = frozenset({"Role", "Department", "Organization"})


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How to read a record.

    `plan` has the needs of the calls to sources, `lookups` the fields to look up; both use the names of the domain.
    `type_name` is the type of the record. `only` has the fields of the message to return; None stands for all that are
    present.
    """

    plan: Plan
    lookups: Selection
    type_name: str
    only: Selection | None = None


@dataclass(slots=True)
class _Requested:
    """The requested fields of a message. `whole`: all fields that are present, and in `fields` those to look up."""

    whole: bool = False
    fields: "dict[str, _Requested]" = field(default_factory=dict)


def read_plan_of_user(view: int, mask: Collection[str]) -> ReadPlan:
    """Return how to read users.

    Raises:
        BadUserInput: a path is not a field, the view does not exist, or there are both a view and a mask.
    """
    paths = _paths(mask)
    if view not in _VIEWS:
        values = ("VIEW_BASIC", "VIEW_FULL")
        raise BadUserInput.at(("view",), f"must be {' or '.join(values)}", Rule.ENUM, values=values)
    if paths and view:
        raise BadUserInput.at(("view",), "must not be given together with read_mask", Rule.NOT_ALLOWED)
    return _plan_for_mask("User", paths) if paths else _plan_for_view("User", full=view == users_pb2.VIEW_FULL)


def read_plan_of_role(mask: Collection[str]) -> ReadPlan:
    """Return how to read roles; without a mask, all fields, which one call returns.

    Raises:
        BadUserInput: a path is not a field.
    """
    paths = _paths(mask)
    return _plan_for_mask("Role", paths) if paths else _plan_for_view("Role", full=True)


def read_plan_of_department(mask: Collection[str]) -> ReadPlan:
    """Return how to read departments; without a mask, all fields, which one call returns.

    Raises:
        BadUserInput: a path is not a field.
    """
    paths = _paths(mask)
    return _plan_for_mask("Department", paths) if paths else _plan_for_view("Department", full=True)


def _paths(mask: Collection[str]) -> tuple[str, ...]:
    if len(mask) > _MAX_PATHS:
        raise BadUserInput.at(("read_mask",), f"may have {_MAX_PATHS} paths at most", Rule.MAX_ITEMS, max=_MAX_PATHS)
    return tuple(mask)


@lru_cache(16)
def _plan_for_view(name: str, *, full: bool) -> ReadPlan:
    requested = _Requested()
    for path in ["*"] if full else _TYPES[name].fields_by_name:
        _add_path(_TYPES[name], path, requested)
    selection = _domain_selection(_TYPES[name], requested)
    return ReadPlan(plan(selection, name), _lookups(name, selection), name)


@lru_cache(256)
def _plan_for_mask(name: str, paths: tuple[str, ...]) -> ReadPlan:
    requested = _Requested()
    unknown = [index for index, path in enumerate(paths) if not _add_path(_TYPES[name], path, requested)]
    if unknown:
        message = f"is not a field of {name}"
        raise BadUserInput.of([Violation(("read_mask", "paths", index), message, Rule.UNKNOWN) for index in unknown])
    selection = _domain_selection(_TYPES[name], requested)
    return ReadPlan(plan(selection, name), _lookups(name, selection), name, _message_selection(requested))


def _add_path(message_type: Any, path: str, requested: _Requested) -> bool:
    """Add the field at a path to the requested ones; return whether there is such a field.

    A `*` may stand for the items of a list (AIP-161): `accounts.nodes.*.name` is `accounts.nodes.name`.
    """
    names = path.split(".", _MAX_DEPTH)
    if len(names) > _MAX_DEPTH:
        return False
    while names:
        name = names.pop(0)
        if name == "*" and not names and message_type is not None:
            _add_all(message_type, requested)
            return True
        descriptor = message_type.fields_by_name.get(name) if message_type is not None else None
        if descriptor is None:
            return False
        message_type = _api_type(descriptor.message_type)
        if descriptor.is_repeated and names[:1] == ["*"]:
            names.pop(0)
        requested = requested.fields.setdefault(name, _Requested())
    requested.whole = True
    if message_type is not None and message_type.name == "RoleOwner":
        _add_all(message_type, requested)  # its account is a separate need
    return True


def _add_all(message_type: Any, requested: _Requested) -> None:
    """Add all fields of a type; for a user, also all fields of its role, department and organization."""
    for descriptor in message_type.fields:
        is_expanded = (
            message_type.name == "User"
            and descriptor.message_type
            and descriptor.message_type.name in _EXPANDED_IN_USER
        )
        _add_path(message_type, f"{descriptor.name}.*" if is_expanded else descriptor.name, requested)


def _api_type(message_type: Any) -> Any:
    """Return a type of this API, and None for any other, whose fields cannot be requested."""
    if message_type is None or message_type.name not in _TYPES:
        return None
    return message_type if message_type.file.name == users_pb2.DESCRIPTOR.name else None


def _message_selection(requested: _Requested) -> Selection:
    return Selection(
        {name: Selection() if nested.whole else _message_selection(nested) for name, nested in requested.fields.items()}
    )


def _domain_selection(message_type: Any, requested: _Requested) -> Selection:
    """Return the requested fields as the domain has them: without the message around a list that may be unknown."""
    fields: dict[str, Selection] = {}
    for name, nested in requested.fields.items():
        inner = _api_type(message_type.fields_by_name[name].message_type)
        if inner is None:
            fields[name] = Selection()
        elif inner.name.endswith("List"):
            fields[name] = _domain_selection(inner, nested).fields.get("nodes", Selection())
        else:
            fields[name] = _domain_selection(inner, nested)
    return Selection(fields)


def _lookups(name: str, selection: Selection) -> Selection:
    """Return the part of a selection of the domain that leads to lookups, for the type of that name."""
    fields: dict[str, Selection] = {}
    for field_name, nested in selection.fields.items():
        inner = record_type(name, field_name)
        lookups = _lookups(inner, nested) if inner else Selection()
        is_reference = field_name in REFERENCES.get(name, ()) and nested.fields
        if lookups.fields or is_reference or field_name in EXPANSIONS.get(name, ()):
            fields[field_name] = lookups
    return Selection(fields)


def record_type(name: str, field_name: str) -> str | None:
    """Return the type of the records in a field of a type, or that of a list inside it; None if it has no records."""
    inner = _api_type(_TYPES[name].fields_by_name[field_name].message_type)
    if inner is not None and inner.name.endswith("List"):
        inner = _api_type(inner.fields_by_name["nodes"].message_type)
    return None if inner is None else str(inner.name)
