"""The body of a response with a stream of events."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

from gateway.api.connect.codecs import Codec
from gateway.api.connect.envelopes import end_of_stream, envelope
from gateway.api.grpc.calls import Call
from gateway.api.grpc.errors import RpcCode
from gateway.errors import SourceTimeout
from gateway.kit.tasks import cancel_and_wait

__all__ = ["EventBody"]


class EventBody:
    """Passes the messages of a stream from the task that writes them to the server, one at a time.

    It is the `EventWriter` of that task, and the iterable body of the response. `leave` is called at its end.
    """

    def __init__(
        self,
        call: Call,
        codec: Codec,
        leave: Callable[[Call], None],
        *,
        may_compress: bool,
    ) -> None:
        self._call = call
        self._codec = codec
        self._leave = leave
        self._may_compress = may_compress
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._begun: asyncio.Future[Sequence[tuple[str, str]]] = asyncio.get_running_loop().create_future()
        self._writing: asyncio.Task[None] | None = None

    async def start(self, watch: Callable[[], Awaitable[None]]) -> tuple[tuple[str, str], ...]:
        """Start the stream that `watch` writes until it raises the reason of the end; return its header fields.

        Raises:
            GatewayError: it was refused.
        """
        self._writing = writing = asyncio.create_task(self._write_all(watch))
        try:
            awaited: set[asyncio.Future[Any]] = {self._begun, writing}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if not self._begun.done():
                await writing
            return tuple(self._begun.result())
        except BaseException:
            await cancel_and_wait(writing)
            raise

    async def begin(self, headers: Sequence[tuple[str, str]]) -> None:
        self._begun.set_result(headers)

    async def write(self, message: Any) -> None:
        await self._chunks.put(envelope(self._codec.write(message), may_compress=self._may_compress))

    async def _write_all(self, watch: Callable[[], Awaitable[None]]) -> None:
        """Write the stream, and its end."""
        call = self._call
        status = None
        try:
            async with asyncio.timeout(call.timeout):
                await watch()
        except Exception as error:
            if not self._begun.done():
                raise
            past = isinstance(error, TimeoutError)
            status = call.failed(SourceTimeout("The deadline of the call has passed.") if past else error)
        code = RpcCode.OK if status is None else RpcCode(status.code)
        call.report.status, call.report.http_status = code.name, 200
        await self._chunks.put(end_of_stream(call.all_trailers(), status))
        await self._chunks.put(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._chunks.get()
        if chunk is None:
            self._leave(self._call)
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """End the stream: the client has disconnected, or the response was sent."""
        try:
            if self._writing is not None:
                await cancel_and_wait(self._writing)
        finally:
            self._leave(self._call)
