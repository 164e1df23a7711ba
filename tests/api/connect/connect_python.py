"""Makes calls with connect-python's client at a base URL, and prints what it gets; a process of its own."""

# ruff: noqa: T201 - it prints what the test compares

import asyncio
import sys
from typing import Any

from connectrpc.client import ConnectClient, ResponseMetadata
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType

from usergateway.v1 import users_pb2 as v1

SERVICE = "usergateway.v1.UserService"


def method_info(*described: Any) -> Any:
    """Return a method for the client: its name, the types of its messages, its idempotency and its kind."""
    name, request, response, level, kind = described
    return MethodInfo(
        name=name, service_name=SERVICE, input=request, output=response, idempotency_level=level, stream_type=kind
    )


READ, OTHER = IdempotencyLevel.NO_SIDE_EFFECTS, IdempotencyLevel.UNKNOWN
GET_USER = method_info("GetUser", v1.GetUserRequest, v1.User, READ, StreamType.UNARY)
UPDATE = method_info("UpdateAccountUser", v1.UpdateAccountUserRequest, v1.User, OTHER, StreamType.UNARY)
WATCH = method_info("WatchUsers", v1.WatchUsersRequest, v1.UserEvent, OTHER, StreamType.SERVER_STREAM)


async def main() -> None:
    """Read, get an error, and watch, in both forms."""
    ada = v1.GetUserRequest(id="acus_adalovelace1", source=v1.USER_SOURCE_ACCOUNT)
    for codec in (google_protobuf_binary_codec(), google_protobuf_json_codec()):
        client = ConnectClient(sys.argv[1], codec=codec)
        for use_get in (False, True):
            with ResponseMetadata() as received:
                user = await client.execute_unary(request=ada, method=GET_USER, use_get=use_get)
            print(user.name, received.trailers["x-request-id"] == received.headers["x-request-id"])
        try:
            refused = v1.UpdateAccountUserRequest(id=ada.id, user=v1.AccountUserChange(email="no"))
            await client.execute_unary(request=refused, method=UPDATE)
        except ConnectError as error:
            print(error.code.name, *(detail.type_name for detail in error.details))
        watching = asyncio.create_task(first_event(client))
        change = v1.UpdateAccountUserRequest(id=ada.id, user=v1.AccountUserChange(name="Ada Lovelace"))
        while not watching.done():  # the client does not report when the stream has begun
            await client.execute_unary(request=change, method=UPDATE)
            await asyncio.sleep(0.05)
        print(await watching)


async def first_event(client: ConnectClient) -> str:
    """Return the name of the user of the first event."""
    async for event in client.execute_server_stream(request=v1.WatchUsersRequest(), method=WATCH):
        return str(event.user.name)
    return ""


asyncio.run(main())
