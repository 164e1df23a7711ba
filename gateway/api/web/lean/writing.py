"""The head of an answer as bytes."""

import time
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

__all__ = ["BODILESS", "CHUNKED", "CLOSE", "CONTINUE", "KEEP_ALIVE", "LAST_CHUNK", "chunk", "head"]

BODILESS = frozenset({204, 304})
"""Statuses whose answers have no body, nor a length of one."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
CLOSE = "Connection: close\r\n"
KEEP_ALIVE = "Connection: keep-alive\r\n"


def head(status: int, headers: Sequence[tuple[str, str]], framing: str) -> bytes:
    """The lines before a body; `framing` are those that tell where it ends, and what becomes of the connection.

    Raises:
        ValueError: there is a line break in a header.
    """
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") != len(headers) or fields.count("\r") != len(headers):
        raise ValueError("a line break in a header")
    text = f"{_status_line(status)}{fields}{_date(int(time.time()))}{framing}\r\n"
    return text.encode("utf-8", "surrogateescape")  # what a request's own bytes are told with


def chunk(data: bytes) -> bytes:
    """A chunk of a body whose length nobody knows yet. It is not empty: that would be the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    return f"HTTP/1.1 {status} {phrase}\r\n"


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"
