"""A transport that records the calls to the real sources once, and replays them offline."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from gateway.errors import GatewayError, Outcome, SourceInvalidResponse, SourceTimeout, SourceUnavailable
from gateway.sources.http.clients import CLIENTS
from gateway.sources.http.exchange import Request, Response, Transport, TransportLimits
from gateway.testing.recorded_calls import (
    RecordedCall,
    RecordedResponse,
    Redact,
    load,
    recorded_request,
    recorded_response,
    save,
)

__all__ = ["RecordingTransport"]

_ERRORS = {kind.__name__: kind for kind in (SourceUnavailable, SourceTimeout, SourceInvalidResponse)}


class RecordingTransport:
    """Records the calls of a gateway to its sources in a file, and replays them from there.

        Gateway(settings, transport=RecordingTransport("a_user.json"))

    `mode` is `record`, `replay`, or `auto`: replay if there is a file, otherwise record. In a replay there is no
    connection to anything, and any token will do. A request is found by its source, method, path, query and body; equal
    requests get the recorded responses in order, and after the last one that one again.

    The file has no base URL, no header of a request, and of the headers of a response only those that the gateway
    reads. The credentials of the request and the values of fields and parameters that are named like a secret are
    removed from everything. `redact` removes more from each text, for example personal data.
    """

    path: Path
    replays: bool

    def __init__(
        self, path: Path | str, *, mode: Literal["auto", "record", "replay"] = "auto", redact: Redact | None = None
    ) -> None:
        self.path = Path(path)
        self.replays = mode == "replay" or (mode == "auto" and self.path.exists())
        """Whether calls are replayed, and not sent."""
        self._redact = redact or (lambda text: text)
        self._calls: list[RecordedCall] = self._load() if self.replays else []
        self._responses: dict[str, list[RecordedResponse]] = defaultdict(list)
        for call in self._calls:
            self._responses[call.key].append(call.response)

    def __call__(self, _source: str, limits: TransportLimits, /) -> Transport:
        """Return the transport of one source: the gateway calls this."""
        if self.replays:
            return _Replay(self._find)
        return _Recorder(CLIENTS["aiohttp"](limits), self._add, self.save)

    def _find(self, request: Request) -> RecordedResponse:
        """Return the recorded response to a request.

        Raises:
            SourceInvalidResponse: there is none.
        """
        found = self._responses.get(recorded_request(request, self._redact).key)
        if not found:
            path = recorded_request(request, self._redact).path
            raise SourceInvalidResponse(
                f"{self.path} has no response to {request.method} {path} of {request.source}. "
                "Delete the file to record the calls again."
            )
        return found.pop(0) if len(found) > 1 else found[0]

    def _add(self, request: Request, result: Response | GatewayError) -> None:
        """Add a call to the recording."""
        response = (
            recorded_response(request, result, self._redact)
            if isinstance(result, Response)
            else RecordedResponse(error=_error_name(result), is_unknown=result.outcome is not None)
        )
        self._calls.append(replace(recorded_request(request, self._redact), response=response))

    def save(self) -> None:
        """Write the file, which is done whenever a gateway closes the transport of a source."""
        if self._calls:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(save(self._calls))

    def _load(self) -> list[RecordedCall]:
        try:
            return load(self.path.read_bytes())
        except FileNotFoundError:
            raise FileNotFoundError(f"There is no recording {self.path}: record it first, by mode='record'.") from None
        except ValueError as error:
            raise ValueError(f"{self.path} cannot be replayed: {error}. Delete it to record the calls again.") from None


def _error_name(error: GatewayError) -> str:
    """Return the name of the public class of an error of a transport."""
    return next(name for name, kind in _ERRORS.items() if isinstance(error, kind))


class _Recorder:
    """Sends requests by another transport, and records them."""

    def __init__(
        self, transport: Transport, add: Callable[[Request, Response | GatewayError], None], save: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._add = add
        self._save = save

    async def send(self, request: Request) -> Response:
        try:
            response = await self._transport.send(request)
        except GatewayError as error:
            self._add(request, error)
            raise
        self._add(request, response)
        return response

    async def aclose(self) -> None:
        await self._transport.aclose()
        self._save()


class _Replay:
    """Returns recorded responses."""

    def __init__(self, find: Callable[[Request], RecordedResponse]) -> None:
        self._find = find

    async def send(self, request: Request) -> Response:
        recorded = self._find(request)
        outcome = Outcome.UNKNOWN if recorded.is_unknown else None
        # A change that was not sent may be repeated: with an error, it was sent only if its outcome is unknown.
        if request.on_write is not None and (recorded.error is None or outcome is not None or not request.writes):
            request.on_write()
        if recorded.error is not None:
            raise _ERRORS[recorded.error](f"The recorded call ended with {recorded.error}.", outcome=outcome)
        return recorded.to_response()

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""
