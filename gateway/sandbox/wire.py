"""The side that touches sockets: requests become calls, answers become responses or accidents."""

import asyncio
import contextlib
import logging
from dataclasses import replace
from http import HTTPStatus

from aiohttp import web

from gateway.sandbox.calls import CallLog
from gateway.sandbox.control import Control
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse, System
from gateway.sandbox.faults import Fault, Faults
from gateway.sandbox.webhooks import Webhooks

__all__ = ["LARGEST_BODY", "SandboxWire"]

LARGEST_BODY = 16 * 1024 * 1024
"""The longest request body in bytes; icons are the reason that it is so long."""

_LOG = logging.getLogger(__name__)
_WITHOUT_BODY = {204, 304}


class SandboxWire:
    """The handler of every request, for `aiohttp.web.Server`."""

    def __init__(self, systems: dict[str, System], calls: CallLog, faults: Faults, webhooks: Webhooks) -> None:
        self._systems = systems
        self._calls = calls
        self._faults = faults
        self._webhooks = webhooks
        self._control = Control(systems, calls, faults)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        prefix, _, path = request.raw_path.partition("?")[0][1:].partition("/")
        call = await _call(request, f"/{path}")
        if prefix == "_sandbox":
            return _response(self._control.answer(call))
        system = self._systems.get(prefix)
        if system is None:
            return _response(SandboxResponse.json({"error": f"There is nothing at /{prefix}."}, 404))
        logged = self._calls.add(prefix, call)
        fault = self._faults.take(prefix, call.method, call.path)
        try:
            answer = await (system.answer(call) if fault is None else _suffer(fault, system, call))
        except Exception:  # noqa: BLE001 (whatever it is, the caller shall get an answer)
            # A defect of the sandbox itself: loud in the log, and an honest 500 for whoever called.
            _LOG.exception("The sandbox failed at %s %s", call.method, call.path)
            answer = system.failure(call, 500, None)
        cut = fault is not None and fault.kind in {"hangup-before", "hangup-after"}
        logged.status = None if cut or answer is None else answer.status
        if answer is None:
            return _hang_up(request)
        if cut:
            response = _hang_up(request)
        elif fault is not None and fault.kind == "half-body":
            response = _send_half(request, answer)
        else:
            response = _response(answer)
        if answer.event is not None:
            await _give(request, response)
            self._webhooks.tell(answer.event)
        return response


async def _call(request: web.BaseRequest, path: str) -> SandboxRequest:
    return SandboxRequest(
        method=request.method,
        path=path,
        query=request.raw_path.partition("?")[2],
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.read(),
        remote=request.remote or "",
    )


async def _suffer(fault: Fault, system: System, call: SandboxRequest) -> SandboxResponse | None:
    match fault.kind:
        case "slow":
            return await system.answer(replace(call, delay=fault.delay))
        case "status":
            return system.failure(call, fault.status, fault.retry_after)
        case "hangup-before":
            return None
        case "html":
            page = b"<!doctype html><title>Welcome</title><h1>It works!</h1>"
            return SandboxResponse(200, page, {"Content-Type": "text/html; charset=utf-8"})
        case "garbage":
            return SandboxResponse(200, b'{"data": [{"id": "', {"Content-Type": "application/json"})
        case _:
            return await system.answer(call)


def _response(answer: SandboxResponse) -> web.Response:
    body = None if answer.status in _WITHOUT_BODY else answer.body
    return web.Response(status=answer.status, body=body, headers=answer.headers)


async def _give(request: web.BaseRequest, response: web.Response) -> None:
    # aiohttp would do the same after the handler; whoever has left does not keep the others from being told.
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        await response.write_eof()


def _hang_up(request: web.BaseRequest) -> web.Response:
    if isinstance(request.transport, asyncio.Transport):
        request.transport.abort()
    # aiohttp wants a response; with the line gone it is dropped.
    return web.Response()


def _send_half(request: web.BaseRequest, answer: SandboxResponse) -> web.Response:
    phrase = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {phrase}", f"Content-Length: {len(answer.body) + 1}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    if request.transport is not None:
        request.transport.write(head + answer.body[: len(answer.body) // 2])
        request.transport.close()
    return web.Response()
