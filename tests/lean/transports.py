"""A transport that keeps what is written to it, for protocols without a network."""

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

__all__ = ["RecordingTransport"]


class RecordingTransport(asyncio.Transport):
    """Keeps what is written; reading goes on although it is paused, since nothing here waits for a client."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__({"peername": ("192.0.2.1", 1), "socket": connected})
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_reading(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0
