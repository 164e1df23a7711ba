"""`gateway status`: the status of a running gateway, as tables or as JSON."""

import argparse
import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from gateway.cli.subcommand import FAILED, Subcommand
from gateway.kit.source_titles import titled
from gateway.settings import Settings
from gateway.settings.options import SettingsError, add_options, load
from gateway.telemetry.figures import age, budget, counts, feed, kept_in_all, kept_row, milliseconds, rate, share, span
from gateway.telemetry.status import Process, SourceStatus, Status

__all__ = ["COMMAND"]

_TIMEOUT: Final = 10.0  # seconds
_MAX_BYTES: Final = 8 * 1024 * 1024
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - addresses to listen on
_LAST: Final = 5  # warnings that are printed


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="where the gateway serves /status [default: the admin port of the settings]")
    parser.add_argument("--json", action="store_true", help="print the status as one JSON object")
    add_options(parser, listed=False)


def _run(parsed: argparse.Namespace) -> int:
    url = _status_url(parsed.url) if parsed.url else _configured_url(load(parsed))
    try:
        body = _fetch(url)
        status = msgspec.json.decode(body, type=Status)
    except HTTPError as error:
        advice = ""
        if error.code == HTTPStatus.NOT_FOUND:
            advice = "; /status is served on GATEWAY_ADMIN_PORT, and without that in development alone"
        print(f"gateway: {url} responded with status {error.code}{advice}", file=sys.stderr)
        return FAILED
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        reason = (reason.strerror or reason) if isinstance(reason, OSError) else reason
        problem = f"could not be read ({reason})" if isinstance(error, OSError) else "is not the status of a gateway"
        print(f"gateway: {url} {problem}; start the gateway, or give its address by --url", file=sys.stderr)
        return FAILED
    print(body.decode() if parsed.json else _plain(_text(status)))
    return 0


def _configured_url(settings: Settings) -> str:
    """Return the address of the page as the settings have it.

    Raises:
        SettingsError: the port is only known to the process that uses it.
    """
    if settings.admin_port is None:
        host, port, name = settings.http_host, settings.http_port, "GATEWAY_HTTP_PORT"
    else:
        host, port, name = settings.admin_host, settings.admin_port, "GATEWAY_ADMIN_PORT"
    if not port:
        raise SettingsError(f"{name} is 0, a free port: give the address that the gateway printed by --url")
    host = _EVERYWHERE.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/status"


def _status_url(given: str) -> str:
    """Return the address of the page for a base URL, or for itself.

    Raises:
        SettingsError: it is no URL of HTTP.
    """
    parts = urlsplit(given if "//" in given else f"http://{given}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(f'--url: got "{given}"; it takes a URL, for example http://127.0.0.1:8001')
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/status')}/status"


def _fetch(url: str) -> bytes:
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the scheme has been checked
    with build_opener(ProxyHandler({})).open(request, timeout=_TIMEOUT) as response:
        body: bytes = response.read(_MAX_BYTES)
    return body


def _text(status: Status) -> str:
    parts = [
        _process(status.process),
        _table(
            "what is wrong now",
            ("what", "source", "since", "cause"),
            [
                (
                    each.state.replace("_", " "),
                    titled(each.source),
                    age(each.since, status.time),
                    f"{each.url}: {each.cause}" if each.url else each.cause,
                )
                for each in status.states
            ],
        ),
        _requests(status),
        _sources(status),
        _kept(status),
        _table(
            "callers, ten minutes",
            ("caller", "calls", "operations", "errors", "codes"),
            [
                (
                    each.caller,
                    counts({titled(name): count for name, count in each.calls.items()}),
                    f"{each.operations}",
                    f"{each.failed}",
                    counts(each.codes),
                )
                for each in status.callers
            ],
        ),
        _table(
            "operations, ten minutes",
            ("operation", "count", "errors", "median", "95 %", "codes"),
            [
                (
                    f"{each.kind} {each.operation}".strip(),
                    f"{each.count}",
                    f"{each.failed}",
                    milliseconds(each.median_ms),
                    milliseconds(each.p95_ms),
                    counts(each.codes),
                )
                for each in status.operations
            ],
        ),
        _table(
            "replicas",
            ("replica", "host", "version", "started"),
            [(each.replica, each.host, each.version, age(each.started, status.time)) for each in status.replicas or ()],
        ),
        _table(
            f"last warnings ({min(_LAST, len(status.warnings))} of {len(status.warnings)})",
            ("last", "times", "warning"),
            [(age(each.time, status.time), f"{each.count}", each.event) for each in status.warnings[:_LAST]],
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def _process(process: Process) -> str:
    return (
        f"{process.state}, version {process.version}, Python {process.python}, schema {process.schema}, "
        f"{process.environment}\nup for {span(process.uptime_seconds)} on {process.host}, replica {process.replica}"
    )


def _requests(status: Status) -> str:
    last, overhead = status.requests.last_minute, status.overhead.last_minute
    connections, loop = status.connections, status.event_loop
    return (
        f"requests of the last minute: {rate(last.per_second)}, {share(last.failed, last.count)} with errors, "
        f"median {milliseconds(last.median_ms)}, 95 % {milliseconds(last.p95_ms)}\n"
        f"without the time of sources: median {milliseconds(overhead.median_ms)}, "
        f"95 % {milliseconds(overhead.p95_ms)}\n"
        f"connections: {connections.http} of HTTP, {connections.live} live ones with {connections.live_operations} "
        f"operations\nevent loop late by {milliseconds(loop.lag_ms)}, at most {milliseconds(loop.longest_lag_ms)}"
    )


def _sources(status: Status) -> str:
    feeds = {each.source: feed(each) for each in status.feeds}
    table = _table(
        "sources, last minute",
        ("source", "circuit", "calls", "failed", "median", "95 %", "left now", "waiting", "changes"),
        [_source(source, feeds.get(source.name, "-")) for source in status.sources],
    )
    lines = [
        f"  {titled(each.name)} failed {age(each.last_failure.time, status.time)}: {each.last_failure.cause}"
        for each in status.sources
        if each.last_failure is not None
    ]
    lines += [f"  left out: {titled(each.name)} ({each.reason})" for each in status.left_out]
    return "\n".join([table, *lines] if table else lines)


def _kept(status: Status) -> str:
    if status.kept is None:
        return ""
    return _table(
        kept_in_all(status.kept),
        ("source", "hits", "reads", "changes", "shadow mode"),
        [(titled(each.source), *kept_row(each)) for each in status.kept.sources],
    )


def _source(source: SourceStatus, changes: str) -> tuple[str, ...]:
    last = source.calls.last_minute
    return (
        titled(source.name),
        source.circuit.replace("_", " "),
        rate(last.per_second),
        share(last.failed, last.count),
        milliseconds(last.median_ms),
        milliseconds(last.p95_ms),
        budget(source.budget),
        f"{source.budget.waiting}",
        changes,
    )


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with its title; nothing without rows."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in (headings, *rows)]
    return "\n".join([title, *(f"  {line.rstrip()}" for line in lines)])


def _plain(text: str) -> str:
    """Return the text without what a terminal would obey: names of callers are whatever their issuer has chosen."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


COMMAND = Subcommand(_add_arguments, _run)
