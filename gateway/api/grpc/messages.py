"""Converts records of the domain into messages. A field that is None or was not loaded stays unset."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from google.protobuf import struct_pb2

from gateway.api.grpc.enums import NUMBERS
from gateway.users.ids import encode, ref_of
from gateway.users.model import Identified
from gateway.users.planning import EXPANSIONS, Selection
from gateway.users.stale_data import StaleData
from usergateway.v1 import users_pb2

__all__ = ["Messages", "source_error", "stale_message"]

_Convert = Callable[[Any, Selection | None], Any]
_PICTURE = "image_url"


class Messages:
    """Makes the messages of records; `picture_url` returns the URL of the picture of a record."""

    def __init__(self, picture_url: Callable[[Any], str | None]) -> None:
        self.picture_url = picture_url
        self._converters: dict[str, _Converter] = {}

    def of(self, record: Any, only: Selection | None = None) -> Any:
        """Return the message of a record; with `only`, just these fields of it."""
        name = type(record).__name__
        message: Any = getattr(users_pb2, name)
        return message(**self.converter(name)(record, only))

    def converter(self, name: str) -> "_Converter":
        """Return the converter of a type; it is created on first use, since types contain each other."""
        found = self._converters.get(name)
        if found is None:
            found = self._converters[name] = _Converter(name, self)
        return found


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


class _Converter:
    """Converts the records of one type into the fields of its message, which have the names of the attributes.

    Nested records become mappings of fields as well: a message would be copied into the outer one.
    """

    def __init__(self, name: str, messages: Messages) -> None:
        descriptor = users_pb2.DESCRIPTOR.message_types_by_name[name]
        self._expansions = EXPANSIONS.get(name, frozenset())
        self._converted: dict[str, _Convert] = {}
        plain = []
        for field in descriptor.fields:
            if field.name in {"id", _PICTURE}:
                continue
            if convert := _conversion(field, messages):
                self._converted[field.name] = convert
            else:
                plain.append(field.name)
        self._plain = tuple(plain)
        self._get = attrgetter(*plain) if len(plain) > 1 else lambda record: (getattr(record, plain[0]),)
        self._has_id = "id" in descriptor.fields_by_name
        self._has_picture = _PICTURE in descriptor.fields_by_name
        self._picture_url = messages.picture_url

    def __call__(self, record: Any, only: Selection | None = None) -> dict[str, Any]:
        if only is not None and only.fields:
            return self._selected(record, only.fields)
        fields = dict(zip(self._plain, self._get(record), strict=True)) if self._plain else {}
        if self._has_id:
            fields["id"] = _global_id(record)
        if self._has_picture:
            fields[_PICTURE] = self._picture_url(record)
        for name, convert in self._converted.items():
            value = getattr(record, name)
            if value is not None and (name not in self._expansions or name in record.loaded):
                fields[name] = convert(value, None)
        return fields

    def _selected(self, record: Any, only: Mapping[str, Selection]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for name, selection in only.items():
            if name == "id":
                fields[name] = _global_id(record)
                continue
            if name == _PICTURE:
                fields[name] = self._picture_url(record)
                continue
            value = getattr(record, name)
            if value is not None and (name not in self._expansions or name in record.loaded):
                convert = self._converted.get(name)
                fields[name] = convert(value, selection) if convert else value
        return fields


def _conversion(field: Any, messages: Messages) -> _Convert | None:
    """Return the function that converts the values of a field; None where they need no conversion."""
    if field.enum_type:
        numbers = NUMBERS[field.enum_type.name]
        return lambda value, _: numbers[value]
    descriptor = field.message_type
    if descriptor is None:
        return None
    if descriptor.full_name == "google.protobuf.Value":
        return lambda value, _: _json(value)
    if descriptor.name.endswith("Connection"):
        return _connection(descriptor, messages)
    if descriptor.name.endswith("List"):
        return _list(descriptor, messages)
    name = descriptor.name
    return lambda value, only: messages.converter(name)(value, only)  # noqa: PLW0108 - not before use, as stated there


def _global_id(record: Identified) -> str:
    """Return the global id, empty if the source sent the record without an id: several records would have the same."""
    ref = ref_of(record)
    return encode(ref) if ref.source_id else ""


def _list(descriptor: Any, messages: Messages) -> _Convert:
    """Return the conversion of a list that may be unknown, whose message has the items in `nodes`."""
    inner = descriptor.fields_by_name["nodes"].message_type

    def convert(value: Any, only: Selection | None) -> Any:
        selection = only and only.fields.get("nodes")
        return {"nodes": [messages.converter(inner.name)(item, selection) for item in value] if inner else value}

    return convert


def _connection(descriptor: Any, messages: Messages) -> _Convert:
    """Return the conversion of a list inside a record, with its page info."""
    inner = descriptor.fields_by_name["nodes"].message_type.name

    def convert(value: Any, only: Selection | None) -> Any:
        selected = only.fields if only is not None and only.fields else {"nodes": None, "page_info": None}
        fields: dict[str, Any] = {}
        if "nodes" in selected:
            convert_item = messages.converter(inner)
            fields["nodes"] = [convert_item(item, selected["nodes"]) for item in value.nodes]
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
