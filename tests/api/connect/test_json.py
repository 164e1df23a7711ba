"""The JSON of messages is that of protobuf's `json_format`, in both directions."""

import json
import math
import random
from typing import Any

import orjson
import pytest
from google.protobuf import json_format, struct_pb2
from google.protobuf.descriptor import FieldDescriptor

from gateway.api.connect import json_reader
from gateway.api.connect.json_reader import message_of_json
from gateway.api.connect.json_writer import json_bytes, json_value
from gateway.errors import BadUserInput
from usergateway.v1 import users_pb2

TYPES = {name: getattr(users_pb2, name) for name in users_pb2.DESCRIPTOR.message_types_by_name}
TEXTS = ["", "Ada", "Ångström 漢 😀", 'a "quoted" \\ text', "\x00\x1f\x7f", "a:b", "  "]
REQUEST = users_pb2.ListUsersRequest
SEED = 20_261_129


def random_message(kind: Any, chance: random.Random, depth: int = 4) -> Any:
    """Return a message with random fields, also such as records never have."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if chance.random() < 0.4 or (field.message_type is not None and depth == 0):
            continue
        count = chance.randrange(3) if field.is_repeated else 1
        for _ in range(count):
            _set(message, field, chance, depth)
    return message


def _set(message: Any, field: Any, chance: random.Random, depth: int) -> None:
    if field.message_type is not None:
        inner = getattr(message, field.name)
        (inner.add() if field.is_repeated else inner).CopyFrom(_inner(field.message_type, chance, depth))
        return
    value = _scalar(field, chance)
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def _inner(descriptor: Any, chance: random.Random, depth: int) -> Any:
    kind = descriptor._concrete_class
    if descriptor.full_name == "google.protobuf.Value":
        return json_format.ParseDict(_json(chance, depth), struct_pb2.Value())
    if descriptor.full_name == "google.protobuf.FieldMask":
        return kind(paths=chance.sample(["name", "role.owner", "address.address_line1", "*"], 2))
    if descriptor.full_name == "google.rpc.Status":
        return kind(code=chance.randrange(17), message=chance.choice(TEXTS))
    return random_message(kind, chance, depth - 1)


def _scalar(field: Any, chance: random.Random) -> Any:
    if field.enum_type is not None:
        return chance.choice([*field.enum_type.values_by_number, 99])
    if field.type == FieldDescriptor.TYPE_STRING:
        return chance.choice(TEXTS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return chance.randbytes(chance.randrange(6))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return chance.random() < 0.5
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return chance.choice([0.0, 1.0, -2.5, 0.1, 1e300, math.inf, -math.inf, math.nan])
    return chance.choice([0, 1, -1, 2**31 - 1, -(2**31)])


def _json(chance: random.Random, depth: int) -> Any:
    kinds = 4 if depth == 0 else 6
    match chance.randrange(kinds):
        case 0:
            return None
        case 1:
            return chance.random() < 0.5
        case 2:
            return chance.choice([0, 1.5, -3, 1e20])
        case 3:
            return chance.choice(TEXTS)
        case 4:
            return [_json(chance, depth - 1) for _ in range(chance.randrange(3))]
        case _:
            return {chance.choice(TEXTS): _json(chance, depth - 1) for _ in range(chance.randrange(3))}


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_messages_are_written_as_json_format_writes_them(kind: Any) -> None:
    """Random messages of each type have the same JSON, with the fields in the same order."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    for _ in range(6):
        message = random_message(kind, chance)
        expected = json_format.MessageToJson(message, indent=None, ensure_ascii=False)
        written = json_value(message)
        assert json.dumps(written, ensure_ascii=False) == expected
        assert json.loads(json_bytes(message)) == json.loads(expected)


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_messages_are_read_as_json_format_reads_them(kind: Any) -> None:
    """The JSON of random messages is read as the same message, with both names of each field."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    for _ in range(2):
        message = random_message(kind, chance, 2)
        for proto_names in (False, True):
            text = json_format.MessageToJson(message, indent=None, preserving_proto_field_name=proto_names)
            expected = json_format.Parse(text, kind())
            assert message_of_json(kind, text.encode()).SerializeToString(deterministic=True) == (
                expected.SerializeToString(deterministic=True)
            )


@pytest.mark.parametrize(
    "text",
    [
        *('{"pageSize": 5}', '{"page_size": "5"}', '{"pageSize": 5.0}', '{"pageSize": 1e1}', '{"pageSize": 5.5}'),
        *('{"pageSize": 2147483648}', '{"pageSize": true}', '{"pageSize": null}', '{"pageSize": ""}'),
        *('{"view": "VIEW_FULL"}', '{"view": 2}', '{"view": 77}', '{"view": "FULL"}', '{"view": "2"}'),
        *('{"view": null}', '{"pageToken": "a:b"}', '{"pageToken": 1}', '{"pageToken": null}', '{"pageToken": []}'),
        *('{"pageToken": "a", "page_token": "b"}', '{"pageToken": "a", "pageToken": "b"}'),
        *('{"pageToken": "a", "pageToken": "\\u003a"}', '{"pageToken": "\\u003a"}', '{"pageToken": "\\n:"}'),
        *('{"readMask": "name,role.createdAt"}', '{"readMask": "role.created_at"}', '{"readMask": ""}'),
        *('{"readMask": {"paths": ["name"]}}', '{"readMask": "role.*,*"}', '{"readMask": ["name"]}'),
        *('{"filter": {}}', '{"filter": null}', '{"filter": {"sources": ["USER_SOURCE_ACCOUNT", 2]}}'),
        *('{"filter": {"sources": "USER_SOURCE_ACCOUNT"}}', '{"filter": {"search": "", "includeRemoved": true}}'),
        *('{"filter": {"includeRemoved": "true"}}', '{"filter": {"sources": [null]}}', '{"filter": []}'),
        *('{"unknown": 1}', '{"unknown": {"pageToken": "a"}, "pageToken": "b"}', '{"filter": {"x": [1]}}'),
        *("{}", "null", "1", " {} "),
    ],
)
def test_what_clients_may_send(text: str) -> None:
    """JSON in other forms is accepted and refused as by `json_format`, which ignores fields that it does not know."""
    try:
        expected = json_format.Parse(text, REQUEST(), ignore_unknown_fields=True)
    except json_format.ParseError:
        with pytest.raises(BadUserInput):
            message_of_json(REQUEST, text.encode())
    else:
        assert message_of_json(REQUEST, text.encode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"\xff", b'{"pageToken": "\xff"}', b'{"pageToken": "\\ud800"}', b"[" * 5_000),
        *(b'{"pageSize": NaN}', b'{"pageSize": ' + b"9" * 5_000 + b"}", b"\xef\xbb\xbf{}"),
        *(b"[]", b"null", b'"a"'),  # `json_format` takes the first and the last for messages without fields
    ],
)
def test_what_is_no_json(body: bytes) -> None:
    """A text that is not JSON, no object, or nested too deeply, is refused."""
    with pytest.raises(BadUserInput, match=r"^The request is not .*[^.]\.$"):
        message_of_json(REQUEST, body)


def test_a_deep_value_of_an_unknown_field() -> None:
    """A field that is not known is ignored, however deep it is; what no parser may get is refused."""
    for depth in (900, 1_000, 1_100):
        body = b'{"a":' * depth + b"1" + b"}" * depth
        try:
            assert message_of_json(REQUEST, body) == REQUEST()
        except BadUserInput:
            assert depth > 900


def test_bytes_in_a_change() -> None:
    """The bytes of an icon are base64, of either alphabet."""
    for text in ("+/8=", "-_8", "-_8="):
        data = orjson.dumps({"id": "x", "user": {"icon": {"content": text}}})
        assert message_of_json(users_pb2.UpdateSoftwareOneUserRequest, data).user.icon.content == b"\xfb\xff"


@pytest.mark.parametrize("name", ["ids", "sources", "unknown"])
def test_json_with_more_values_than_a_request_needs_is_refused_before_it_is_parsed(name: str) -> None:
    """`json_format` takes a second for a request of the largest size, in which the process does nothing else."""
    content = json.dumps({name: [1] * 20_002}).encode()
    with pytest.raises(BadUserInput, match="too many values"):
        message_of_json(users_pb2.WatchUsersRequest, content)


def test_no_long_mask_is_kept_in_memory() -> None:
    """A mask takes ten times as much memory as its text, and a client may send another one with each request."""
    before = json_reader._cached_mask.cache_info().currsize
    content = json.dumps({"id": "1", "readMask": ",".join(["name"] * 1_000)}).encode()
    message = message_of_json(users_pb2.GetUserRequest, content)
    assert list(message.read_mask.paths) == ["name"] * 1_000
    assert json_reader._cached_mask.cache_info().currsize == before
