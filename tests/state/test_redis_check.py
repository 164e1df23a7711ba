"""The check of Redis at the start and in `gateway check`: which problems somebody has to correct."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from conftest import GATEWAY
from redis.asyncio import Redis
from state.server import PATIENT, RedisServer

from gateway.state.redis.check import RedisProblem, find_problem
from gateway.state.redis.client import connect


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis whose configuration a test changes."""
    server = RedisServer(tmp_path, persistent=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def admin(server: RedisServer) -> AsyncIterator[Redis]:
    """A client with all permissions."""
    async with Redis.from_url(server.url) as client:
        yield client


async def problem_of(url: str) -> RedisProblem | None:
    """Return what the check finds."""
    client = connect(f"{url}?{PATIENT}")
    try:
        return await find_problem(client)
    finally:
        await client.aclose()


async def test_no_problem(server: RedisServer, admin: Redis) -> None:
    """A Redis without a problem has none, and nothing is left in it."""
    assert await problem_of(server.url) is None
    async with asyncio.timeout(30):
        while await admin.keys():  # noqa: ASYNC110 - one key is left for a millisecond
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("user", ["", "default:wrong", "nobody:secret"])
async def test_credentials(server: RedisServer, admin: Redis, user: str) -> None:
    """A missing or wrong password, or a wrong user name, has to be corrected; the message contains no password."""
    await admin.config_set("requirepass", "secret")
    assert await problem_of(server.url.replace("//", "//:secret@")) is None
    problem = await problem_of(server.url.replace("//", f"//{user}@") if user else server.url)
    assert problem is not None
    assert problem.permanent
    assert "user name or the password" in problem.message
    assert "secret" not in problem.message


@pytest.mark.parametrize("permissions", ["~other:* +@all", "~usergateway:* +@read", "~usergateway:* +@all -xread"])
async def test_permissions(server: RedisServer, admin: Redis, permissions: str) -> None:
    """A user without access to the keys or to one of the commands has to be corrected."""
    await admin.execute_command("ACL", "SETUSER", "gw", "on", ">pw", "~usergateway:*", "+@all", "-@dangerous")
    assert await problem_of(server.url.replace("//", "//gw:pw@")) is None
    await admin.execute_command("ACL", "SETUSER", "gw", "reset", "on", ">pw", *permissions.split())
    problem = await problem_of(server.url.replace("//", "//gw:pw@"))
    assert problem is not None
    assert problem.permanent
    assert "permission" in problem.message


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "volatile-random"])
async def test_an_evicting_policy(server: RedisServer, admin: Redis, policy: str) -> None:
    """A policy that removes records when the memory is full has to be corrected."""
    await admin.config_set("maxmemory-policy", policy)
    problem = await problem_of(server.url)
    assert problem is not None
    assert problem.permanent
    assert f"maxmemory-policy {policy}" in problem.message


async def test_a_wrong_address(server: RedisServer) -> None:
    """A host that does not exist, a server that is not Redis and a missing database have to be corrected."""

    async def respond(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as http:
        port = http.sockets[0].getsockname()[1]
        urls = {
            "redis://-:6379/0": "the host does not exist",  # which nobody asks a name server for
            f"redis://127.0.0.1:{port}/0": "not Redis",
            server.url.removesuffix("/0") + "/99": "no database of this number",
        }
        for url, message in urls.items():
            problem = await problem_of(url)
            assert problem is not None, url
            assert (problem.permanent, message in problem.message) == (True, True), problem


async def test_an_outage(server: RedisServer) -> None:
    """A Redis that cannot be reached may come back: nothing has to be corrected for that."""
    server.stop()
    problem = await problem_of(server.url)
    assert problem is not None
    assert not problem.permanent
    assert "Connect call failed" in problem.message


def run(*arguments: str, url: str) -> "subprocess.CompletedProcess[str]":
    """Run a command that is expected to end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")} | {
        "GATEWAY_REDIS_URL": url,
        "GATEWAY_ACCOUNT__BASE_URL": "http://127.0.0.1:9",
        "GATEWAY_ACCOUNT__TOKEN": "t",
    }
    return subprocess.run(
        [GATEWAY, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


async def test_commands(server: RedisServer, admin: Redis) -> None:
    """`serve` does not start with a wrong password, and `check` has a row for Redis; neither prints the password."""
    good = await asyncio.to_thread(run, "check", url=server.patient_url)
    assert good.stdout.splitlines()[0].split()[0::3] == ["redis", "ok:"], good.stdout
    await admin.config_set("requirepass", "secret")
    wrong = server.patient_url.replace("//", "//:wr0ng@")
    bad = await asyncio.to_thread(run, "check", url=wrong)
    assert bad.returncode == 1
    row, *sources = bad.stdout.splitlines()
    assert row.startswith("redis ")
    assert "Redis refuses the user name or the password" in row
    assert [source.split()[0] for source in sources] == ["account"]
    served = await asyncio.to_thread(run, "serve", "--http-port", "0", "--grpc-port", "off", url=wrong)
    assert (served.returncode, served.stdout) == (2, "")
    assert "GATEWAY_REDIS_URL: Redis refuses the user name or the password" in served.stderr
    for completed in (bad, served):
        assert "wr0ng" not in completed.stdout + completed.stderr
        assert "Traceback" not in completed.stderr
    malformed = await asyncio.to_thread(run, "serve", url="redis://:pa/wr0ng@127.0.0.1:1")
    assert malformed.returncode == 2
    assert "GATEWAY_REDIS_URL is not a URL of Redis" in malformed.stderr
    assert "wr0ng" not in malformed.stderr
