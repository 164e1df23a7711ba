"""The check of one source: its probes, its clock and its certificate."""

import asyncio
import ssl
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from gateway.app.checks.row import CheckRow, Problem
from gateway.errors import GatewayError, SourceCredentials
from gateway.users.probe import Probe, ProbeResponse
from gateway.users.source import Source

__all__ = ["CHANGES", "POLLING", "check_probe", "check_source", "clock_offset"]

CHANGES, POLLING = "changes", "polling"
_MAX_OFFSET = 5.0  # seconds
_EXPIRES_SOON = timedelta(days=14)
_CONNECT_TIMEOUT = 5.0  # seconds


async def check_source(source: Source, *, changes: bool) -> CheckRow:
    """Return the row of a source: whether users, what belongs to them, and `changes` of users are permitted."""
    first, *others = source.probes
    row = CheckRow(source.name, first.url)
    before = time.time()
    response = await _call(row, first)
    if response is None:
        return row
    row.calls_left = response.calls_left
    _check_clock(row, response.date, before, time.time())
    await _check_certificate(row)
    for probe in others:
        if probe.part != POLLING and (changes or probe.part != CHANGES):
            await _check_part(row, probe)
    return row


async def check_probe(name: str, probe: Probe) -> CheckRow:
    """Return the row of one probe."""
    row = CheckRow(name, probe.url)
    await _call(row, probe)
    return row


async def _call(row: CheckRow, probe: Probe) -> ProbeResponse | None:
    started = time.perf_counter()
    try:
        response = await probe.call()
        row.works.append(probe.part)
    except GatewayError as error:
        row.problems.append(Problem.of(probe, error))
        response = None
    row.latency = time.perf_counter() - started
    return response


async def _check_part(row: CheckRow, probe: Probe) -> None:
    """Add what a part of the source lacks. Only a refused credential is a failure: a server may not have each part."""
    try:
        await probe.call()
    except SourceCredentials as error:
        row.problems.append(Problem.of(probe, error))
    except GatewayError as error:
        row.notes.append(f"{probe.part}: {Problem.of(probe, error)}")
    else:
        row.works.append(probe.part)


def _check_clock(row: CheckRow, date: str | None, before: float, after: float) -> None:
    offset = clock_offset(date, before, after)
    if offset is None or abs(offset) <= _MAX_OFFSET:
        return
    direction = "ahead of" if offset > 0 else "behind"
    row.fail(
        "clock",
        f"its clock is {abs(offset):.0f} s {direction} the clock of this machine (header Date)",
        "correct the one that is wrong; tokens, webhooks and polling depend on both",
    )


def clock_offset(date: str | None, before: float, after: float) -> float | None:
    """Return by how many seconds the clock of a source is ahead, at least; 0.0 within what a `Date` can show.

    The header has whole seconds, and the response was made between `before` and `after`. None: there is no such header.
    """
    try:
        dated = None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        dated = None
    if dated is None:
        return None
    return max(dated - after, min(dated + 1 - before, 0.0))


async def _check_certificate(row: CheckRow) -> None:
    """Note a certificate that expires soon; one that is not valid has failed the first call."""
    url = urlsplit(row.url)
    if url.scheme != "https" or url.hostname is None:
        return
    expires = await _certificate_end(url.hostname, url.port or 443)
    if expires is None or (left := expires - datetime.now(UTC)) >= _EXPIRES_SOON:
        return
    row.notes.append(f"the certificate of {url.hostname} expires in {left.days} days, on {expires:%Y-%m-%d}")


async def _certificate_end(host: str, port: int) -> datetime | None:
    """Return when the certificate of a host expires; None if that cannot be found out."""
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    except OSError:
        return None
    try:
        certificate = writer.get_extra_info("peercert") or {}
        end = certificate.get("notAfter")
        return None if end is None else datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC)
    finally:
        writer.transport.abort()
