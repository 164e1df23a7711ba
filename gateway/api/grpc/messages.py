"""A record of the domain → its message. What is None, or was not brought along, stays unset."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from google.protobuf import struct_pb2

from gateway.api.grpc.enums import NUMBERS
from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.users.ids import encode, ref_of
from gateway.users.planning import EXPANSIONS, Selection

__all__ = ["message_of", "source_error"]

_Make = Callable[[Any, Selection | None], Any]


def message_of(record: Any, only: Selection | None = None) -> Any:
    """The message for a record; with `only`, those of its fields."""
    name = type(record).__name__
    message: Any = getattr(users_pb2, name)
    return message(**_writer(name)(record, only))


def source_error(unavailable: Any) -> users_pb2.SourceError:
    """A source that could not be asked."""
    number: Any = NUMBERS["UserSource"][unavailable.source]
    return users_pb2.SourceError(
        source=number,
        code=str(unavailable.code),
        message=unavailable.message,
        retry_after=unavailable.retry_after,
    )


class _Writer:
    """Writes one type: a message's fields have the names of the record's attributes.

    What is inside is given as fields too, not as messages: those would be made twice, as a message copies them.
    """

    def __init__(self, name: str) -> None:
        kind = users_pb2.DESCRIPTOR.message_types_by_name[name]
        self._expansions = EXPANSIONS.get(name, frozenset())
        self._made: dict[str, _Make] = {}
        plain = []
        for field in kind.fields:
            if field.name == "id":
                continue
            if make := _make(field):
                self._made[field.name] = make
            else:
                plain.append(field.name)
        self._plain = tuple(plain)
        self._get = attrgetter(*plain) if len(plain) > 1 else lambda record: (getattr(record, plain[0]),)
        self._has_id = "id" in kind.fields_by_name

    def __call__(self, record: Any, only: Selection | None = None) -> dict[str, Any]:
        if only is not None and only.fields:
            return self._some(record, only.fields)
        given = dict(zip(self._plain, self._get(record), strict=True)) if self._plain else {}
        if self._has_id:
            given["id"] = encode(ref_of(record))
        for name, make in self._made.items():
            value = getattr(record, name)
            if value is not None and (name not in self._expansions or name in record.loaded):
                given[name] = make(value, None)
        return given

    def _some(self, record: Any, only: Mapping[str, Selection]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, below in only.items():
            if name == "id":
                given[name] = encode(ref_of(record))
                continue
            value = getattr(record, name)
            if value is not None and (name not in self._expansions or name in record.loaded):
                make = self._made.get(name)
                given[name] = make(value, below) if make else value
        return given


_WRITERS: dict[str, _Writer] = {}


def _writer(name: str) -> _Writer:
    # Made when first needed: types contain one another.
    found = _WRITERS.get(name)
    if found is None:
        found = _WRITERS[name] = _Writer(name)
    return found


def _make(field: Any) -> _Make | None:
    """How to make a field's value; None where it is taken as it is."""
    if field.enum_type:
        numbers = NUMBERS[field.enum_type.name]
        return lambda value, _: numbers[value]
    kind = field.message_type
    if kind is None:
        return None
    if kind.full_name == "google.protobuf.Value":
        return lambda value, _: _json(value)
    if kind.name.endswith("Connection"):
        return _connection(kind)
    if kind.name.endswith("List"):
        return _list(kind)
    name = kind.name  # its writer is looked up when it is used: types contain one another
    return lambda value, only: _writer(name)(value, only)  # noqa: PLW0108 - looked up late: messages hold one another


def _list(kind: Any) -> _Make:
    """A list that may be unknown, in a message of its own."""
    inner = kind.fields_by_name["nodes"].message_type

    def make(value: Any, only: Selection | None) -> Any:
        below = only and only.fields.get("nodes")
        return {"nodes": [_writer(inner.name)(one, below) for one in value] if inner else value}

    return make


def _connection(kind: Any) -> _Make:
    """A list that arrived inside an object, and where it stands."""
    inner = kind.fields_by_name["nodes"].message_type.name

    def make(value: Any, only: Selection | None) -> Any:
        wanted = only.fields if only is not None and only.fields else {"nodes": None, "page_info": None}
        given: dict[str, Any] = {}
        if "nodes" in wanted:
            given["nodes"] = [_writer(inner)(one, wanted["nodes"]) for one in value.nodes]
        if "page_info" in wanted:
            given["page_info"] = {
                "has_next_page": value.has_next_page,
                "has_previous_page": value.has_previous_page,
            }
        return given

    return make


def _json(value: Any) -> struct_pb2.Value:
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, Mapping):
        fields = {str(name): _json(one) for name, one in value.items()}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if isinstance(value, list | tuple):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_json(one) for one in value]))
    return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
