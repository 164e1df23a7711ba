"""A client in Node with @grpc/grpc-js, which loads the .proto, calls all methods."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway import Gateway
from gateway.api.grpc.proto_files import proto_files
from gateway.testing import Sandbox

HERE = Path(__file__).parent / "node"


@dataclass(frozen=True, slots=True)
class Node:
    """Node with the packages of the client, and the folder of the .proto with its imports."""

    program: Path
    protos: Path


@pytest.fixture(scope="session")
def node(node_in: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Node, with what `gateway proto` writes."""
    folder = tmp_path_factory.mktemp("protos")
    for name, text in proto_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Node(node_in(HERE), folder)


async def call_from_node(node: Node, address: str, steps: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return the results of the calls in Node, each with a method, its request and perhaps metadata."""
    process = await asyncio.create_subprocess_exec(
        *(str(node.program), "client.mjs", address, str(node.protos)),
        cwd=HERE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(json.dumps(steps).encode())
    assert process.returncode == 0
    results: list[Any] = json.loads(out)
    return results


@asynccontextmanager
async def watching(node: Node, address: str, **request: Any) -> AsyncIterator[asyncio.StreamReader]:
    """Stream events in Node until the block ends, and return its output lines."""
    process = await asyncio.create_subprocess_exec(
        *(str(node.program), "watch.mjs", address, str(node.protos), json.dumps(request)),
        cwd=HERE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            yield process.stdout
            process.stdin.close()
            assert json.loads((await process.stdout.read()).splitlines()[-1]) == {"ended": "CANCELLED"}
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_four_changes(world: Any, node: Node) -> None:
    """Node makes the four changes; each sends values, null and absent fields to its source."""
    results = await call_from_node(
        node,
        world.server.address,
        [
            ("CreateAccountUser", {"user": {"email": "node@example.com", "name": "Node"}, "request_id": "from-node"}),
            ("CreateAccountUser", {"user": {"email": "node@example.com", "name": "Node"}, "request_id": "from-node"}),
            (
                "UpdateAccountUser",
                {
                    "id": "acus_adalovelace1",
                    "user": {"name": "Ada N."},
                    "update_mask": {"paths": ["name", "department_id"]},
                },
            ),
            (
                "UpdateSoftwareOneUser",
                {
                    "id": "USR-0000-0001",
                    "user": {
                        "first_name": "Augusta",
                        "icon": {"content": "GIF89a", "filename": "a.png", "content_type": "image/gif"},
                    },
                },
            ),
            (
                "UpdateResellerUser",
                {"id": "00000000-0000-4000-8000-000000000001", "user": {"company": "Engines", "last_name": ""}},
            ),
        ],
    )
    assert [result.get("error") for result in results] == [None] * 5
    created, again, ada, market, reseller = (result["answer"] for result in results)
    assert created == again
    assert results[1]["trailers"]["idempotency-replayed"] == "true"
    assert (ada["name"], ada.get("department")) == ("Ada N.", None)
    assert (market["first_name"], market["source"]) == ("Augusta", "USER_SOURCE_SOFTWAREONE")
    assert reseller["company"] == "Engines"
    bodies = [call["body"] for call in await world.calls() if call["method"] != "GET"]
    assert json.loads(bodies[1]) == {"name": "Ada N.", "department_id": None}
    assert [part["name"] for part in bodies[2]] == ["icon", "user"]
    assert json.loads(bodies[3]) == {"company": "Engines", "lastName": ""}


async def test_every_read(world: Any, node: Node) -> None:
    """Node calls all methods that read, and can read the details of an error."""
    results = await call_from_node(
        node,
        world.server.address,
        [
            ("GetUser", {"id": "acus_adalovelace1", "source": "USER_SOURCE_ACCOUNT", "view": "VIEW_FULL"}),
            ("ListUsers", {"page_size": 3, "filter": {"sources": ["USER_SOURCE_RESELLER"]}}),
            ("FindPerson", {"email": "ada.lovelace@example.com", "read_mask": {"paths": ["name", "source"]}}),
            ("GetRole", {"id": "rl_admin0000000"}),
            ("ListRoles", {"page_size": 2}),
            ("GetDepartment", {"id": "dp_assembly0000"}),
            ("ListDepartments", {"page_size": 2}),
            ("UpdateAccountUser", {"id": "acus_adalovelace1", "user": {"email": "no"}}),
        ],
    )
    *reads, refused = results
    assert [result.get("error") for result in reads] == [None] * 7
    user, page, person, role, roles, department, departments = (result["answer"] for result in reads)
    assert reads[0]["trailers"]["x-request-id"] == "node-GetUser"
    assert user["role"]["owner"]["type"] == "OWNER_TYPE_SYSTEM"
    assert user["department"]["location"]["name"]
    assert (len(page["users"]), bool(page["next_page_token"])) == (3, True)
    assert len(person["users"]) > 1
    assert role["permissions"]["nodes"]
    assert (len(roles["roles"]), len(departments["departments"])) == (2, 2)
    assert department["name"] == "Assembly"
    error = refused["error"]
    assert (error["code"], error["details"]["ErrorInfo"]["reason"]) == ("INVALID_ARGUMENT", "BAD_USER_INPUT")
    assert error["details"]["BadRequest"]["field_violations"][0]["field"] == "user.email"


async def test_kept_records(gateway_sandbox: Sandbox, node: Node) -> None:
    """Node states what it accepts of kept users in the metadata, and reads in the trailers what it was given."""
    ada = {"id": "acus_adalovelace1", "source": "USER_SOURCE_ACCOUNT"}
    settings = gateway_sandbox.settings(keep_mode="on", account={"max_attempts": 1})
    async with Gateway(settings, clock=gateway_sandbox.clock) as gateway:
        server = await gateway.serve_grpc()
        assert server is not None
        try:
            forbidden = {"cache-control": "only-if-cached"}
            steps = [("GetUser", ada, forbidden), ("GetUser", ada), ("GetUser", ada, forbidden)]
            refused, read, kept = await call_from_node(node, server.address, steps)
            gateway_sandbox.advance(60)
            [stale] = await call_from_node(node, server.address, [("GetUser", ada, {"cache-control": "max-stale=120"})])
        finally:
            await server.stop(0)
    assert refused["error"]["details"]["ErrorInfo"]["reason"] == "SOURCE_UNAVAILABLE"
    assert read["answer"] == kept["answer"] == stale["answer"]
    assert kept["trailers"]["cache-status"].startswith("usergateway; hit; ttl=")
    assert "freshness" not in kept
    [named] = stale["freshness"]["stale"]
    assert (named["source"], named["id"]) == ("USER_SOURCE_ACCOUNT", read["answer"]["id"])
    assert (named["age"], named["reason"]) == (60, "revalidating")


async def test_a_watch(world: Any, node: Node) -> None:
    """Node receives events of changes by gRPC and GraphQL, and resumes after the first with its token."""
    async with watching(node, world.server.address, sources=["USER_SOURCE_RESELLER"]) as lines:
        assert json.loads(await lines.readline())["begun"]["usergateway-resume-token"]
        change = {"id": "00000000-0000-4000-8000-000000000001", "user": {"company": "Engines"}}
        [created] = await call_from_node(node, world.server.address, [("UpdateResellerUser", change)])
        result = await world.gateway.execute(
            'mutation($id: ID!) { updateResellerUser(id: $id, input: {company: "Looms"}) { id } }',
            {"id": created["answer"]["id"]},
        )
        assert result.errors is None
        events = [json.loads(await lines.readline())["event"] for _ in range(2)]
    assert events[0]["user"] == created["answer"]
    assert [(event["change"], event["user"]["company"]) for event in events] == [
        ("USER_CHANGE_UPDATED", "Engines"),
        ("USER_CHANGE_UPDATED", "Looms"),
    ]
    async with watching(node, world.server.address, resume_token=events[0]["resume_token"]) as lines:
        await lines.readline()
        assert json.loads(await lines.readline())["event"] == events[1]
