"""Uploads by the GraphQL multipart request specification: which are accepted and refused, and their use of memory."""

import asyncio
import base64
import json
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession
from conftest import SERVER, Running, command
from open_files import temporary_files

PNG = b"\x89PNG\r\n\x1a\n\x00\r\n--A\r\n-"  # almost a boundary
UPDATE = """
    mutation ($id: ID!, $input: UpdateSoftwareOneUserInput!) { updateSoftwareOneUser(id: $id, input: $input) { id } }
"""
TWICE = """
    mutation ($id: ID!, $input: UpdateSoftwareOneUserInput!, $more: UpdateSoftwareOneUserInput!) {
      a: updateSoftwareOneUser(id: $id, input: $input) { id }
      b: updateSoftwareOneUser(id: $id, input: $more) { id }
    }
"""
HEADERS = {"Content-Type": "multipart/form-data; boundary=B", "GraphQL-Require-Preflight": "1"}
FILE = 'form-data; name="0"; filename="ada.png"\r\nContent-Type: image/png'
Part = tuple[str, bytes | str]


def form(*parts: Part, end: bytes = b"--B--\r\n") -> bytes:
    """Return the bytes of a form; each part is its Content-Disposition, with any further headers, and its content."""
    pieces = [f"--B\r\nContent-Disposition: {head}\r\n\r\n".encode() for head, _ in parts]
    contents = [content.encode() if isinstance(content, str) else content for _, content in parts]
    return b"".join(b"".join((*pair, b"\r\n")) for pair in zip(pieces, contents, strict=True)) + end


def field(name: str, value: Any) -> Part:
    return f'form-data; name="{name}"', value if isinstance(value, str) else json.dumps(value)


def operations(query: str = UPDATE, **variables: Any) -> Part:
    sent = {"id": "USR-0000-0001", "input": {"icon": None}} | variables
    return field("operations", {"query": query, "variables": sent})


PATHS = field("map", {"0": ["variables.input.icon"]})
GOOD = (operations(), PATHS, (FILE, PNG))


async def send(world: Any, body: bytes, **headers: str) -> tuple[int, Any]:
    """Send a form; return the status and the body of the response."""
    async with world.session.post(f"{world.url}/graphql", data=BytesIO(body), headers=HEADERS | headers) as answer:
        return answer.status, await answer.json()


async def icons(world: Any) -> list[dict[str, Any]]:
    """Return the icons that were sent to the marketplace."""
    return [part for call in await world.calls() for part in call["body"] if part["name"] == "icon"]


async def test_a_file(world: Any) -> None:
    """A file is sent to the source unchanged, with its name and its type."""
    status, answer = await send(world, form(*GOOD))
    assert (status, "errors" in answer) == (200, False), answer
    [icon] = await icons(world)
    assert (icon["filename"], icon["contentType"]) == ("ada.png", "image/png")
    assert base64.b64decode(icon["base64"]) == PNG


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", "image/png"),
        (b"a text", "image/png"),
        (b"GIF89a", "image/png"),
        (PNG, "image/jpeg"),
        (PNG, "image/svg+xml"),
    ],
)
async def test_a_file_of_another_content(world: Any, content: bytes, media_type: str) -> None:
    """A file whose content is not of the media type that it states is a violation at its field."""
    status, answer = await send(world, form(operations(), PATHS, (FILE.replace("image/png", media_type), content)))
    [error] = answer["errors"]
    assert (status, error["extensions"]["code"]) == (200, "BAD_USER_INPUT")
    assert error["extensions"]["violations"] == [
        {
            "field": "input.icon",
            "message": f"is not {media_type}, although its media type states it",
            "rule": "content",
            "format": media_type,
        }
    ]
    assert await world.calls() == []


async def test_a_file_at_two_paths(world: Any) -> None:
    """A file may have several paths, and is sent for each of them."""
    paths = field("map", {"0": ["variables.input.icon", "variables.more.icon"]})
    status, answer = await send(world, form(operations(TWICE, more={"icon": None}), paths, (FILE, PNG)))
    assert (status, "errors" in answer) == (200, False), answer
    assert [icon["size"] for icon in await icons(world)] == [len(PNG)] * 2


async def test_a_file_in_a_list(world: Any) -> None:
    """A path may lead through a list."""
    paths = field("map", {"0": ["variables.files.1.icon"]})
    body = form(operations(files=[0, {"icon": None}], input={"firstName": "Ada"}), paths, (FILE, PNG))
    status, answer = await send(world, body)
    assert (status, "errors" in answer) == (200, False), answer  # unused variables are ignored
    [call] = await world.calls()
    assert [part["name"] for part in call["body"]] == ["user"]


async def test_the_name_of_a_file(world: Any) -> None:
    """A file name is reduced to its last component, and to 255 characters."""
    name = "../../" + "é" * 400 + "ada.png"
    head = f'form-data; name="0"; filename="{name}"\r\nContent-Type: image/png'
    status, answer = await send(world, form(operations(), PATHS, (head, PNG)))
    assert (status, "errors" in answer) == (200, False), answer
    [icon] = await icons(world)
    assert icon["filename"] == ("é" * 400 + "ada.png")[-255:]


def mapped(*paths: Any) -> tuple[Part, ...]:
    """Return the parts of a form whose file has these paths."""
    return operations(), field("map", {"0": list(paths)}), (FILE, PNG)


TWO = field("map", {"0": ["variables.input.icon"], "1": ["variables.id"]})
REFUSED: dict[str, tuple[tuple[Part, ...], int, str]] = {
    "no part": ((), 400, "must start with"),
    "no map": ((operations(),), 400, "must start with"),
    "the map first": ((PATHS, operations(), (FILE, PNG)), 400, "must start with"),
    "a file before the map": ((operations(), (FILE, PNG), PATHS), 400, "must start with"),
    "no file": ((operations(), PATHS), 400, "not in the form"),
    "a file that is not in the map": ((operations(), field("map", {}), (FILE, PNG)), 400, "not in `map`"),
    "two parts of one name": ((operations(), PATHS, (FILE, PNG), (FILE, PNG)), 400, "two parts"),
    "two operations": ((operations(), operations()), 400, "two parts"),
    "more files than may be": ((operations(), TWO, (FILE, PNG)), 400, "more files"),
    "a batch": ((field("operations", [{"query": UPDATE}]), PATHS, (FILE, PNG)), 400, "batch"),
    "operations that are no JSON": ((field("operations", "{"), PATHS, (FILE, PNG)), 400, "not JSON"),
    "a map that is no JSON": ((operations(), field("map", "{"), (FILE, PNG)), 400, "not JSON"),
    "a map that is a list": ((operations(), field("map", ["0"]), (FILE, PNG)), 400, "list of paths"),
    "a map of texts": ((operations(), field("map", {"0": "variables.input.icon"}), (FILE, PNG)), 400, "list of paths"),
    "a file without a path": (mapped(), 400, "list of paths"),
    "a path that is a number": (mapped(1), 400, "below `variables.`"),
    "a path outside the variables": (mapped("query"), 400, "below `variables.`"),
    "the variables": (mapped("variables"), 400, "below `variables.`"),
    "a path in the first request of a batch": (mapped("0.variables.input.icon"), 400, "below `variables.`"),
    "a path to a value": (mapped("variables.id"), 400, "has no null"),
    "a path to nothing": (mapped("variables.input.picture"), 400, "has no null"),
    "a path below null": (mapped("variables.input.icon.a"), 400, "has no null"),
    "a path in a text": (mapped("variables.id.0"), 400, "has no null"),
    "an attribute's name": (mapped("variables.__class__.__init__"), 400, "has no null"),
    "a prototype's name": (mapped("variables.__proto__.icon", "variables.constructor.prototype"), 400, "has no null"),
    "an index of 5,000 digits": (
        (operations(files=[None]), field("map", {"0": ["variables.files." + "9" * 5_000]}), (FILE, PNG)),
        400,
        "has no null",
    ),
    "an index from the end": (
        (operations(files=[None]), field("map", {"0": ["variables.files.-1"]}), (FILE, PNG)),
        400,
        "has no null",
    ),
    "a path twice": (mapped("variables.input.icon", "variables.input.icon"), 400, "a path twice"),
    "too many paths": (mapped(*(f"variables.a{n}" for n in range(21))), 400, "more than 20 paths"),
    "a large map": (mapped("variables." + "a" * 20_000), 413, "`map` is larger"),
    "large operations": ((field("operations", " " * 1_100_000), PATHS), 413, "`operations` is larger"),
    "large operations with a file's name": (
        (('form-data; name="operations"; filename="a"', b" " * 1_100_000), PATHS),
        413,
        "`operations` is larger",
    ),
    "a part without a name": ((("form-data", "{}"), PATHS), 400, "must start with"),
    "a part that is no field": ((('attachment; name="operations"', "{}"), PATHS), 400, "malformed"),
    "a long file name": (
        (operations(), PATHS, (f'form-data; name="0"; filename="{"a" * 10_000}"', PNG)),
        400,
        "headers that are too large",
    ),
    "many headers": ((operations(), PATHS, (FILE + "\r\nX-A: b" * 20, PNG)), 400, "headers that are too large"),
}


@pytest.mark.parametrize(("parts", "status", "message"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_form_that_is_refused(world: Any, parts: tuple[Part, ...], status: int, message: str) -> None:
    """A form that is malformed or too large is refused with a GraphQL error, and no source is called."""
    found, answer = await send(world, form(*parts))
    [error] = answer["errors"]
    assert (found, error["extensions"]["code"]) == (status, "BAD_USER_INPUT"), answer
    assert message in error["message"]
    assert await world.calls() == []


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=C"]
)
async def test_another_boundary(world: Any, content_type: str) -> None:
    """A form whose boundary is missing or wrong is malformed."""
    status, answer = await send(world, form(*GOOD), **{"Content-Type": content_type})
    assert (status, "malformed" in answer["errors"][0]["message"]) == (400, True)


async def test_a_header_that_is_no_text(world: Any) -> None:
    """A header of a part that is not UTF-8 is malformed, and the response quotes neither it nor an exception."""
    status, answer = await send(world, form(*GOOD).replace(b"ada.png", b"ad\xff.png"))
    [error] = answer["errors"]
    assert (status, error["extensions"]["code"], "malformed" in error["message"]) == (400, "BAD_USER_INPUT", True)
    assert "Error(" not in error["message"]
    assert await world.calls() == []


@pytest.mark.parametrize("end", [b"", b"--B", b"--B\r\n", b"--B\r\nContent-Dispo"])
async def test_a_form_without_its_end(world: Any, end: bytes) -> None:
    """A form without its end is malformed, also if all of its files are complete."""
    status, answer = await send(world, form(*GOOD, end=end))
    assert (status, "malformed" in answer["errors"][0]["message"]) == (400, True)
    assert await world.calls() == []


OTHER_NAME = """
    mutation ($id: ID!, $face: Upload) { updateSoftwareOneUser(id: $id, input: {icon: $face}) { id } }
"""
WRONG_FILES = {
    "too large": (FILE, b"x" * (5 * 1024 * 1024 + 1), 413, {"rule": "maxBytes", "max": 5 * 1024 * 1024}),
    "a type that is none": (
        'form-data; name="0"\r\nContent-Type: image',
        PNG,
        400,
        {"rule": "format", "format": "mediaType"},
    ),
}


@pytest.mark.parametrize(("head", "content", "status", "rule"), WRONG_FILES.values(), ids=WRONG_FILES.keys())
@pytest.mark.parametrize(
    ("query", "variables", "path", "expected"),
    [
        (UPDATE, {}, "variables.input.icon", "input.icon"),
        (OTHER_NAME, {"input": 1, "face": None}, "variables.face", "input.icon"),
        ("mutation { nothing }", {}, "variables.input.icon", "input.icon"),
    ],
)
async def test_a_file_that_is_refused(
    world: Any,
    *,
    head: str,
    content: bytes,
    status: int,
    rule: Any,
    query: str,
    variables: Any,
    path: str,
    expected: str,
) -> None:
    """A file that is refused while it is received is a violation of the argument that its variable stands for."""
    parts = (operations(query, **variables), field("map", {"0": [path]}), (head, content))
    found, answer = await send(world, form(*parts))
    [error] = answer["errors"]
    [violation] = error["extensions"]["violations"]
    assert (found, error["extensions"]["code"]) == (status, "BAD_USER_INPUT")
    assert violation == {"field": expected, "message": violation["message"]} | rule
    assert error["message"] == f"{expected} {violation['message']}."
    assert await world.calls() == []


@pytest.mark.parametrize("kind", ["", "\r\nContent-Type: text/html", "\r\nContent-Type: application/pdf"])
async def test_a_file_of_another_kind(world: Any, kind: str) -> None:
    """A file without the content type of an image is a violation at its field."""
    head = f'form-data; name="0"; filename="ada.png"{kind}'
    _, answer = await send(world, form(operations(), PATHS, (head, PNG)))
    [error] = answer["errors"]
    [violation] = error["extensions"]["violations"]
    assert (violation["field"], violation["rule"]) == ("input.icon", "mediaType")
    assert violation["values"] == ["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"]
    assert "image/png" in violation["message"]
    assert "pdf" not in str(error)
    assert await world.calls() == []


async def test_a_file_for_another_type(world: Any) -> None:
    """A file in place of a text is refused like any invalid value."""
    paths = field("map", {"0": ["variables.input.firstName"]})
    _, answer = await send(world, form(operations(input={"firstName": None}), paths, (FILE, PNG)))
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert await world.calls() == []


async def test_a_text_for_a_file(world: Any) -> None:
    """A file must be uploaded in a form: JSON in its place is refused."""
    for value in ("iVBORw0KGgo=", {"content": "iVBORw0KGgo=", "filename": "a.png", "content_type": "image/png"}):
        answer = await world.graphql(UPDATE, {"id": "USR-0000-0001", "input": {"icon": value}})
        [error] = answer["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert await world.calls() == []


async def test_the_preflight(world: Any) -> None:
    """A form without a preflight header is refused, since another site could send it."""
    headers = {"Content-Type": HEADERS["Content-Type"]}
    async with world.session.post(f"{world.url}/graphql", data=form(*GOOD), headers=headers) as answer:
        assert (answer.status, "GraphQL-Require-Preflight" in await answer.text()) == (400, True)
    assert await world.calls() == []


async def test_the_same_file_again(world: Any) -> None:
    """A repeated change with the same file is not sent again; with another file its idempotency key is a conflict."""
    key = {"Idempotency-Key": os.urandom(8).hex()}
    large = PNG + os.urandom(300_000)
    for _ in range(2):
        status, answer = await send(world, form(operations(), PATHS, (FILE, large)), **key)
        assert (status, "errors" in answer) == (200, False), answer
    assert len(await icons(world)) == 1
    _, answer = await send(world, form(operations(), PATHS, (FILE, large[:-1] + b"\0\0")), **key)
    assert answer["errors"][0]["extensions"]["code"] == "IDEMPOTENCY_CONFLICT"


@pytest.fixture(scope="module", params=["aiohttp", "lean"])
def apart(request: pytest.FixtureRequest, http_server: str) -> Iterator[Running]:
    """A gateway in a separate process that accepts icons of 60 MB, with each of the HTTP clients."""
    options = {"GATEWAY_HTTP_CLIENT": request.param, "GATEWAY_SOFTWAREONE__ICON_BYTES": "60000000", SERVER: http_server}
    with command("sandbox", "--port", "0", "--no-rate-limits", last="/_sandbox") as sandbox:
        lines = [line.strip() for line in sandbox.printed.splitlines()]
        sources = dict(line.split("=", 1) for line in lines if line.startswith("GATEWAY_"))
        with command(
            "serve", "--http-port", "0", "--grpc-port", "off", last="GraphQL", **sources, **options
        ) as gateway:
            control = sources["GATEWAY_SOFTWAREONE__BASE_URL"].replace("/softwareone", "/_sandbox/calls")
            yield Running(gateway.pid, f"{gateway.printed}\nsandbox {control}")


async def test_a_large_file_is_never_held(apart: Running, world_of: Any) -> None:
    """A file of 12 MiB passes through while memory grows by a fraction of that, and no temporary file remains."""
    large = PNG + os.urandom(12 * 1024 * 1024)
    async with ClientSession() as session:
        world, pid = world_of(session, apart), apart.pid
        await world.forget()
        status, answer = await send(world, form(*GOOD))
        assert (status, "errors" in answer) == (200, False), answer
        before = peak(pid)
        status, answer = await send(world, form(operations(), PATHS, (FILE, large)))
        assert (status, "errors" in answer) == (200, False), answer
        grown = peak(pid) - before
        assert base64.b64decode((await icons(world))[-1]["base64"]) == large
        await until(lambda: not temporary_files(pid))
    assert grown < 4 * 1024 * 1024


async def test_a_disconnect_during_an_upload(apart: Running, world_of: Any) -> None:
    """If a client disconnects during an upload, no temporary file remains, and no source is called."""
    body = form(operations(), PATHS, (FILE, b"x" * 1_000_000))
    async with ClientSession() as session:
        world, pid = world_of(session, apart), apart.pid
        await world.forget()
        at = urlsplit(world.url)
        _, writer = await asyncio.open_connection(at.hostname, at.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        writer.write(f"POST /graphql HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode())
        writer.write(body[:600_000])
        await until(lambda: temporary_files(pid))
        writer.close()
        await writer.wait_closed()
        await until(lambda: not temporary_files(pid))
        assert await world.calls() == []


FAILING: dict[str, tuple[Part, str]] = {
    "at the source": (operations(id="USR-9999-9999"), FILE),
    "of another kind": (operations(), FILE.replace("png", "pdf")),
    "unknown fields": (operations("mutation { nothing }"), FILE),
    "no document": (operations("{"), FILE),
    "other variables": (operations(id=[]), FILE),
}


@pytest.mark.parametrize("accept", ["application/json", "multipart/mixed, application/json", "text/event-stream"])
@pytest.mark.parametrize(("part", "head"), FAILING.values(), ids=FAILING.keys())
async def test_a_change_that_fails(apart: Running, world_of: Any, part: Part, head: str, accept: str) -> None:
    """No temporary file remains if the change fails, here or at the source, for any media type of the response."""
    async with ClientSession() as session:
        world = world_of(session, apart)
        body, headers = form(part, PATHS, (head, PNG + b"x" * 1_000_000)), HEADERS | {"Accept": accept}
        for _ in range(3):
            async with session.post(f"{world.url}/graphql", data=BytesIO(body), headers=headers) as answer:
                assert '"errors"' in await answer.text()
        await until(lambda: not temporary_files(apart.pid))


def peak(pid: int) -> int:
    """Return the peak memory of the process, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


async def until(condition: Callable[[], Any]) -> None:
    """Wait at most 30 seconds for a condition."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.01)
