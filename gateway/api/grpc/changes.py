"""Converts a change and its update mask from protobuf into the mapping of fields that the service takes."""

from collections.abc import Collection
from typing import Any

from gateway.api.grpc.enums import enum_value
from gateway.errors import BadUserInput, Rule, Violation

__all__ = ["change_of"]

_Path = tuple[str, ...]

_MAX_ITEMS = 200  # paths of a mask, items of a list: each takes time and memory
_MAX_DEPTH = 8  # names in a path; the fields of a change are nested two levels deep


def change_of(message: Any, mask: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields to change, by their names.

    A path in the mask without a value in the message is None, which clears the field. A field outside the mask is
    absent. `*` stands for all fields. An empty mask stands for the fields that have a value.

    Raises:
        BadUserInput: a path is not a field of the change, or there are too many paths or items.
    """
    if len(mask) > _MAX_ITEMS:
        raise _too_many(("update_mask",), "paths")
    if not mask:
        return _populated(message)
    paths = [tuple(path.split(".", _MAX_DEPTH)) for path in mask]  # the last name of a deeper one is unknown
    unknown: list[str] = []
    given = _masked(message, message.DESCRIPTOR, paths, unknown, ())
    if unknown:
        message = "is not a field of this change"
        raise BadUserInput.of(
            [
                Violation(("update_mask", "paths", index), message, Rule.UNKNOWN)
                for index, path in enumerate(mask)
                if path in unknown
            ]
        )
    return given


def _masked(message: Any, descriptor: Any, paths: list[_Path], unknown: list[str], parent: _Path) -> dict[str, Any]:
    """Return the fields at the paths, and add unknown paths to `unknown`.

    `message` is None where the client sent no message: then no field has a value.
    """
    if ("*",) in paths:
        paths = [*((field.name,) for field in descriptor.fields), *(path for path in paths if path != ("*",))]
    subpaths_by_name: dict[str, list[_Path]] = {}
    for name, *rest in paths:
        subpaths_by_name.setdefault(name, []).append(tuple(rest))
    given: dict[str, Any] = {}
    for name, subpaths in subpaths_by_name.items():
        field = descriptor.fields_by_name.get(name)
        nested = [path for path in subpaths if path]
        if field is None or (nested and (field.message_type is None or field.is_repeated)):
            unknown += [".".join((*parent, name, *path)) for path in subpaths if path or field is None]
            continue
        is_set = message is not None and (not field.has_presence or message.HasField(name))
        value = _value(message, field) if is_set and () in subpaths else None
        if nested:
            inner = getattr(message, name) if is_set else None
            value = (value or {}) | _masked(inner, field.message_type, nested, unknown, (*parent, name))
        given[name] = value
    return given


def _populated(message: Any) -> dict[str, Any]:
    """Return the fields of a message that have a value."""
    present = {field.name for field, _ in message.ListFields()}
    return {
        field.name: _value(message, field)
        for field in message.DESCRIPTOR.fields
        if field.name in present or _is_never_absent(field)
    }


def _is_never_absent(field: Any) -> bool:
    """Return whether the default of a field is a value, e.g. an empty file; an enum's 0 and an empty list are not."""
    return not (field.has_presence or field.is_repeated or field.enum_type)


def _value(message: Any, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        if len(value) > _MAX_ITEMS:
            raise _too_many(("change", field.name), "items")
        return [_convert(item, field) for item in value]
    return _convert(value, field)


def _convert(value: Any, field: Any) -> Any:
    if field.message_type:
        return _populated(value)
    return enum_value(field.enum_type.name, value) if field.enum_type else value


def _too_many(path: _Path, items: str) -> BadUserInput:
    return BadUserInput.at(path, f"may have {_MAX_ITEMS} {items} at most", Rule.MAX_ITEMS, max=_MAX_ITEMS)
