"""Reads messages from JSON, as protobuf's `json_format` does.

Most requests have a few texts, which are read without it: it takes a hundred times as long as orjson.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.errors import BadUserInput

__all__ = ["message_of_json"]

_Convert = Callable[[str], Any]

_MAX_COMMAS = 20_000  # in a request; `json_format` takes some 3 µs for each value, in which nothing else runs
_MAX_CACHED = 1024  # characters of a mask


def message_of_json(kind: Any, data: bytes) -> Any:
    """Return the message of a type for its JSON.

    Fields that the type does not have are ignored, as by Connect's libraries: a later client may send them.

    Raises:
        BadUserInput: it is not JSON, has a name twice or too many values, or a value does not fit its field.
    """
    if data.count(b",") > _MAX_COMMAS:
        raise BadUserInput(f"The request has too many values: its JSON may have {_MAX_COMMAS} commas at most.")
    try:
        value = orjson.loads(data)  # refuses more than `json`: other encodings, NaN, lone surrogates, deep nesting
    except orjson.JSONDecodeError as error:
        raise BadUserInput(f"The request is not JSON: {error.msg}.") from None
    if not isinstance(value, dict):  # `json_format` takes an empty list for a message without fields
        raise BadUserInput("The request is not a JSON object.")
    message = _try_plain(kind, value, data)
    if message is not None:
        return message
    try:
        return json_format.Parse(data, kind(), ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as error:
        raise BadUserInput(f"The request is not a valid message of this method: {_sentence(error)}") from None


def _try_plain(kind: Any, value: dict[str, Any], data: bytes) -> Any:
    """Return the message if all its fields are known texts, names of enums and masks; else None.

    A name that occurs twice has a second colon, so the number of colons shows that there is none. Only without escapes
    are those of the texts in the JSON, too.
    """
    if b"\\" in data:
        return None
    table = _plain_fields(kind.DESCRIPTOR)
    fields: dict[str, Any] = {}
    colons = len(value)
    for name, item in value.items():
        field = table.get(name)
        if field is None or item.__class__ is not str:
            return None
        colons += item.count(":")
        attribute, convert = field
        content = item if convert is None else convert(item)
        if content is None:
            return None
        fields[attribute] = content
    if len(fields) != len(value) or data.count(b":") != colons:
        return None
    return kind(**fields)


@cache
def _plain_fields(descriptor: Descriptor) -> dict[str, tuple[str, _Convert | None]]:
    """Return the fields whose JSON is a text, by both of their names: the attribute, and how a text is converted.

    The conversion returns None for a text that is no value of the field.
    """
    found: dict[str, tuple[str, _Convert | None]] = {}
    for field in descriptor.fields:
        if field.is_repeated:
            continue
        if field.type == FieldDescriptor.TYPE_STRING:
            found[field.name] = found[field.json_name] = field.name, None
        elif field.enum_type is not None:
            numbers = {value.name: value.number for value in field.enum_type.values}
            found[field.name] = found[field.json_name] = field.name, numbers.get
        elif field.message_type is not None and field.message_type.full_name == "google.protobuf.FieldMask":
            found[field.name] = found[field.json_name] = field.name, _mask
    return found


def _mask(text: str) -> Any:
    """Return a mask, which may be shared and must not be modified; None if the text is none."""
    return _cached_mask(text) if len(text) <= _MAX_CACHED else _mask_of(text)


def _mask_of(text: str) -> Any:
    mask = FieldMask()
    try:
        mask.FromJsonString(text)
    except ValueError:
        return None
    return mask


_cached_mask = lru_cache(256)(_mask_of)  # most clients send a few


def _sentence(error: Exception) -> str:
    """Return the text of an error as one sentence."""
    text = " ".join(str(error).split()).replace("Failed to load JSON: ", "")
    return (text or "it is nested too deeply").rstrip(".") + "."
