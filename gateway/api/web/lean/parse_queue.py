"""Shares the event loop between the WebSockets of a server whose clients send many frames."""

import asyncio
import time
from collections import OrderedDict
from typing import Protocol

__all__ = ["ParseQueue"]

_SECONDS = 0.005  # of one iteration of the event loop


class _Parsing(Protocol):
    def parse_piece(self) -> bool:
        """Parse the next bytes; return whether more can be parsed."""


class ParseQueue:
    """The WebSockets whose bytes wait to be parsed: piece by piece, in rotation, a few ms in each loop iteration.

    A frame of six bytes takes the parser as long as one of a kilobyte. Without the queue, what one read from a socket
    returns could occupy the event loop for half a second.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[_Parsing, None] = OrderedDict()
        self._is_scheduled = False

    def add(self, socket: _Parsing) -> None:
        """Let a WebSocket parse its bytes soon."""
        self._waiting[socket] = None
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._is_scheduled = False
        waiting, end = self._waiting, time.perf_counter() + _SECONDS
        try:
            while waiting and time.perf_counter() < end:
                socket, _ = waiting.popitem(last=False)
                if socket.parse_piece():
                    waiting[socket] = None
        finally:  # a defect with one WebSocket does not stop the others
            if waiting:
                self._schedule()
