"""Converts a view or a read mask into how the records are read, and which fields of the message are returned."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from gateway.errors import BadUserInput, Rule, Violation
from gateway.users.paths import FieldType, ObjectType, Requested
from gateway.users.planning import Selection
from gateway.users.read_plan import MAX_PATHS, ReadPlan, View, read_plan_of, read_plan_of_view
from usergateway.v1 import users_pb2

__all__ = ["read_plan_of_department", "read_plan_of_role", "read_plan_of_user"]

_VIEWS: Mapping[int, View] = {
    users_pb2.VIEW_UNSPECIFIED: View.BASIC,
    users_pb2.VIEW_BASIC: View.BASIC,
    users_pb2.VIEW_FULL: View.FULL,
}
_DESCRIPTORS = users_pb2.DESCRIPTOR.message_types_by_name


def read_plan_of_user(view: int, mask: FieldMask) -> ReadPlan:
    """Return how to read users.

    Raises:
        BadUserInput: a path is not a field, the view does not exist, or there are both a view and a mask.
    """
    content = _content(mask)
    known = _VIEWS.get(view)
    if known is None:
        values = ("VIEW_BASIC", "VIEW_FULL")
        raise BadUserInput.at(("view",), f"must be {' or '.join(values)}", Rule.ENUM, values=values)
    if content and view:
        raise BadUserInput.at(("view",), "must not be given together with read_mask", Rule.NOT_ALLOWED)
    return _plan_for_mask("User", content) if content else read_plan_of_view("User", known)


def read_plan_of_role(mask: FieldMask) -> ReadPlan:
    """Return how to read roles; without a mask, all fields, which one call returns.

    Raises:
        BadUserInput: a path is not a field.
    """
    content = _content(mask)
    return _plan_for_mask("Role", content) if content else read_plan_of_view("Role", View.FULL)


def read_plan_of_department(mask: FieldMask) -> ReadPlan:
    """Return how to read departments; without a mask, all fields, which one call returns.

    Raises:
        BadUserInput: a path is not a field.
    """
    content = _content(mask)
    return _plan_for_mask("Department", content) if content else read_plan_of_view("Department", View.FULL)


def _content(mask: FieldMask) -> bytes:
    """Return the paths of a mask as protobuf writes them: one object in place of up to 200 texts."""
    mask.DiscardUnknownFields()
    return mask.SerializeToString()


@lru_cache(256)
def _plan_for_mask(name: str, content: bytes) -> ReadPlan:
    paths = FieldMask.FromString(content).paths
    if len(paths) > MAX_PATHS:
        raise BadUserInput.at(("read_mask",), f"may have {MAX_PATHS} paths at most", Rule.MAX_ITEMS, max=MAX_PATHS)
    requested = Requested()
    unknown = [index for index, path in enumerate(paths) if not requested.add(_MESSAGE_TYPES[name], path)]
    if unknown:
        message = f"is not a field of {name}"
        raise BadUserInput.of([Violation(("read_mask", "paths", index), message, Rule.UNKNOWN) for index in unknown])
    return read_plan_of(name, _domain_selection(_MESSAGE_TYPES[name], requested), requested.returned())


def _message_types() -> dict[str, ObjectType]:
    """Read the types of this API; the fields of any other type cannot be requested."""
    types = {name: ObjectType(name) for name in _DESCRIPTORS}
    for name, descriptor in _DESCRIPTORS.items():
        for field in descriptor.fields:
            types[name].fields[field.name] = FieldType(_type_of(field.message_type, types), field.is_repeated)
    return types


def _type_of(descriptor: Any, types: dict[str, ObjectType]) -> ObjectType | None:
    if descriptor is None or descriptor.file.name != users_pb2.DESCRIPTOR.name:
        return None
    return types.get(descriptor.name)


_MESSAGE_TYPES = _message_types()


def _domain_selection(type_: ObjectType, requested: Requested) -> Selection:
    """Return the requested fields as the domain has them: without the message around a list that may be unknown."""
    fields: dict[str, Selection] = {}
    for name, nested in requested.fields.items():
        if name == "page_info":  # the domain has its fields beside the nodes; none of them is looked up
            continue
        inner = type_.fields[name].type
        if inner is None:
            fields[name] = Selection()
        elif inner.name.endswith("List"):
            fields[name] = _domain_selection(inner, nested).fields.get("nodes", Selection())
        else:
            fields[name] = _domain_selection(inner, nested)
    return Selection(fields)
