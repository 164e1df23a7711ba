"""Sends a change of a history over GraphQL and over gRPC, and builds the webhook of a change."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import grpc
from aiohttp import ClientSession
from faults.history import Change
from faults.replica import WEBHOOK_TOKEN, Replica
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from usergateway.v1 import users_pb2

__all__ = ["send_by_graphql", "send_by_grpc", "signed_webhook"]

Result = tuple[str | None, dict[str, Any]]
"""The id of the changed user, or None and the extensions of the error."""

_DOCUMENTS = {
    "account": "mutation ($id: ID!, $v: String!) { m: updateAccountUser(id: $id, input: {name: $v}) { sourceId } }",
    "softwareone": (
        "mutation ($id: ID!, $v: String!) { m: updateSoftwareOneUser(id: $id, input: {firstName: $v}) { sourceId } }"
    ),
    "reseller": (
        "mutation ($id: ID!, $v: String!) { m: updateResellerUser(id: $id, input: {company: $v}) { sourceId } }"
    ),
}
_CREATE = "mutation ($v: String!) { m: createAccountUser(input: {email: $v, name: $v}) { sourceId } }"
_METHODS = {
    "account": ("UpdateAccountUser", "name"),
    "softwareone": ("UpdateSoftwareOneUser", "first_name"),
    "reseller": ("UpdateResellerUser", "company"),
}


async def send_by_graphql(session: ClientSession, replica: Replica, change: Change, deadline: float) -> Result:
    """Send a change, which creates a user if it names none. `deadline` is in seconds.

    Raises:
        ClientError, TimeoutError, ConnectionError: there is no response.
    """
    variables = {"v": change.value} | ({"id": change.user} if change.user else {})
    headers = {"X-Request-Timeout": str(deadline)} | ({"Idempotency-Key": _key(change)} if change.keyed else {})
    body = {"query": _DOCUMENTS[change.source] if change.user else _CREATE, "variables": variables}
    async with session.post(f"{replica.url}/graphql", json=body, headers=headers) as response:
        answer = await response.json()
    record = (answer.get("data") or {}).get("m")
    assert record is not None or answer.get("errors"), f"{response.status} without data and errors: {answer}"
    return (None, answer["errors"][0]["extensions"]) if record is None else (record["sourceId"], {})


async def send_by_grpc(_session: ClientSession, replica: Replica, change: Change, deadline: float) -> Result:
    """Send an update. `deadline` is in seconds.

    Raises:
        TimeoutError: there is no response of the gateway.
    """
    method, field = _METHODS[change.source]
    request = getattr(users_pb2, f"{method}Request")(
        id=change.user, user={field: change.value}, request_id=_key(change) if change.keyed else ""
    )
    async with grpc.aio.insecure_channel(replica.grpc) as channel:
        call = channel.unary_unary(
            f"/usergateway.v1.UserService/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=users_pb2.User.FromString,
        )
        try:
            user = await call(request, timeout=deadline)
        except grpc.aio.AioRpcError as failure:
            status = rpc_status.from_call(failure)
            if status is None:
                raise TimeoutError from None
            info = error_details_pb2.ErrorInfo()
            status.details[0].Unpack(info)
            extensions: dict[str, Any] = {"code": info.reason, "outcome": info.metadata.get("outcome")}
            return None, extensions | {"retryable": info.metadata["retryable"] == "true"}
        return user.source_id, {}


def _key(change: Change) -> str:
    return f"key of {change.value}"


def signed_webhook(user: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a webhook of the reseller about a changed user."""
    now = datetime.now(UTC).isoformat()
    body = json.dumps({"event": "reseller.user.updated", "data": user, "triggeredAt": now}).encode()
    signature = base64.b64encode(hmac.digest(WEBHOOK_TOKEN.encode(), body, hashlib.sha256)).decode()
    return body, {"Webhook-Signature": signature}
