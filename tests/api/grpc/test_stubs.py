"""The package `usergateway`: what a client in Python imports."""

import asyncio
import json
import re
import subprocess
import sys
from typing import Any

import grpc
import pytest
from conftest import ROOT
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from usergateway.v1 import users_pb2 as v1
from usergateway.v1 import users_pb2_grpc

_METHODS = v1.DESCRIPTOR.services_by_name["UserService"].methods_by_name


def test_the_stubs_need_no_server() -> None:
    """Importing the stubs imports nothing of the gateway, and none of the libraries that only the server needs."""
    program = "import sys; from usergateway.v1 import users_pb2_grpc; print(*sys.modules)"
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(completed.stdout.split())
    assert {"grpc", "google.protobuf", "google.rpc.status_pb2"} <= imported
    assert imported & {"gateway", "aiohttp", "msgspec", "pydantic", "redis", "strawberry"} == set()


def test_the_stubs_name_what_they_need() -> None:
    """Without grpc, importing the package fails with the command that installs it: there is another package `grpc`."""
    program = "import sys, importlib.util as util; util.find_spec = lambda name: None; import usergateway"
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert completed.stderr.splitlines()[-1].endswith("not installed: pip install 'user-gateway[grpc]'")


async def test_asynchronous_calls(world: Any) -> None:
    """The stub of an asyncio channel makes calls, and receives a stream."""
    service = users_pb2_grpc.UserServiceStub(world.channel)
    events = service.WatchUsers(v1.WatchUsersRequest(sources=[v1.USER_SOURCE_ACCOUNT]))
    await events.initial_metadata()
    await service.UpdateAccountUser(v1.UpdateAccountUserRequest(id="acus_adalovelace1", user={"name": "Ada King"}))
    event = await anext(aiter(events))
    assert (event.change, event.user.name) == (v1.USER_CHANGE_UPDATED, "Ada King")
    events.cancel()


async def test_blocking_calls(world: Any) -> None:
    """The stub of a blocking channel makes calls, and the details of a failure can be read with grpcio-status."""

    def calls() -> tuple[v1.User, list[str]]:
        with grpc.insecure_channel(world.server.address) as channel:
            service = users_pb2_grpc.UserServiceStub(channel)
            user = service.GetUser(v1.GetUserRequest(id="acus_adalovelace1", source=v1.USER_SOURCE_ACCOUNT), timeout=30)
            with pytest.raises(grpc.RpcError) as raised:
                service.UpdateAccountUser(v1.UpdateAccountUserRequest(id=user.id, user={"email": "no"}), timeout=30)
            status = rpc_status.from_call(raised.value)
            bad = error_details_pb2.BadRequest()
            [detail] = [detail for detail in status.details if detail.Is(bad.DESCRIPTOR)]
            detail.Unpack(bad)
            return user, [violation.field for violation in bad.field_violations]

    user, fields = await asyncio.to_thread(calls)
    assert (user.name, fields) == ("Ada Lovelace", ["user.email"])


async def test_the_documented_retries(open_world: Any) -> None:
    """With the service configuration of docs/grpc.md, a client repeats a call that the gateway could not execute."""
    [configuration] = re.findall(r"```json example\n(.*?)```", (ROOT / "docs/grpc.md").read_text(), re.DOTALL)
    [policy] = json.loads(configuration)["methodConfig"]
    methods = {name["method"] for name in policy["name"]}
    reads = {name for name in _METHODS if name.startswith(("Get", "List", "Find"))}
    assert methods == reads, "a change must not be repeated without its request_id"
    options = [("grpc.service_config", configuration)]
    async with open_world(account={"max_attempts": 1}) as world:
        for repeated in (None, options):
            await world.fault(source="account", kind="status", status=503, times=1)
            await world.forget()
            async with grpc.aio.insecure_channel(world.server.address, options=repeated) as channel:
                service = users_pb2_grpc.UserServiceStub(channel)
                call = service.GetUser(v1.GetUserRequest(id="acus_adalovelace1", source=v1.USER_SOURCE_ACCOUNT))
                assert await call.code() is (grpc.StatusCode.OK if repeated else grpc.StatusCode.UNAVAILABLE)
            assert len(await world.calls("account")) == (2 if repeated else 1)
