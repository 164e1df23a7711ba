"""Converts records of the domain into messages. A field that is None or was not loaded stays unset."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from google.protobuf import struct_pb2

from gateway.api.grpc.enums import NUMBERS
from gateway.users.ids import encode, ref_of
from gateway.users.kept.stale_data import StaleData
from gateway.users.model import Identified
from gateway.users.planning import EXPANSIONS, Selection
from usergateway.v1 import users_pb2

__all__ = ["Messages", "source_error", "stale_message"]

_Convert = Callable[[Any], Any]
_MAX_MASKS = 256  # as many as there are plans of them (`read_mask.py`)


class _Maker(msgspec.Struct, frozen=True, eq=False):
    """How the messages of one type of record are made with the fields of `only`."""

    only: Selection | None
    message: Any
    fields: _Convert


class Messages:
    """Makes the messages of records; `picture_url` returns the URL of the picture of a record."""

    def __init__(self, picture_url: Callable[[Any], str | None]) -> None:
        self.of_record: Mapping[str, _Convert] = {"id": _global_id, "image_url": picture_url}
        self._converters: dict[str, _Convert] = {}
        self._makers: dict[tuple[type, int], _Maker] = {}

    def of(self, record: Any, only: Selection | None = None) -> Any:
        """Return the message of a record; with `only`, just these fields of it."""
        key = type(record), id(only)  # calls with one mask have one object, which stays the same as long as it is kept
        maker = self._makers.get(key)
        if maker is None:
            name = key[0].__name__
            maker = _Maker(only, getattr(users_pb2, name), self.converter(name, only))
            if len(self._makers) >= _MAX_MASKS:
                self._makers.clear()
            self._makers[key] = maker
        return maker.message(**maker.fields(record))

    def converter(self, name: str, only: Selection | None = None) -> _Convert:
        """Return the function that converts the records of a type into the fields of its message."""
        if only is not None and only.fields:
            return _converter(name, only.fields, self)
        found = self._converters.get(name)
        if found is None:
            found = self._converters[name] = _converter(name, None, self)
        return found

    def nested_converter(self, name: str, only: Selection | None) -> _Convert:
        """Return the same for records inside others.

        With all fields it is created on first use, since types contain each other.
        """
        if only is not None and only.fields:
            return _converter(name, only.fields, self)
        return lambda record: self.converter(name)(record)  # noqa: PLW0108 - not before use, as stated above


def source_error(unavailable: Any) -> users_pb2.SourceError:
    """Return the message of a source that failed during the read of a list."""
    number: Any = NUMBERS["UserSource"][unavailable.source]
    return users_pb2.SourceError(
        source=number,
        code=str(unavailable.code),
        message=unavailable.message,
        retry_after=unavailable.retry_after,
        as_of=unavailable.as_of,
    )


def stale_message(stale: StaleData) -> users_pb2.StaleData:
    """Return the message of what was given past its lifetime."""
    number: Any = NUMBERS["UserSource"][stale.source]
    return users_pb2.StaleData(source=number, id=stale.id or "", age=round(stale.age, 3), reason=str(stale.reason))


def _converter(name: str, only: Mapping[str, Selection] | None, messages: Messages) -> _Convert:
    """Return the function that converts the records of one type into the fields of its message; `only`: into these.

    The fields have the names of the attributes. Nested records become mappings of fields as well: a message would be
    copied into the outer one.
    """
    descriptor = users_pb2.DESCRIPTOR.message_types_by_name[name]
    expansions = EXPANSIONS.get(name, frozenset())
    fields = {field.name: field for field in descriptor.fields if only is None or field.name in only}
    of_record = [(name, convert) for name, convert in messages.of_record.items() if fields.pop(name, None)]
    conversions = {
        name: _conversion(field, None if only is None else only[name], messages) for name, field in fields.items()
    }
    plain = [name for name, convert in conversions.items() if convert is None]
    converted = [(name, convert, name in expansions) for name, convert in conversions.items() if convert is not None]

    def fields_of(record: Any) -> dict[str, Any]:
        found = {}
        for field in plain:
            found[field] = getattr(record, field)
        for field, convert in of_record:
            found[field] = convert(record)
        for field, convert, is_expansion in converted:
            value = getattr(record, field)
            if value is not None and (not is_expansion or field in record.loaded):
                found[field] = convert(value)
        return found

    return fields_of


def _conversion(field: Any, only: Selection | None, messages: Messages) -> _Convert | None:
    """Return the function that converts the values of a field; None where they need no conversion."""
    if field.enum_type:
        return NUMBERS[field.enum_type.name].__getitem__
    descriptor = field.message_type
    if descriptor is None:
        return None
    if descriptor.full_name == "google.protobuf.Value":
        return _json
    if descriptor.name.endswith("Connection"):
        return _connection(descriptor, only, messages)
    if descriptor.name.endswith("List"):
        return _list(descriptor, only, messages)
    return messages.nested_converter(descriptor.name, only)


def _global_id(record: Identified) -> str:
    """Return the global id, empty if the source sent the record without an id: several records would have the same."""
    ref = ref_of(record)
    return encode(ref) if ref.source_id else ""


def _list(descriptor: Any, only: Selection | None, messages: Messages) -> _Convert:
    """Return the conversion of a list that may be unknown, whose message has the items in `nodes`."""
    inner = descriptor.fields_by_name["nodes"].message_type
    if inner is None:
        return lambda value: {"nodes": value}
    convert = messages.nested_converter(inner.name, None if only is None else only.fields.get("nodes"))
    return lambda value: {"nodes": [convert(item) for item in value]}


def _connection(descriptor: Any, only: Selection | None, messages: Messages) -> _Convert:
    """Return the conversion of a list inside a record, with its page info."""
    inner = descriptor.fields_by_name["nodes"].message_type.name
    selected = only.fields if only is not None and only.fields else {"nodes": None, "page_info": None}
    convert_item = messages.nested_converter(inner, selected.get("nodes"))

    def convert(value: Any) -> Any:
        fields: dict[str, Any] = {}
        if "nodes" in selected:
            fields["nodes"] = [convert_item(item) for item in value.nodes]
        if "page_info" in selected:
            fields["page_info"] = {
                "has_next_page": value.has_next_page,
                "has_previous_page": value.has_previous_page,
                "next_cursor": value.next_cursor,
                "previous_cursor": value.previous_cursor,
            }
        return fields

    return convert


def _json(value: Any) -> struct_pb2.Value:
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, Mapping):
        fields = {str(name): _json(item) for name, item in value.items()}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if isinstance(value, list | tuple):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_json(item) for item in value]))
    return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
