"""Files by the GraphQL multipart request specification: what is taken, what is refused, and what it takes."""

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
    """A form's bytes: each part by its Content-Disposition, with whatever other header follows it."""
    pieces = [f"--B\r\nContent-Disposition: {head}\r\n\r\n".encode() for head, _ in parts]
    contents = [content.encode() if isinstance(content, str) else content for _, content in parts]
    return b"".join(b"".join((*pair, b"\r\n")) for pair in zip(pieces, contents, strict=True)) + end


def field(name: str, value: Any) -> Part:
    return f'form-data; name="{name}"', value if isinstance(value, str) else json.dumps(value)


def asking(query: str = UPDATE, **variables: Any) -> Part:
    given = {"id": "USR-0000-0001", "input": {"icon": None}} | variables
    return field("operations", {"query": query, "variables": given})


PLACES = field("map", {"0": ["variables.input.icon"]})
GOOD = (asking(), PLACES, (FILE, PNG))


async def send(world: Any, body: bytes, **headers: str) -> tuple[int, Any]:
    """The status and the answer."""
    async with world.session.post(f"{world.url}/graphql", data=BytesIO(body), headers=HEADERS | headers) as answer:
        return answer.status, await answer.json()


async def pictures(world: Any) -> list[dict[str, Any]]:
    """The icons that reached the marketplace."""
    return [part for call in await world.calls() for part in call["body"] if part["name"] == "icon"]


async def test_a_file(world: Any) -> None:
    """A file goes to the source as it is, with its name and its type."""
    status, answer = await send(world, form(*GOOD))
    assert (status, "errors" in answer) == (200, False), answer
    [icon] = await pictures(world)
    assert (icon["filename"], icon["contentType"]) == ("ada.png", "image/png")
    assert base64.b64decode(icon["base64"]) == PNG


async def test_an_empty_file(world: Any) -> None:
    """A file without a byte is one, too."""
    status, answer = await send(world, form(asking(), PLACES, (FILE, b"")))
    assert (status, "errors" in answer) == (200, False), answer
    [icon] = await pictures(world)
    assert icon["size"] == 0


async def test_a_file_in_two_places(world: Any) -> None:
    """A file may be put in several places, and is sent for each of them."""
    places = field("map", {"0": ["variables.input.icon", "variables.more.icon"]})
    status, answer = await send(world, form(asking(TWICE, more={"icon": None}), places, (FILE, PNG)))
    assert (status, "errors" in answer) == (200, False), answer
    assert [icon["size"] for icon in await pictures(world)] == [len(PNG)] * 2


async def test_a_file_in_a_list(world: Any) -> None:
    """A place may lead through a list; a list that the operation does not take is refused as any other value is."""
    places = field("map", {"0": ["variables.files.1.icon"]})
    body = form(asking(files=[0, {"icon": None}], input={"firstName": "Ada"}), places, (FILE, PNG))
    status, answer = await send(world, body)
    assert (status, "errors" in answer) == (200, False), answer  # a variable that is not used is nobody's concern
    [call] = await world.calls()
    assert [part["name"] for part in call["body"]] == ["user"]


async def test_a_name_that_is_no_name(world: Any) -> None:
    """What is a path, or too long for a header, is cut down to a file's name."""
    name = "../../" + "é" * 400 + "ada.png"
    head = f'form-data; name="0"; filename="{name}"\r\nContent-Type: image/png'
    status, answer = await send(world, form(asking(), PLACES, (head, PNG)))
    assert (status, "errors" in answer) == (200, False), answer
    [icon] = await pictures(world)
    assert icon["filename"] == ("é" * 400 + "ada.png")[-255:]


def mapped(*paths: Any) -> tuple[Part, ...]:
    """A form whose file goes to these places."""
    return asking(), field("map", {"0": list(paths)}), (FILE, PNG)


TWO = field("map", {"0": ["variables.input.icon"], "1": ["variables.id"]})
REFUSED: dict[str, tuple[tuple[Part, ...], int, str]] = {
    "no part": ((), 400, "must start with"),
    "no map": ((asking(),), 400, "must start with"),
    "the map first": ((PLACES, asking(), (FILE, PNG)), 400, "must start with"),
    "a file before the map": ((asking(), (FILE, PNG), PLACES), 400, "must start with"),
    "no file": ((asking(), PLACES), 400, "not in the form"),
    "a file that is not in the map": ((asking(), field("map", {}), (FILE, PNG)), 400, "not in `map`"),
    "two parts of one name": ((asking(), PLACES, (FILE, PNG), (FILE, PNG)), 400, "two parts"),
    "two operations": ((asking(), asking()), 400, "two parts"),
    "more files than may be": ((asking(), TWO, (FILE, PNG)), 400, "more files"),
    "a batch": ((field("operations", [{"query": UPDATE}]), PLACES, (FILE, PNG)), 400, "batch"),
    "operations that are no JSON": ((field("operations", "{"), PLACES, (FILE, PNG)), 400, "not JSON"),
    "a map that is no JSON": ((asking(), field("map", "{"), (FILE, PNG)), 400, "not JSON"),
    "a map that is a list": ((asking(), field("map", ["0"]), (FILE, PNG)), 400, "list of places"),
    "a map of texts": ((asking(), field("map", {"0": "variables.input.icon"}), (FILE, PNG)), 400, "list of places"),
    "a file without a place": (mapped(), 400, "list of places"),
    "a place that is a number": (mapped(1), 400, "below `variables.`"),
    "a place beside the variables": (mapped("query"), 400, "below `variables.`"),
    "the variables": (mapped("variables"), 400, "below `variables.`"),
    "a place in the first of a batch": (mapped("0.variables.input.icon"), 400, "below `variables.`"),
    "a place that has a value": (mapped("variables.id"), 400, "has no null"),
    "a place that is not there": (mapped("variables.input.picture"), 400, "has no null"),
    "a place below null": (mapped("variables.input.icon.a"), 400, "has no null"),
    "a place in a text": (mapped("variables.id.0"), 400, "has no null"),
    "an attribute's name": (mapped("variables.__class__.__init__"), 400, "has no null"),
    "a prototype's name": (mapped("variables.__proto__.icon", "variables.constructor.prototype"), 400, "has no null"),
    "an index of 5,000 digits": (
        (asking(files=[None]), field("map", {"0": ["variables.files." + "9" * 5_000]}), (FILE, PNG)),
        400,
        "has no null",
    ),
    "an index from the end": (
        (asking(files=[None]), field("map", {"0": ["variables.files.-1"]}), (FILE, PNG)),
        400,
        "has no null",
    ),
    "a place twice": (mapped("variables.input.icon", "variables.input.icon"), 400, "a place twice"),
    "too many places": (mapped(*(f"variables.a{n}" for n in range(21))), 400, "more than 20 places"),
    "a large map": (mapped("variables." + "a" * 20_000), 413, "`map` is larger"),
    "large operations": ((field("operations", " " * 1_100_000), PLACES), 413, "`operations` is larger"),
    "large operations with a file's name": (
        (('form-data; name="operations"; filename="a"', b" " * 1_100_000), PLACES),
        413,
        "`operations` is larger",
    ),
    "a part without a name": ((("form-data", "{}"), PLACES), 400, "must start with"),
    "a part that is no field": ((('attachment; name="operations"', "{}"), PLACES), 400, "malformed"),
    "a long file name": (
        (asking(), PLACES, (f'form-data; name="0"; filename="{"a" * 10_000}"', PNG)),
        400,
        "headers past their cap",
    ),
    "many headers": ((asking(), PLACES, (FILE + "\r\nX-A: b" * 20, PNG)), 400, "headers past their cap"),
    "a type that is none": (
        (asking(), PLACES, ('form-data; name="0"\r\nContent-Type: image', PNG)),
        400,
        "content type that is none",
    ),
}


@pytest.mark.parametrize(("parts", "status", "words"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_form_that_is_refused(world: Any, parts: tuple[Part, ...], status: int, words: str) -> None:
    """What is no such form, or too much of one, is refused in our words, and nothing reaches a source."""
    found, answer = await send(world, form(*parts))
    [error] = answer["errors"]
    assert (found, error["extensions"]["code"]) == (status, "BAD_USER_INPUT"), answer
    assert words in error["message"]
    assert await world.calls() == []


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=C"]
)
async def test_another_boundary(world: Any, content_type: str) -> None:
    """A form whose boundary is not told, or told wrong, is malformed."""
    status, answer = await send(world, form(*GOOD), **{"Content-Type": content_type})
    assert (status, "malformed" in answer["errors"][0]["message"]) == (400, True)


async def test_a_name_that_is_no_text(world: Any) -> None:
    """A part's header that is not UTF-8 is malformed, and the answer quotes neither it nor an exception."""
    status, answer = await send(world, form(*GOOD).replace(b"ada.png", b"ad\xff.png"))
    [error] = answer["errors"]
    assert (status, error["extensions"]["code"], "malformed" in error["message"]) == (400, "BAD_USER_INPUT", True)
    assert "Error(" not in error["message"]
    assert await world.calls() == []


@pytest.mark.parametrize("end", [b"", b"--B", b"--B\r\n", b"--B\r\nContent-Dispo"])
async def test_a_form_without_its_end(world: Any, end: bytes) -> None:
    """A form that ends too early is malformed, also where all of its files are there."""
    status, answer = await send(world, form(*GOOD, end=end))
    assert (status, "malformed" in answer["errors"][0]["message"]) == (400, True)
    assert await world.calls() == []


async def test_a_file_over_the_cap(world: Any) -> None:
    """A file of more than 5 MiB is a 413, before all of it has come."""
    status, answer = await send(world, form(asking(), PLACES, (FILE, b"x" * (5 * 1024 * 1024 + 1))))
    assert (status, "larger than 5242880 bytes" in answer["errors"][0]["message"]) == (413, True)
    assert await world.calls() == []


@pytest.mark.parametrize("kind", ["", "\r\nContent-Type: text/html", "\r\nContent-Type: application/pdf"])
async def test_a_file_of_another_kind(world: Any, kind: str) -> None:
    """What is not declared as a picture is a violation at its field, and so is what is not declared at all."""
    head = f'form-data; name="0"; filename="ada.png"{kind}'
    _, answer = await send(world, form(asking(), PLACES, (head, PNG)))
    [error] = answer["errors"]
    [violation] = error["extensions"]["violations"]
    assert violation["field"] == "input.icon"
    assert "image/png" in violation["message"]
    assert await world.calls() == []


async def test_a_file_for_another_type(world: Any) -> None:
    """A file where the operation takes a text is refused as any wrong value is."""
    places = field("map", {"0": ["variables.input.firstName"]})
    _, answer = await send(world, form(asking(input={"firstName": None}), places, (FILE, PNG)))
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert await world.calls() == []


async def test_a_text_for_a_file(world: Any) -> None:
    """A file comes by a form only: JSON in its place is a violation."""
    for value in ("iVBORw0KGgo=", {"content": "iVBORw0KGgo=", "filename": "a.png", "content_type": "image/png"}):
        answer = await world.graphql(UPDATE, {"id": "USR-0000-0001", "input": {"icon": value}})
        [error] = answer["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert await world.calls() == []


async def test_the_preflight(world: Any) -> None:
    """Another site's page could send a form unasked: without a header that it could not send, it is refused."""
    headers = {"Content-Type": HEADERS["Content-Type"]}
    async with world.session.post(f"{world.url}/graphql", data=form(*GOOD), headers=headers) as answer:
        assert (answer.status, "GraphQL-Require-Preflight" in await answer.text()) == (400, True)
    assert await world.calls() == []


async def test_the_same_file_again(world: Any) -> None:
    """An idempotency key knows a file by its content: the same one is not sent again, another one is a conflict."""
    key = {"Idempotency-Key": os.urandom(8).hex()}
    large = os.urandom(300_000)
    for _ in range(2):
        status, answer = await send(world, form(asking(), PLACES, (FILE, large)), **key)
        assert (status, "errors" in answer) == (200, False), answer
    assert len(await pictures(world)) == 1
    _, answer = await send(world, form(asking(), PLACES, (FILE, large[:-1] + b"\0\0")), **key)
    assert answer["errors"][0]["extensions"]["code"] == "IDEMPOTENCY_CONFLICT"


@pytest.fixture(scope="module", params=["aiohttp", "lean"])
def apart(request: pytest.FixtureRequest, http_server: str) -> Iterator[Running]:
    """A gateway in a process of its own, which takes icons of 60 MB; calling by each of the HTTP clients."""
    own = {"GATEWAY_HTTP_CLIENT": request.param, "GATEWAY_SOFTWAREONE__ICON_BYTES": "60000000", SERVER: http_server}
    with command("sandbox", "--port", "0", "--no-rate-limits", last="/_sandbox") as sandbox:
        lines = [line.strip() for line in sandbox.printed.splitlines()]
        systems = dict(line.split("=", 1) for line in lines if line.startswith("GATEWAY_"))
        with command("serve", "--http-port", "0", "--grpc-port", "off", last="GraphQL", **systems, **own) as gateway:
            control = systems["GATEWAY_SOFTWAREONE__BASE_URL"].replace("/softwareone", "/_sandbox/calls")
            yield Running(gateway.pid, f"{gateway.printed}\nsandbox {control}")


async def test_a_large_file_is_never_held(apart: Running, world_of: Any) -> None:
    """12 MiB go through the gateway while its memory grows by a fraction of that, and leave no file behind."""
    large = os.urandom(12 * 1024 * 1024)
    async with ClientSession() as session:
        world, pid = world_of(session, apart), apart.pid
        await world.forget()
        status, answer = await send(world, form(*GOOD))
        assert (status, "errors" in answer) == (200, False), answer
        before = peak(pid)
        status, answer = await send(world, form(asking(), PLACES, (FILE, large)))
        assert (status, "errors" in answer) == (200, False), answer
        grown = peak(pid) - before
        assert base64.b64decode((await pictures(world))[-1]["base64"]) == large
        await until(lambda: not temporary(pid))
    assert grown < 4 * 1024 * 1024


async def test_who_leaves_in_the_middle(apart: Running, world_of: Any) -> None:
    """A client that goes away in the middle of its file leaves no file, and nothing reaches a source."""
    body = form(asking(), PLACES, (FILE, b"x" * 1_000_000))
    async with ClientSession() as session:
        world, pid = world_of(session, apart), apart.pid
        await world.forget()
        at = urlsplit(world.url)
        _, writer = await asyncio.open_connection(at.hostname, at.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        writer.write(f"POST /graphql HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode())
        writer.write(body[:600_000])
        await until(lambda: temporary(pid))
        writer.close()
        await writer.wait_closed()
        await until(lambda: not temporary(pid))
        assert await world.calls() == []


FAILING: dict[str, tuple[Part, str]] = {
    "at the source": (asking(id="USR-9999-9999"), FILE),
    "of another kind": (asking(), FILE.replace("png", "pdf")),
    "unknown fields": (asking("mutation { nothing }"), FILE),
    "no document": (asking("{"), FILE),
    "other variables": (asking(id=[]), FILE),
}


@pytest.mark.parametrize("accept", ["application/json", "multipart/mixed, application/json", "text/event-stream"])
@pytest.mark.parametrize(("asked", "head"), FAILING.values(), ids=FAILING.keys())
async def test_a_change_that_fails(apart: Running, world_of: Any, asked: Part, head: str, accept: str) -> None:
    """A file goes with its request also where the change fails, here or at the source, whatever form the answer has."""
    async with ClientSession() as session:
        world = world_of(session, apart)
        body, headers = form(asked, PLACES, (head, b"x" * 1_000_000)), HEADERS | {"Accept": accept}
        for _ in range(3):
            async with session.post(f"{world.url}/graphql", data=BytesIO(body), headers=headers) as answer:
                assert '"errors"' in await answer.text()
        await until(lambda: not temporary(apart.pid))


def peak(pid: int) -> int:
    """The most bytes that the process has ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def temporary(pid: int) -> list[str]:
    """The files without a name that the process has open."""
    links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()]
    return [link for link in links if link.startswith("/") and link.endswith("(deleted)")]


async def until(truth: Callable[[], Any]) -> None:
    """Wait for something that happens soon."""
    async with asyncio.timeout(10):
        while not truth():  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.01)
