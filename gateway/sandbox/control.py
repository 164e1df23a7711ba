"""The control API under `/_sandbox`: look at calls and state, plan trouble."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from gateway.sandbox.calls import CallLog
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse, System
from gateway.sandbox.faults import FaultError, Faults
from gateway.sandbox.people import LANDMARKS
from gateway.sandbox.routes import Match, Routes

__all__ = ["Control"]

Endpoint = Callable[[SandboxRequest, Mapping[str, str]], SandboxResponse]


class Control:
    """Answers the control calls; these are not logged and need no credentials."""

    def __init__(self, systems: Mapping[str, System], calls: CallLog, faults: Faults) -> None:
        self._systems = systems
        self._calls = calls
        self._faults = faults
        self._routes: Routes[Endpoint] = Routes()
        self._routes.add("GET", "/calls", lambda _call, _values: SandboxResponse.json(calls.documents()))
        self._routes.add("DELETE", "/calls", lambda _call, _values: _done(calls.clear))
        self._routes.add("POST", "/faults", self._plan)
        self._routes.add("DELETE", "/faults", lambda _call, _values: _done(faults.clear))
        self._routes.add("GET", "/state/{source}/users/{id}", self._state)
        self._routes.add("GET", "/people", lambda _call, _values: SandboxResponse.json(LANDMARKS))

    def answer(self, call: SandboxRequest) -> SandboxResponse:
        """Answer a control call; a mistake gets a sentence that says what is wrong."""
        found = self._routes.find(call.method, call.path)
        if isinstance(found, Match):
            return found.handler(call, found.values)
        if found:
            return _mistake(405, f"{call.path} takes {', '.join(sorted(found))}.")
        return _mistake(404, f"There is nothing at /_sandbox{call.path}.")

    def _plan(self, call: SandboxRequest, _: Mapping[str, str]) -> SandboxResponse:
        try:
            self._faults.plan(orjson.loads(call.body))
        except orjson.JSONDecodeError as error:
            return _mistake(400, f"The body must be JSON: {error}.")
        except FaultError as error:
            return _mistake(400, str(error))
        return SandboxResponse(204)

    def _state(self, _: SandboxRequest, values: Mapping[str, str]) -> SandboxResponse:
        system = self._systems.get(values["source"])
        if system is None:
            return _mistake(404, f"There is no source '{values['source']}'; there are {', '.join(self._systems)}.")
        record: Any = system.record(values["id"])
        if record is None:
            return _mistake(404, f"{values['source']} has no user '{values['id']}'.")
        return SandboxResponse.json(record)


def _done(action: Callable[[], None]) -> SandboxResponse:
    action()
    return SandboxResponse(204)


def _mistake(status: int, sentence: str) -> SandboxResponse:
    return SandboxResponse.json({"error": sentence}, status)
