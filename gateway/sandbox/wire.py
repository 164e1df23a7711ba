"""Connects the simulated APIs to aiohttp: converts requests and responses, and applies planned faults."""

import asyncio
import contextlib
import logging
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import web

from gateway.sandbox.control import Control
from gateway.sandbox.exchange import SandboxRequest, SandboxResponse, SimulatedApi
from gateway.sandbox.faults import Fault
from gateway.sandbox.parts import SandboxParts

__all__ = ["MAX_BODY", "SandboxHandler"]

MAX_BODY = 16 * 1024 * 1024
"""The maximum size of a request body in bytes; it has to fit an icon."""

_LOG = logging.getLogger(__name__)
_WITHOUT_BODY = {204, 304}


class SandboxHandler:
    """Handles every request of an `aiohttp.web.Server`: routes it by the first segment of its path."""

    def __init__(self, parts: SandboxParts) -> None:
        self._apis = parts.apis
        self._calls = parts.calls
        self._faults = parts.faults
        self._webhooks = parts.webhooks
        self._clock = parts.clock
        self._control = Control(parts)
        self._under_way: set[asyncio.Task[object]] = set()

    async def aclose(self) -> None:
        """Cancel the requests under way, and wait for their ends: the server forgets those whose clients have left."""
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def __call__(self, http_request: web.BaseRequest) -> web.StreamResponse:
        """Return the response to one request."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for mypy
        self._under_way.add(task)
        try:
            return await self._respond(http_request)
        finally:
            self._under_way.discard(task)

    async def _respond(self, http_request: web.BaseRequest) -> web.StreamResponse:
        prefix, _, path = http_request.raw_path.partition("?")[0][1:].partition("/")
        request = await _read_request(http_request, f"/{path}")
        if prefix == "_sandbox":
            return _to_http(self._control.respond(request))
        api = self._apis.get(prefix)
        if api is None:
            return _to_http(SandboxResponse.json({"error": f"No such API: /{prefix}."}, 404))
        logged = self._calls.add(prefix, request)
        fault = self._faults.take(prefix, request.method, request.path)
        try:
            response = await (api.respond(request) if fault is None else _apply_fault(fault, api, request))
            self._add_date(response, fault)
        except Exception:  # noqa: BLE001 (the client gets a response whatever was raised)
            # A defect of the sandbox itself: logged with its stack, and a 500 for the client.
            _LOG.exception("The sandbox failed at %s %s", request.method, request.path)
            response = api.error_response(request, 500, None)
        hang_up = fault is not None and fault.kind in {"hangup-before", "hangup-after"}
        logged.status = None if hang_up or response is None else response.status
        if response is None:
            return _hang_up(http_request)
        if hang_up:
            http_response = _hang_up(http_request)
        elif fault is not None and fault.kind == "half-body":
            http_response = _send_half_body(http_request, response)
        else:
            http_response = _to_http(response)
        if response.event is not None:
            await _send_now(http_request, http_response)
            self._webhooks.deliver(response.event)
        return http_response

    def _add_date(self, response: SandboxResponse | None, fault: Fault | None) -> None:
        """Add the header `Date`, unless it is that of the machine, which the server adds."""
        ahead = fault.delay if fault is not None and fault.kind == "clock" else 0.0
        if response is not None and (ahead or self._clock.advanced):
            response.headers["Date"] = formatdate(self._clock.time() + ahead, usegmt=True)


async def _read_request(http_request: web.BaseRequest, path: str) -> SandboxRequest:
    return SandboxRequest(
        method=http_request.method,
        path=path,
        query=http_request.raw_path.partition("?")[2],
        headers={name.lower(): value for name, value in http_request.headers.items()},
        body=await http_request.read(),
        remote=http_request.remote or "",
    )


async def _apply_fault(  # noqa: PLR0911 - one for each kind
    fault: Fault, api: SimulatedApi, request: SandboxRequest
) -> SandboxResponse | None:
    match fault.kind:
        case "slow":
            return await api.respond(replace(request, delay=fault.delay))
        case "status":
            return api.error_response(request, fault.status, fault.retry_after)
        case "hangup-before":
            return None
        case "html":
            page = b"<!doctype html><title>Welcome</title><h1>It works!</h1>"
            return SandboxResponse(fault.status, page, {"Content-Type": "text/html; charset=utf-8"})
        case "other-api":
            return SandboxResponse.json({"service": "inventory", "status": "running", "version": "2.1"})
        case "redirect":
            return SandboxResponse(301, b"", {"Location": fault.location})
        case "clock":
            return await api.respond(request)  # its header `Date` is added later
        case "garbage":
            return SandboxResponse(200, b'{"data": [{"id": "', {"Content-Type": "application/json"})
        case _:
            return await api.respond(request)


def _to_http(response: SandboxResponse) -> web.Response:
    body = None if response.status in _WITHOUT_BODY else response.body
    return web.Response(status=response.status, body=body, headers=response.headers)


async def _send_now(http_request: web.BaseRequest, http_response: web.Response) -> None:
    # aiohttp would do the same after the handler. The event is delivered even if the client has disconnected.
    with contextlib.suppress(ConnectionError):
        await http_response.prepare(http_request)
        await http_response.write_eof()


def _hang_up(http_request: web.BaseRequest) -> web.Response:
    if isinstance(http_request.transport, asyncio.Transport):
        http_request.transport.abort()
    # aiohttp requires a response; it drops this one, since the connection is closed.
    return web.Response()


def _send_half_body(http_request: web.BaseRequest, response: SandboxResponse) -> web.Response:
    phrase = HTTPStatus(response.status).phrase
    lines = [f"HTTP/1.1 {response.status} {phrase}", f"Content-Length: {len(response.body) + 1}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    if http_request.transport is not None:
        http_request.transport.write(head + response.body[: len(response.body) // 2])
        http_request.transport.close()
    return web.Response()
