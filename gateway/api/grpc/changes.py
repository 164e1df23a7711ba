"""A change as the .proto has it, with its update mask → the domain's mapping of given fields."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from gateway.api.grpc.enums import word
from gateway.errors import BadUserInput, Violation

__all__ = ["change_of"]

_Path = tuple[str, ...]

_MOST = 200  # paths of a mask, items of a list: strangers may send millions, each of which takes time and memory


def change_of(message: Any, mask: Iterable[str] = ()) -> dict[str, Any]:
    """The fields to alter.

    A path with no value clears (None), a field outside the mask is absent, `*` names all fields. An empty mask
    means the fields that have a value.

    Raises:
        BadUserInput: paths that name no field of the change.
    """
    paths = [tuple(path.split(".")) for path in islice(mask, _MOST + 1)]
    if not paths:
        return _populated(message)
    if len(paths) > _MOST:
        raise _too_many(("update_mask",), "paths")
    unknown: list[str] = []
    given = _named(message, message.DESCRIPTOR, paths, unknown, ())
    if unknown:
        raise BadUserInput.of(
            [Violation(("update_mask",), f"names {path!r}, which is not a field of this change") for path in unknown]
        )
    return given


def _named(message: Any, kind: Any, paths: list[_Path], unknown: list[str], above: _Path) -> dict[str, Any]:
    """`message` is None where the client sent none: then whatever is named has no value."""
    if ("*",) in paths:
        paths = [*((field.name,) for field in kind.fields), *(path for path in paths if path != ("*",))]
    below: dict[str, list[_Path]] = {}
    for head, *rest in paths:
        below.setdefault(head, []).append(tuple(rest))
    given: dict[str, Any] = {}
    for name, rests in below.items():
        field = kind.fields_by_name.get(name)
        deeper = [rest for rest in rests if rest]
        if field is None or (deeper and (field.message_type is None or field.is_repeated)):
            unknown += [".".join((*above, name, *rest)) for rest in rests if rest or field is None]
            continue
        sent = message is not None and (not field.has_presence or message.HasField(name))
        value = _value(message, field) if sent and () in rests else None
        if deeper:
            inner = getattr(message, name) if sent else None
            value = (value or {}) | _named(inner, field.message_type, deeper, unknown, (*above, name))
        given[name] = value
    return given


def _populated(message: Any) -> dict[str, Any]:
    present = {field.name for field, _ in message.ListFields()}
    return {
        field.name: _value(message, field)
        for field in message.DESCRIPTOR.fields
        if field.name in present or _is_always_there(field)
    }


def _is_always_there(field: Any) -> bool:
    """A value that is told apart from none by nothing, e.g. an empty file; an enum's 0 and an empty list are none."""
    return not (field.has_presence or field.is_repeated or field.enum_type)


def _value(message: Any, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        if len(value) > _MOST:
            raise _too_many(("change", field.name), "items")
        return [_plain(one, field) for one in value]
    return _plain(value, field)


def _plain(value: Any, field: Any) -> Any:
    if field.message_type:
        return _populated(value)
    return word(field.enum_type.name, value) if field.enum_type else value


def _too_many(path: _Path, what: str) -> BadUserInput:
    return BadUserInput.at(path, f"may have {_MOST} {what} at most")
