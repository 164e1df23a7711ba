"""The control API under `/_sandbox`: reads the call log and the stored users, plans faults, and sends webhooks."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from gateway.sandbox.calls import CallLog
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse, SimulatedApi
from gateway.sandbox.faults import FaultError, Faults
from gateway.sandbox.people import LANDMARKS
from gateway.sandbox.reseller.events import event_of
from gateway.sandbox.routes import Match, Routes
from gateway.sandbox.webhooks import Webhooks

__all__ = ["Control"]

Endpoint = Callable[[SandboxRequest, Mapping[str, str]], SandboxResponse]


class Control:
    """Handles requests to the control API; they are not logged and need no credentials."""

    def __init__(self, apis: Mapping[str, SimulatedApi], calls: CallLog, faults: Faults, webhooks: Webhooks) -> None:
        self._apis = apis
        self._webhooks = webhooks
        self._calls = calls
        self._faults = faults
        self._routes: Routes[Endpoint] = Routes()
        self._routes.add("GET", "/calls", lambda _request, _values: SandboxResponse.json(calls.as_json()))
        self._routes.add("DELETE", "/calls", lambda _request, _values: _done(calls.clear))
        self._routes.add("POST", "/faults", self._plan_fault)
        self._routes.add("DELETE", "/faults", lambda _request, _values: _done(faults.clear))
        self._routes.add("POST", "/webhooks", self._send_webhook)
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
            event = event_of(orjson.loads(request.body))
        except ValueError as error:
            return _error(400, str(error))
        self._webhooks.deliver(event)
        return SandboxResponse(204)

    def _stored_user(self, _: SandboxRequest, values: Mapping[str, str]) -> SandboxResponse:
        api = self._apis.get(values["source"])
        if api is None:
            return _error(404, f"Unknown source '{values['source']}'. Use one of {', '.join(self._apis)}.")
        stored_user: Any = api.stored_user(values["id"])
        if stored_user is None:
            return _error(404, f"No user '{values['id']}' in {values['source']}.")
        return SandboxResponse.json(stored_user)


def _done(action: Callable[[], None]) -> SandboxResponse:
    action()
    return SandboxResponse(204)


def _error(status: int, message: str) -> SandboxResponse:
    return SandboxResponse.json({"error": message}, status)
