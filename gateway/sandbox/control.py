"""The control API under `/_sandbox`: calls, faults, webhooks, records and the time."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from gateway.sandbox.exchange import SandboxRequest, SandboxResponse
from gateway.sandbox.faults import FaultError
from gateway.sandbox.parts import SandboxParts
from gateway.sandbox.people import LANDMARKS
from gateway.sandbox.reseller.events import event_of
from gateway.sandbox.routes import Match, Routes
from gateway.sandbox.seeding import SeedError

__all__ = ["Control"]

Endpoint = Callable[[SandboxRequest, Mapping[str, str]], SandboxResponse]


class Control:
    """Handles requests to the control API; they are not logged and need no credentials."""

    def __init__(self, parts: SandboxParts) -> None:
        self._apis = parts.apis
        self._webhooks = parts.webhooks
        self._faults = parts.faults
        self._seeding = parts.seeding
        self._clock = parts.clock
        self._tokens = parts.tokens
        self._routes: Routes[Endpoint] = Routes()
        self._routes.add("GET", "/calls", lambda _request, _values: SandboxResponse.json(parts.calls.as_json()))
        self._routes.add("DELETE", "/calls", lambda _request, _values: _done(parts.calls.clear))
        self._routes.add("POST", "/faults", self._plan_fault)
        self._routes.add("DELETE", "/faults", lambda _request, _values: _done(parts.faults.clear))
        self._routes.add("POST", "/webhooks", self._send_webhook)
        self._routes.add("POST", "/records", self._add_record)
        self._routes.add("POST", "/clock", self._advance)
        self._routes.add("POST", "/tokens", self._change_token)
        self._routes.add("GET", "/state/{source}/users/{id}", self._stored_user)
        self._routes.add("GET", "/people", lambda _request, _values: SandboxResponse.json(LANDMARKS))

    def respond(self, request: SandboxRequest) -> SandboxResponse:
        """Return the response to a request; an error has one sentence that explains it."""
        found = self._routes.find(request.method, request.path)
        if isinstance(found, Match):
            return found.handler(request, found.values)
        if found:
            return _error(405, f"{request.path} supports only {', '.join(sorted(found))}.")
        return _error(404, f"No such endpoint: /_sandbox{request.path}.")

    def _plan_fault(self, request: SandboxRequest, _: Mapping[str, str]) -> SandboxResponse:
        try:
            self._faults.plan(orjson.loads(request.body))
        except orjson.JSONDecodeError as error:
            return _error(400, f"The body must be JSON: {error}.")
        except FaultError as error:
            return _error(400, str(error))
        return SandboxResponse(204)

    def _send_webhook(self, request: SandboxRequest, _: Mapping[str, str]) -> SandboxResponse:
        """Send `event` and `data` as a webhook, for example of a user of another reseller of the vendor's account."""
        try:
            event = event_of(orjson.loads(request.body), self._clock.now())
        except ValueError as error:
            return _error(400, str(error))
        self._webhooks.deliver(event)
        return SandboxResponse(204)

    def _add_record(self, request: SandboxRequest, _: Mapping[str, str]) -> SandboxResponse:
        """Add a record, with its `kind` and its fields, and return its id in the source."""
        try:
            return SandboxResponse.json({"id": self._seeding.add_json(request.body)}, 201)
        except SeedError as error:
            return _error(400, str(error))

    def _advance(self, request: SandboxRequest, _: Mapping[str, str]) -> SandboxResponse:
        """Let `advance` seconds pass."""
        try:
            self._clock.advance(orjson.loads(request.body)["advance"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _error(400, 'The body must be a JSON object with a number of seconds, such as {"advance": 60}.')
        except ValueError as error:
            return _error(400, str(error))
        return SandboxResponse(204)

    def _change_token(self, request: SandboxRequest, _: Mapping[str, str]) -> SandboxResponse:
        """Let a `source` accept a `token` from now on, or refuse it if `accepted` is false."""
        match _decoded(request.body):
            case {"source": str(source), "token": str(token), **more} if source in self._apis:
                change = self._tokens.refuse if more.get("accepted") is False else self._tokens.accept
                change(source, token)
                return SandboxResponse(204)
        return _error(400, f"The body must be a JSON object with a `token` and a `source` of {', '.join(self._apis)}.")

    def _stored_user(self, _: SandboxRequest, values: Mapping[str, str]) -> SandboxResponse:
        api = self._apis.get(values["source"])
        if api is None:
            return _error(404, f"Unknown source '{values['source']}'. Use one of {', '.join(self._apis)}.")
        stored_user: Any = api.stored_user(values["id"])
        if stored_user is None:
            return _error(404, f"No user '{values['id']}' in {values['source']}.")
        return SandboxResponse.json(stored_user)


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _done(action: Callable[[], None]) -> SandboxResponse:
    action()
    return SandboxResponse(204)


def _error(status: int, message: str) -> SandboxResponse:
    return SandboxResponse.json({"error": message}, status)
