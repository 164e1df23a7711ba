"""The simulated sources, as they run in a thread."""

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from gateway.sandbox import SandboxOptions, SandboxServer
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.parts import SandboxParts
from gateway.testing.clock import AdjustableClock
from gateway.testing.source_requests import with_token
from gateway.testing.thread import LoopThread
from gateway.users.model import UserSource

__all__ = ["Simulation"]

_Result = TypeVar("_Result")
_FIRST_ERROR = 400


class Simulation:
    """Runs the server of the simulated sources in a thread, and reaches its parts from any other thread."""

    def __init__(self, options: SandboxOptions, clock: AdjustableClock) -> None:
        self._server = SandboxServer(options, clock)
        self._thread: LoopThread | None = None

    def start(self) -> None:
        """Start the sources."""
        if self._thread is not None:
            raise RuntimeError("The sandbox is running already.")
        thread = LoopThread("gateway sandbox", self._server)
        thread.start()
        self._thread = thread

    def stop(self) -> None:
        """Stop the sources, if they are running."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    @property
    def server(self) -> SandboxServer:
        """The server.

        Raises:
            RuntimeError: it is not running.
        """
        _ = self._running
        return self._server

    def call(self, function: Callable[[SandboxParts], _Result]) -> _Result:
        """Call a function with the parts, in their thread, and return its result."""
        parts = self.server.parts
        return self._running.call(lambda: function(parts))

    def submit(self, coroutine: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        """Run a coroutine in the event loop of the sources."""
        return self._running.submit(coroutine)

    def request(self, request: SandboxRequest, source: UserSource) -> SandboxResponse:
        """Send a request to a source as another client of it.

        Raises:
            ValueError: the source refused it; the message is its response.
        """

        async def respond(parts: SandboxParts) -> SandboxResponse:
            authorized = with_token(request, parts.tokens.other_client)
            response = await parts.apis[source].respond(authorized)
            if response.event is not None:
                parts.webhooks.deliver(response.event)
            return response

        response = self.submit(respond(self.server.parts)).result()
        if response.status >= _FIRST_ERROR:
            raise ValueError(f"The source responded with {response.status}: {response.body.decode()}")
        return response

    @property
    def _running(self) -> LoopThread:
        if self._thread is None:
            raise RuntimeError("The sandbox is not running: use it inside `async with Sandbox() as sandbox:`.")
        return self._thread
