"""The event loop that a command runs in."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from conftest import FROM_ENVIRONMENT, GATEWAY

USER = "acus_adalovelace1"
READ = f'{{ user(id: "{USER}", source: ACCOUNT) {{ name }} }}'
CHANGE = f'mutation {{ updateAccountUser(id: "{USER}", input: {{ name: "Ada L." }}) {{ name }} }}'


@pytest.mark.parametrize("http", ["lean", "aiohttp"])
def test_uvloop(http: str) -> None:
    """With GATEWAY_EVENT_LOOP=uvloop, a process serves a read and a change, and ends with status 0 at SIGTERM."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_") or name in FROM_ENVIRONMENT
    }
    chosen = {"GATEWAY_EVENT_LOOP": "uvloop", "GATEWAY_HTTP": http}
    with subprocess.Popen(
        [GATEWAY, "demo", "--http-port", "0", "--grpc-port", "0"],
        env=clean | chosen,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = ""
            for line in process.stdout:
                if line.split()[:1] == ["GraphQL"]:
                    url = line.split()[1]
                if "{ user(" in line:
                    break
            assert "/uvloop/" in Path(f"/proc/{process.pid}/maps").read_text()
            before, changed, after = asyncio.run(_results(url, READ, CHANGE, READ))
            assert before["user"]["name"] != "Ada L."
            assert changed["updateAccountUser"] == after["user"] == {"name": "Ada L."}
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, rest
    assert " ERROR " not in rest


async def _results(url: str, *documents: str) -> list[Any]:
    async with ClientSession() as session:
        results = []
        for document in documents:
            async with session.post(url, json={"query": document}) as response:
                results.append((await response.json())["data"])
        return results
