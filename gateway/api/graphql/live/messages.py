"""The messages of graphql-transport-ws, and the codes with which it closes a WebSocket.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson

from gateway.api.graphql.execution.request import RefusedError
from gateway.api.graphql.http.strict_json import parse_json

__all__ = [
    "ACK",
    "PING",
    "PROTOCOL",
    "CloseCode",
    "Message",
    "SocketClose",
    "complete",
    "error",
    "next_prefix",
    "pong",
    "read_message",
]

PROTOCOL = "graphql-transport-ws"
ACK = '{"type":"connection_ack"}'
PING = '{"type":"ping"}'

_MAX_ID_LENGTH = 256
_MAX_REASON_BYTES = 123  # RFC 6455, 5.5


class CloseCode(IntEnum):
    """Why a WebSocket is closed."""

    GOING_AWAY = 1001
    """The process stops: the client should reconnect."""

    POLICY_VIOLATION = 1008
    """The client sent too many messages before `connection_init`, or too many control frames."""

    TRY_AGAIN_LATER = 1013
    """The maximum of open connections is reached."""

    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    """The credential of the client was refused, or has expired."""

    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INITIALISATION_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    TOO_MANY_INITIALISATIONS = 4429
    NO_PONG = 4499
    """The client did not respond to a ping. The protocol has no code for this; its clients reconnect after 4499."""

    INTERNAL = 4500


class SocketClose(Exception):  # noqa: N818 - it is not always an error
    """Ends a WebSocket connection with that close code and reason; a reason that is too long is cut."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a client; `id` is empty if its type has none."""

    type: str
    id: str = ""
    payload: Any = None


_WITH_ID = frozenset({"subscribe", "complete"})
_WITH_OBJECT = frozenset({"connection_init", "ping", "pong"})


def read_message(text: str, limit: int) -> Message:
    """Parse a message of at most `limit` bytes.

    Raises:
        SocketClose: the message breaks the protocol.
    """
    if len(text) > limit or len(body := text.encode()) > limit:
        raise _invalid(f"A message must not have more than {limit} bytes.")
    try:
        sent = parse_json(body, "The message")
    except RefusedError as refused:
        raise _invalid(refused.error.message) from None
    if not isinstance(sent, dict):
        raise _invalid("A message must be a JSON object.")
    kind, operation_id, payload = sent.get("type"), sent.get("id"), sent.get("payload")
    if isinstance(kind, str) and kind in _WITH_OBJECT:
        if payload is not None and not isinstance(payload, dict):
            raise _invalid(f"The payload of {kind} must be an object.")
        return Message(kind, payload=payload)
    if not isinstance(kind, str) or kind not in _WITH_ID:
        raise _invalid("A message must have a `type` that clients may send.")
    if not isinstance(operation_id, str) or not 0 < len(operation_id) <= _MAX_ID_LENGTH:
        raise _invalid(f"The `id` of {kind} must be a string of 1 to {_MAX_ID_LENGTH} characters.")
    return Message(kind, operation_id, payload)


def pong(payload: Any) -> str:
    """Return the response to a ping, with its payload."""
    return orjson.dumps({"type": "pong"} | ({} if payload is None else {"payload": payload})).decode()


def next_prefix(id: str) -> str:
    """Return a `next` message up to its payload, which is the same for all clients; after the payload comes a brace."""
    return f'{{"id":{_json(id)},"type":"next","payload":'


def error(id: str, errors: str) -> str:
    """Return the message that ends an operation with errors, given as a JSON list."""
    return f'{{"id":{_json(id)},"type":"error","payload":{errors}}}'


def complete(id: str) -> str:
    """Return the message that ends an operation without errors."""
    return f'{{"id":{_json(id)},"type":"complete"}}'


def _json(id: str) -> str:
    return orjson.dumps(id).decode()


def _invalid(reason: str) -> SocketClose:
    return SocketClose(CloseCode.BAD_REQUEST, f"Invalid message received: {reason}")
