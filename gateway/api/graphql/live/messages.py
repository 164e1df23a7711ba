"""The messages of graphql-transport-ws, and the codes that it closes a socket with.

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
    "next_head",
    "pong",
    "read_message",
]

PROTOCOL = "graphql-transport-ws"
ACK = '{"type":"connection_ack"}'
PING = '{"type":"ping"}'

_LONGEST_ID = 256
_LONGEST_REASON = 123  # bytes: RFC 6455, 5.5


class CloseCode(IntEnum):
    """Why a socket is closed."""

    GOING_AWAY = 1001
    """The process stops: connect again."""

    TRY_AGAIN_LATER = 1013
    """There are as many connections as there may be."""

    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    """Also where what the client came with has expired."""

    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INITIALISATION_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    TOO_MANY_INITIALISATIONS = 4429
    SILENT = 4499
    """The client answered no ping. The protocol has no code for it; its clients connect again after this one."""

    INTERNAL = 4500


class SocketClose(Exception):  # noqa: N818 - read in `except`
    """The socket is to be closed."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:_LONGEST_REASON].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Message:
    """What a client said; `id` is empty where its type has none."""

    type: str
    id: str = ""
    payload: Any = None


_WITH_ID = frozenset({"subscribe", "complete"})
_WITH_OBJECT = frozenset({"connection_init", "ping", "pong"})


def read_message(text: str, most: int) -> Message:
    """The message in a text of no more than `most` bytes.

    Raises:
        Ending: it is none.
    """
    if len(text) > most or len(body := text.encode()) > most:
        raise _invalid(f"A message has no more than {most} bytes.")
    try:
        sent = parse_json(body, "The message")
    except RefusedError as refused:
        raise _invalid(refused.error.message) from None
    if not isinstance(sent, dict):
        raise _invalid("A message is a JSON object.")
    kind, name, payload = sent.get("type"), sent.get("id"), sent.get("payload")
    if isinstance(kind, str) and kind in _WITH_OBJECT:
        if payload is not None and not isinstance(payload, dict):
            raise _invalid(f"The payload of a {kind} is an object.")
        return Message(kind, payload=payload)
    if not isinstance(kind, str) or kind not in _WITH_ID:
        raise _invalid("A message has a `type` that a client may send.")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_ID:
        raise _invalid(f"A {kind} has an `id`, a string of up to {_LONGEST_ID} characters.")
    return Message(kind, name, payload)


def pong(payload: Any) -> str:
    """The answer to a ping."""
    return orjson.dumps({"type": "pong"} | ({} if payload is None else {"payload": payload})).decode()


def next_head(id: str) -> str:
    """A `next` up to its payload, which is the same for everybody; a brace ends it."""
    return f'{{"id":{_text(id)},"type":"next","payload":'


def error(id: str, errors: str) -> str:
    """The end of an operation, with the list of its errors as JSON."""
    return f'{{"id":{_text(id)},"type":"error","payload":{errors}}}'


def complete(id: str) -> str:
    """The end of an operation."""
    return f'{{"id":{_text(id)},"type":"complete"}}'


def _text(id: str) -> str:
    return orjson.dumps(id).decode()


def _invalid(why: str) -> SocketClose:
    return SocketClose(CloseCode.BAD_REQUEST, f"Invalid message received: {why}")
