"""No value that a client sent is in an error or in the log: one marker in each input of every surface, in turn."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import graphql
import grpc
import pytest
from aiohttp import ClientSession, FormData, WSMsgType
from google.protobuf.descriptor import FieldDescriptor
from graphql import GraphQLSchema, get_named_type, is_input_object_type
from security.outside import Keys, RecordedProcess, Serve

from gateway.api.graphql.schema.build import build_schema, executable
from gateway.api.grpc.watching import RESUME_TOKEN
from usergateway.v1 import users_pb2

MARKER = "Marker4711 in a value"
SCHEMA: GraphQLSchema = executable(build_schema())
METHODS = users_pb2.DESCRIPTOR.services_by_name["UserService"].methods
WRONG: list[Any] = [MARKER, [MARKER], {"a": MARKER}, [[{"a": [MARKER]}]]]
HEADERS = {"GraphQL-Require-Preflight": "1"}


@pytest.fixture(scope="module", params=["development", "production"])
def running(
    request: pytest.FixtureRequest, serve: Serve, second_sandbox: dict[str, str], production_settings: dict[str, str]
) -> Iterator[RecordedProcess]:
    """A gateway in front of a sandbox that may be changed, with a log of everything; at last the log is searched."""
    more = production_settings | {"GATEWAY_LOG_FORMAT": "json"} if request.param == "production" else {}
    with serve(**second_sandbox, **more, GATEWAY_LOG_LEVEL="DEBUG") as running:
        yield running
    assert MARKER not in running.output
    assert "defect" not in running.output
    if request.param == "production":
        assert {record["surface"] for record in running.records if record["logger"] == "gateway.access"} == {
            "http",
            "websocket",
            "grpc",
        }


@pytest.fixture
def headers(keys: Keys) -> dict[str, str]:
    return HEADERS | {"X-API-Key": keys.by_name["all"]}


def fields() -> Iterator[tuple[str, str, Any]]:
    """Each root field with its operation type."""
    for operation in ("query", "mutation", "subscription"):
        root = getattr(SCHEMA, f"{operation}_type")
        yield from ((operation, name, field) for name, field in root.fields.items())


def values_of(type_: Any) -> Iterator[Any]:
    """Values for an input of that type with the marker in it, at each position where there may be a value."""
    yield from WRONG
    named = get_named_type(type_)
    if is_input_object_type(named):
        yield from ({name: value} for name, field in named.fields.items() for value in values_of(field.type))
        yield from ({"mistaken": value} for value in WRONG)
        if "username" in named.fields:
            yield {"username": "abc", "passwort": MARKER}
            yield {"username": MARKER, "password": f"Aa1!{MARKER}"}
    yield [{"mistaken": MARKER}]


def literal(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {literal(item)}' for name, item in value.items())}}}"
    return f"[{', '.join(map(literal, value))}]" if isinstance(value, list) else json.dumps(value)


def others(field: Any, but: str) -> str:
    """Values for the other arguments that a field requires."""
    known = {"id": '"x"', "ids": '["x"]', "email": '"a@b.example"', "input": "{}"}
    required = (name for name, argument in field.args.items() if graphql.is_required_argument(argument) and name != but)
    return "".join(f", {name}: {known[name]}" for name in required)


def operations() -> Iterator[dict[str, Any]]:
    """Operations with the marker in one argument: as a variable, inside one, and as a literal."""
    for operation, name, field in fields():
        selection = " { __typename }" if graphql.is_composite_type(get_named_type(field.type)) else ""
        for argument, definition in field.args.items():
            call = f"{name}({argument}: %s{others(field, argument)}){selection}"
            declared = f"{operation} ($v: {definition.type}) {{ {call % '$v'} }}"
            for value in values_of(definition.type):
                yield {"query": declared, "variables": {"v": value}}
                yield {"query": f"{operation} {{ {call % literal(value)} }}"}
            yield {"query": declared.replace(")", f' = "{MARKER}")', 1), "variables": {}}


def documents() -> Iterator[str]:
    """Documents with a mistake around the marker."""
    quoted = f'"{MARKER}"'
    ends = (f"{quoted} {quoted}", f'"a{quoted}a"', f"{quoted}: 1", f"{{{quoted}: 1}}", f'"""{MARKER}', f"[{quoted}")
    for rest in ends:
        yield f"{{ user(id: {rest}) {{ id }} }}"
    yield f"{quoted} {{ __typename }}"
    yield f"{{ __typename }} {quoted}"
    yield f"{{ __typename @skip(if: {quoted}) }}"
    yield f"{{ __typename ... @defer(label: {quoted}, if: {quoted}) {{ __typename }} }}"
    yield f"{{ a: user(id: {quoted}) {{ id }} a: user(id: 1) {{ id }} }}"
    yield f'{{ user(id: "\\u{MARKER}") {{ id }} }}'


def bodies() -> Iterator[Any]:
    """Requests, of which some are not of GraphQL, with the marker."""
    query = "query A { __typename } query B { __typename }"
    yield from operations()
    yield from ({"query": document} for document in documents())
    yield from WRONG
    yield {"query": query, "operationName": MARKER}
    for name in ("query", "variables", "operationName", "extensions", "documentId", "doc_id", "id", "onError"):
        yield from ({"query": "{ __typename }"} | {name: value} for value in WRONG)
    for value in WRONG:
        yield {"query": "{ __typename }", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": value}}}
        yield {"query": "{ __typename }", "extensions": {"persistedQuery": {"version": value, "sha256Hash": "a" * 64}}}


def errors_of(body: Any) -> str:
    return json.dumps(body.get("errors"))


async def test_graphql(running: RecordedProcess, headers: dict[str, str]) -> None:
    """No error of GraphQL over HTTP contains a value, whether it was a variable, a literal or no value at all."""
    echoed, codes, sent = [], set(), 0
    async with ClientSession() as session:
        for body in bodies():
            async with session.post(running.address("GraphQL"), json=body, headers=headers) as answer:
                found = await answer.json()
            errors = found.get("errors") or []
            codes |= {error["extensions"]["code"] for error in errors}
            sent += 1
            if MARKER in errors_of(found):
                echoed.append((body, errors))
    assert echoed == []
    assert codes >= {"BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}
    assert sent > 500


RAW = {
    "no JSON": ("application/json", f'{{"query": {MARKER}'),
    "a name twice": ("application/json", f'{{"{MARKER}": 1, "{MARKER}": 2}}'),
    "another type": (f"text/{MARKER.split(maxsplit=1)[0]}", MARKER),
    "another charset": (f"application/json; charset={MARKER.split(maxsplit=1)[0]}", MARKER),
    "no boundary": ("multipart/form-data", MARKER),
    "no form": (f'multipart/form-data; boundary="{MARKER}"', MARKER),
}


@pytest.mark.parametrize(("content_type", "body"), RAW.values(), ids=RAW)
async def test_bodies(running: RecordedProcess, headers: dict[str, str], content_type: str, body: str) -> None:
    """The refusal of a body that is no request contains nothing of it, and nothing of its content type."""
    sent = headers | {"Content-Type": content_type}
    async with ClientSession() as session, session.post(running.address("GraphQL"), data=body, headers=sent) as answer:
        assert 400 <= answer.status < 500
        assert MARKER.split(maxsplit=1)[0] not in await answer.text()


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "Idempotency-Key", "Accept", "traceparent", "Origin"])
async def test_headers(running: RecordedProcess, headers: dict[str, str], name: str) -> None:
    """No response contains the value of a header."""
    value = f"Bearer {MARKER}" if name == "Authorization" else MARKER
    query = 'mutation { updateAccountUser(id: "x", input: {name: "A"}) { id } }'
    sent = headers | {name: value}
    url, body = running.address("GraphQL"), {"query": query}
    async with ClientSession() as session, session.post(url, json=body, headers=sent) as answer:
        assert MARKER not in await answer.text()


async def test_webhooks(running: RecordedProcess) -> None:
    """The refusal of a webhook contains nothing of its body and its signature."""
    url = running.address("GraphQL").replace("/graphql", "/webhooks/reseller")
    headers = {"Webhook-Signature": MARKER}
    async with ClientSession() as session, session.post(url, json={"name": MARKER}, headers=headers) as answer:
        assert answer.status in {401, 404}
        assert MARKER not in await answer.text()
    await running.has_printed("a webhook of the reseller source")


def forms() -> Iterator[tuple[str, str, dict[str, str]]]:
    """`operations`, `map` and the part of a file, each with the marker in it."""
    query = "mutation ($i: Upload) { updateSoftwareOneUser(id: 1, input: {icon: $i}) { id } }"
    good = json.dumps({"query": query, "variables": {"i": None}})
    name, quoted = MARKER.split(maxsplit=1)[0], json.dumps(MARKER)
    yield good, '{"0": ["variables.i"]}', {"name": "0", "filename": MARKER, "content_type": f"image/{name}"}
    yield good, '{"0": ["variables.i"]}', {"name": "0", "filename": MARKER, "content_type": "image/png"}
    yield good, f'{{"0": [{quoted}]}}', {"name": "0"}
    yield good, f'{{"0": ["variables.{MARKER}"]}}', {"name": "0"}
    yield good, f'{{{quoted}: ["variables.i"]}}', {"name": "0"}
    yield good, '{"0": ["variables.i"]}', {"name": MARKER}
    yield good, f'{{"0": ["variables.i", {{"a": {quoted}}}]}}', {"name": "0"}
    yield good, quoted, {"name": "0"}
    yield quoted, quoted, {"name": "0"}


@pytest.mark.parametrize("index", range(len(list(forms()))))
async def test_forms(running: RecordedProcess, headers: dict[str, str], index: int) -> None:
    """The error of a form contains no name of a part or of a file, no media type and no path."""
    first, second, part = list(forms())[index]
    form = FormData()
    form.add_field("operations", first)
    form.add_field("map", second)
    form.add_field(part.pop("name"), b"no picture", **({"filename": "a"} | part))
    url = running.address("GraphQL")
    async with ClientSession() as session, session.post(url, data=form, headers=headers) as answer:
        text = await answer.text()
    assert '"errors"' in text
    assert MARKER.split(maxsplit=1)[0] not in text


async def test_websockets(running: RecordedProcess, headers: dict[str, str]) -> None:
    """No message and no close reason of a WebSocket contains a value."""
    init = {"type": "connection_init"}
    first = [{"query": f"subscription {{ userChanged(ids: {literal(value)}) {{ id }} }}"} for value in WRONG[1:]]
    payloads = [*first, {"query": "{", "variables": MARKER}, {"query": f'{{ a(b: "{MARKER}" "{MARKER}") }}'}]
    conversations: list[list[Any]] = [
        [MARKER],
        [{"type": MARKER}],
        [init | {"payload": MARKER}],
        [init | {"payload": {"x-api-key": MARKER}}],
        [init, {"type": "subscribe", "id": {"a": MARKER}}],
        *([init, {"type": "subscribe", "id": "1", "payload": payload}] for payload in payloads),
    ]
    async with ClientSession() as session:
        for messages in conversations:
            async with session.ws_connect(
                running.address("GraphQL"), protocols=["graphql-transport-ws"], headers=headers
            ) as socket:
                for message in messages:
                    await socket.send_str(message if isinstance(message, str) else json.dumps(message))
                for _ in messages:
                    with suppress(TimeoutError):
                        received = await socket.receive(timeout=0.5)
                        assert MARKER not in str(received.data) + str(received.extra)
                        if received.type is not WSMsgType.TEXT:
                            break


def requests_of(descriptor: Any) -> Iterator[Any]:
    """Messages of a type with the marker in one text, at any depth."""
    kind = getattr(users_pb2, descriptor.name, None)
    for field in descriptor.fields:
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and field.type == FieldDescriptor.TYPE_STRING and kind:
            yield kind(**{field.name: [MARKER] if field.is_repeated else MARKER})
        elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE and kind:
            if field.message_type.full_name == "google.protobuf.FieldMask":
                yield kind(**{field.name: {"paths": [MARKER]}})
            elif not field.is_repeated:
                for inner in requests_of(field.message_type):
                    yield kind(**{field.name: inner})


async def test_grpc(running: RecordedProcess, keys: Keys) -> None:
    """No status of gRPC contains a value: not in its message, and not in its details or metadata."""
    metadata = (("x-api-key", keys.by_name["all"]),)
    echoed, failed = [], 0
    async with grpc.aio.insecure_channel(running.grpc) as channel:
        for method in METHODS:
            make = channel.unary_stream if method.server_streaming else channel.unary_unary
            call = make(
                f"/usergateway.v1.UserService/{method.name}",
                request_serializer=lambda message: message.SerializeToString(),
            )
            for request in requests_of(method.input_type):
                try:
                    answer = call(request, metadata=metadata, timeout=20)
                    if not method.server_streaming:
                        await answer
                    elif RESUME_TOKEN in dict(await answer.initial_metadata()):  # else it was refused
                        answer.cancel()
                    else:
                        await answer.read()
                except grpc.aio.AioRpcError as error:
                    failed += 1
                    if MARKER in f"{error.details()}{error.trailing_metadata()}":
                        echoed.append((method.name, request, error.details()))
    assert echoed == []
    assert failed > 20
