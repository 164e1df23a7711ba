"""The reports of responses that are sent in chunks: each ends once, however the sending ends."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import suppress
from typing import Any

import pytest

from gateway.api.web.asgi import Asgi
from gateway.api.web.http import Route, WebRequest, WebResponse
from gateway.api.web.site import Site
from gateway.telemetry.report import CLIENT_LEFT, RequestReport
from gateway.telemetry.telemetry import Telemetry

SCOPE = {"type": "http", "method": "GET", "path": "/stream", "query_string": b"", "headers": []}


def site(*, breaks: bool = False) -> tuple[Asgi, Telemetry, list[RequestReport]]:
    """Return an application with one stream, and where its reports are collected."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        if breaks:
            raise ValueError("a defect")
        await asyncio.Event().wait()

    async def respond(_request: WebRequest) -> WebResponse:
        return WebResponse(200, chunks())

    reports: list[RequestReport] = []
    telemetry = Telemetry([reports.extend])
    site = Site([Route(("GET",), "/stream", respond)], telemetry=telemetry)
    return Asgi(lambda: site), telemetry, reports


async def receive() -> MutableMapping[str, Any]:
    """Wait for a client that stays."""
    await asyncio.Event().wait()
    return {}


async def test_a_client_that_leaves_before_the_first_chunk() -> None:
    """An ASGI server that cannot send the head any more ends the report."""
    app, telemetry, reports = site()

    async def send(_message: MutableMapping[str, Any]) -> None:
        raise OSError

    with suppress(OSError):
        await app(SCOPE, receive, send)
    telemetry.close()
    assert [report.status for report in reports] == [CLIENT_LEFT]
    assert telemetry.active["http"] == 0


@pytest.mark.parametrize("steps", range(6))
async def test_a_cancelled_stream(steps: int) -> None:
    """A stream that the ASGI server cancels has one report, whenever that happens."""
    app, telemetry, reports = site()

    async def send(_message: MutableMapping[str, Any]) -> None:
        await asyncio.sleep(0)

    task = asyncio.ensure_future(app(SCOPE, receive, send))
    await asyncio.sleep(0)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    telemetry.close()
    assert [report.status for report in reports] == [CLIENT_LEFT]
    assert telemetry.active["http"] == 0


async def test_a_defect_in_the_middle_of_a_stream() -> None:
    """A stream that breaks because of a defect is no client that left: its report has the code of a defect."""
    app, telemetry, reports = site(breaks=True)

    async def send(_message: MutableMapping[str, Any]) -> None:
        await asyncio.sleep(0)

    with suppress(ValueError):
        await app(SCOPE, receive, send)
    assert [(report.status, report.codes) for report in reports] == [(200, ("INTERNAL",))]
    assert telemetry.active["http"] == 0


def test_an_operation_that_a_defect_ends() -> None:
    """An operation that ends with an exception has the status and the code of a defect, and is no client that left."""
    reports: list[RequestReport] = []
    with suppress(ValueError), Telemetry([reports.extend]).reporting(RequestReport("python"), {}):
        raise ValueError
    assert [(report.status, report.codes) for report in reports] == [(500, ("INTERNAL",))]
