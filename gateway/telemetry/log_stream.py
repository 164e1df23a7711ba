"""The stream that the log of the process is written to, without making the event loop wait for its reader."""

import asyncio
import os
import select
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TextIO

from gateway.telemetry.log_fields import json_line, log_time

__all__ = ["LogStream"]

_MAX_WAITING = 1024 * 1024  # bytes
_PIECE = select.PIPE_BUF  # bytes that a pipe takes at once when it is ready
_RETRY = 0.05  # seconds
_CLOSE_TIMEOUT = 1.0  # seconds


class LogStream:
    """Writes text to a file descriptor at once if it can take it, else as soon as it can.

    A terminal that is stopped, or a pipe whose reader is slow, would block the process in the middle of a request. What
    cannot be written waits in memory, up to 1 MiB; after that lines are dropped, and their number is written when there
    is room again, as a record in the format of the log. The access log and the handlers of `logging` write to one
    stream, so their lines are in order.
    """

    def __init__(self, stream: TextIO, log_format: str = "text") -> None:
        self._format = log_format
        self._is_terminal = stream.isatty()
        self._descriptor = stream.fileno()
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self._incoming: deque[bytes] = deque()
        self._waiting = bytearray()
        self._dropped = 0
        self._lock = threading.Lock()  # exporters log in their threads
        self._timer: asyncio.TimerHandle | None = None

    def isatty(self) -> bool:
        """Return whether a terminal reads the stream."""
        return self._is_terminal

    def write(self, text: str | bytes) -> None:
        """Write whole lines."""
        self._incoming.append(text.encode(errors="backslashreplace") if isinstance(text, str) else text)
        self._write_incoming()
        if self._waiting:
            self._retry_later()

    def flush(self) -> None:
        """Do nothing: what can be written is written already."""

    def close(self) -> None:
        """Write what waits, if its reader takes it within a second."""
        self._write_incoming()
        with self._lock:
            while self._waiting and self._poll.poll(_CLOSE_TIMEOUT * 1000):
                self._write_waiting()

    def _write_incoming(self) -> None:
        """Write the lines that have come in, unless that is being done.

        It does not wait for the lock: while this thread holds it, the garbage collector may run a finalizer that logs,
        as that of a task does. Its lines are written by the loop that was interrupted.
        """
        while self._incoming and self._lock.acquire(blocking=False):
            try:
                while self._incoming:
                    line = self._incoming.popleft()
                    if self._waiting or self._dropped or not self._write_now(line):
                        self._write_or_keep(line)
            finally:
                self._lock.release()

    def _write_or_keep(self, line: bytes) -> None:
        if self._waiting:
            self._write_waiting()
        if len(self._waiting) + len(line) > _MAX_WAITING:
            self._dropped += line.count(b"\n")
            return
        if self._dropped and not self._waiting:
            self._waiting += self._note().encode()
            self._dropped = 0
        if self._waiting or not self._write_now(line):
            self._waiting += line
            self._write_waiting()

    def _note(self) -> str:
        event = f"{self._dropped} lines of the log were dropped: nobody read them in time"
        record = {"time": log_time(time.time()), "level": "warning", "logger": "gateway.log", "event": event}
        return f"{json_line(record) if self._format == 'json' else ' '.join(record.values())}\n"

    def _write_now(self, line: bytes) -> bool:
        """Write a short line in one piece; return whether that was possible."""
        if len(line) > _PIECE or not self._poll.poll(0):
            return False
        try:  # noqa: SIM105 - on the path of every request, where `suppress` is three more calls
            os.write(self._descriptor, line)
        except OSError:
            pass  # its reader has gone
        return True

    def _write_waiting(self) -> None:
        while self._waiting and self._poll.poll(0):
            try:
                written = os.write(self._descriptor, self._waiting[:_PIECE])
            except OSError:
                written = len(self._waiting)
            del self._waiting[:written]

    def _retry_later(self) -> None:
        if self._timer is None:
            with suppress(RuntimeError):  # no event loop runs in this thread: the next line is the next attempt
                self._timer = asyncio.get_running_loop().call_later(_RETRY, self._retry)

    def _retry(self) -> None:
        self._timer = None
        if self._lock.acquire(blocking=False):
            try:
                self._write_waiting()
            finally:
                self._lock.release()
            self._write_incoming()
        if self._waiting:
            self._retry_later()
