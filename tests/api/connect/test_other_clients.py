"""Connect's own clients, with their stock settings: in Node, in Chromium and in Python."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from chromium import chromium
from conftest import ROOT
from relay import relayed

from gateway.api.grpc.proto_files import proto_files

EXAMPLE = ROOT / "examples/connect"
REFUSED = "InvalidArgument, BAD_USER_INPUT, user.username PATTERN, user.password MIN_LENGTH"


@pytest.fixture(scope="session")
def node(node_in: Callable[[Path], Path]) -> Path:
    """Node, after the example's packages are installed, its code is generated and its page is built."""
    program = node_in(EXAMPLE)
    for name, text in proto_files().items():
        (EXAMPLE / "api" / name).parent.mkdir(parents=True, exist_ok=True)
        (EXAMPLE / "api" / name).write_text(text)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    run = partial(subprocess.run, cwd=EXAMPLE, env=os.environ | {"PATH": path}, check=True)
    run([str(Path(sys.executable).with_name("buf")), "generate", "api"])
    esbuild = "node_modules/esbuild/bin/esbuild"
    run([str(program), esbuild, "page.js", "--bundle", "--format=esm", "--outfile=dist/page.js", "--log-level=warning"])
    return program


@pytest.fixture
def page_url() -> Any:
    """The origin of the page, another one than the gateway's."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(EXAMPLE))) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


async def output_of(*command: str, cwd: Path = EXAMPLE) -> list[str]:
    """Return the lines that a program prints; it must succeed."""
    process = await asyncio.create_subprocess_exec(*command, cwd=cwd, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().splitlines()


async def test_connect_node(world: Any, node: Path) -> None:
    """The example in Node reads, changes and watches, in the binary form and in JSON, also by GET."""
    assert await output_of(str(node), "node.js", world.client.url) == [
        "Ada Lovelace (Admin of the platform)",
        "Ada Lovelace (Admin of the platform)",
        REFUSED,
        "UPDATED Ada Byron",
        "Ada Byron (stored)",
        "UPDATED Ada Lovelace",
        "Ada Lovelace (stored)",
    ]
    world.gateway._telemetry.flush()
    methods = [report.method for report in world.reports if report.operation == "GetUser"]
    assert methods == ["POST", "GET"]


WATCH = """
import { createConnectTransport } from "@connectrpc/connect-node";
import { usersOf, watch } from "./users.js";
const stop = new AbortController();
await watch(usersOf(createConnectTransport({ baseUrl: process.argv[1], httpVersion: "1.1" })), {
  signal: stop.signal,
  onBegin: () => console.log("begun"),
  onEvent: (change, user) => { console.log(user.name); stop.abort(); },
});
"""


async def test_a_lost_connection(world: Any, node: Path) -> None:
    """The example resumes after its connection was lost, and misses no event."""
    async with relayed(world.client.url) as relay:
        command = (str(node), "--input-type=module", "-e", WATCH, relay.url)
        process = await asyncio.create_subprocess_exec(*command, cwd=EXAMPLE, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"begun\n"
            relay.cut()
            await world.client.call("UpdateAccountUser", id="acus_adalovelace1", user={"name": "Ada King"})
            output, _ = await process.communicate()
    assert (process.returncode, output.decode().split("\n")) == (0, ["begun", "Ada King", ""])


WATCH_TOO_MUCH = """
import { Code } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { usersOf, watch } from "./users.js";
const users = usersOf(createConnectTransport({ baseUrl: process.argv[1], httpVersion: "1.1" }));
const ids = Array(40_000).fill("a".repeat(30));
const withIds = { watchUsers: (request, options) => users.watchUsers({ ...request, ids }, options) };
const onBegin = () => console.log("begun");
await watch(withIds, { onBegin, signal: AbortSignal.timeout(30_000) }).catch((error) => console.log(Code[error.code]));
"""


async def test_a_refused_watch(world: Any, node: Path) -> None:
    """The example does not repeat a request that is too large, although a slow client gets the same code."""
    output = await output_of(str(node), "--input-type=module", "-e", WATCH_TOO_MUCH, world.client.url)
    assert output == ["ResourceExhausted"]


async def test_connect_web(open_world: Any, node: Path, page_url: str) -> None:
    """The page of another origin does the same in Chromium, with the trailers of a change and a stream of events."""
    async with open_world(cors_origins=(page_url,)) as world, chromium() as browser:
        page = await browser.new_page()
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        await page.goto(f"{page_url}/?gateway={world.client.url}")
        await page.wait_for_function("document.querySelectorAll('li').length === 6", timeout=30_000)
        lines = await page.locator("li").all_inner_texts()
        assert failures == []
    assert lines[:3] == ["Ada Lovelace (Admin of the platform)", "Ada Lovelace (Admin of the platform)", REFUSED]
    assert sorted(lines[3:]) == ["Ada King", "Ada King (stored)", "UPDATED Ada King"]


async def test_the_example_in_python(world: Any) -> None:
    """The example in Python uses nothing but the standard library."""
    assert await output_of(sys.executable, "client.py", world.client.url) == [
        "Ada Lovelace Admin",
        "{'name': 'Ada Lovelace'}",
        "invalid_argument BAD_USER_INPUT",
    ]


@pytest.mark.skipif(find_spec("connectrpc") is None, reason="runs where connectrpc is installed")
async def test_connect_python(world: Any) -> None:
    """connect-python's client reads, also by GET, gets errors with details, and watches; it compresses requests."""
    details = "google.rpc.ErrorInfo google.rpc.RequestInfo google.rpc.BadRequest"
    each = ["Ada Lovelace True", "Ada Lovelace True", f"INVALID_ARGUMENT {details}", "Ada Lovelace"]
    assert await output_of(sys.executable, "connect_python.py", world.client.url, cwd=Path(__file__).parent) == each * 2
