"""The status page: HTML without a script, from a `Status`."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.api.web.status.html import Html, element, joined
from gateway.api.web.status.parts import badge, failure_class, figure_list, table_of
from gateway.api.web.status.plots import count_plot, duration_plot
from gateway.kit.source_titles import titled
from gateway.telemetry.figures import age, budget, counts, feed, kept_in_all, kept_row, milliseconds, rate, share, span
from gateway.telemetry.status import (
    CallerStatus,
    FeedStatus,
    KeptStatus,
    OperationStatus,
    Process,
    Replica,
    SourceStatus,
    Status,
    TrafficStatus,
    WarningStatus,
)

__all__ = ["REFRESH", "Style", "page"]

REFRESH: Final = 10
"""Seconds after which the page loads itself again, unless somebody has stopped that."""

_SHEET: Final = Path(__file__).parent / "style.css"
_LATE_MS: Final = 100.0  # of the event loop


class Style:
    """The style of the page, and the policy that permits it by its hash, its fonts, and nothing else."""

    def __init__(self, fonts: str) -> None:
        """Read the style sheet. `fonts` are the rules that load fonts."""
        self.css = f"{fonts}\n{_SHEET.read_text()}"
        digest = b64encode(sha256(self.css.encode()).digest()).decode()
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; font-src 'self'; base-uri 'none'; "
            "frame-ancestors 'none'; form-action 'none'"
        )


def page(status: Status, style: Style, *, refresh: bool) -> str:
    """Return the page; `refresh`: it loads itself again every few seconds."""
    head = joined(
        element("title", f"Status: {status.process.state} · User gateway"),
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="refresh" content="{REFRESH}">') if refresh else None,
        element("style", Html(style.css)),
    )
    main = element(
        "main",
        _states(status),
        _requests(status),
        *(_source(source, _feed_of(source, status.feeds), status.time) for source in status.sources),
        _left_out(status),
        _kept(status.kept),
        _warnings(status.warnings, status.time),
        _callers(status.callers),
        _operations(status.operations),
        _replicas(status.replicas, status.process, status.time),
    )
    body = joined(_header(status.process), main, _footer(status, refresh=refresh))
    return f"<!doctype html>\n{element('html', element('head', head), element('body', body), lang='en')}\n"


def _header(process: Process) -> Html:
    facts = (
        f"{process.version}, Python {process.python}, schema {process.schema}, {process.environment}, "
        f"up for {span(process.uptime_seconds)} on {process.host}"
    )
    return element(
        "header", element("h1", "User gateway"), badge(process.state), element("span", facts, class_="quiet")
    )


def _footer(status: Status, *, refresh: bool) -> Html:
    loading = "stop loading the page again" if refresh else f"load the page again every {REFRESH} s"
    return element(
        "footer",
        element("span", "as of ", element("time", status.time, datetime=status.time), class_="quiet"),
        element("a", loading, href="status?refresh=off" if refresh else "status"),
        element("a", "JSON", href="status?format=json"),
        element("a", "metrics", href="metrics"),
    )


def _states(status: Status) -> Html | None:
    rows = [
        (
            element("span", each.state.replace("_", " "), class_="bad"),
            titled(each.source),
            element("time", age(each.since, status.time), datetime=each.since, title=each.since),
            f"{each.url}: {each.cause}" if each.url else each.cause,
        )
        for each in status.states
    ]
    if not rows:
        return None
    table = table_of(("what", "source", "since", "cause"), rows)
    return element("section", element("h2", "What is wrong now"), table, class_="wide", id_="states")


def _requests(status: Status) -> Html:
    last, connections, loop = status.requests.last_minute, status.connections, status.event_loop
    figures = [
        ("requests", rate(last.per_second), None),
        ("with errors", share(last.failed, last.count), failure_class(last.failed, last.count)),
        ("median", milliseconds(last.median_ms), None),
        ("95 %", milliseconds(last.p95_ms), None),
        ("95 % without sources", milliseconds(status.overhead.last_minute.p95_ms), None),
        ("connections", f"{connections.http}", None),
        ("live operations", f"{connections.live_operations}", None),
        ("event loop late", milliseconds(loop.lag_ms), "warn" if loop.lag_ms > _LATE_MS else None),
        ("longest in 10 min", milliseconds(loop.longest_lag_ms), "warn" if loop.longest_lag_ms > _LATE_MS else None),
    ]
    codes = element("p", element("span", "errors of ten minutes: ", class_="quiet"), counts(status.codes))
    return element(
        "section",
        element("div", element("h2", "Requests"), element("span", "last minute", class_="quiet"), class_="title"),
        figure_list(figures),
        element("div", *_plots(status.requests, status.time, "requests"), class_="plots"),
        codes if status.codes else None,
        class_="wide",
        id_="requests",
    )


def _source(source: SourceStatus, reported: FeedStatus | None, now: str) -> Html:
    last, left = source.calls.last_minute, source.budget
    figures = [
        ("calls", rate(last.per_second), None),
        ("failed", share(last.failed, last.count), failure_class(last.failed, last.count)),
        ("median", milliseconds(last.median_ms), None),
        ("95 %", milliseconds(last.p95_ms), None),
        ("calls left now", budget(left), "warn" if left.left == 0 else None),
        ("calls waiting", f"{left.waiting}", "warn" if left.waiting else None),
    ]
    if reported is not None:
        figures.append((reported.kind, feed(reported), "bad" if reported.result == "failed" else None))
    failure = source.last_failure
    last_failure = failure and element(
        "div",
        element("p", f"last failure, {age(failure.time, now)}: {failure.code}", class_="quiet"),
        element("code", failure.cause),
        class_="last",
    )
    circuit = f"circuit {source.circuit.replace('_', ' ')}"
    return element(
        "section",
        element("div", element("h2", titled(source.name)), badge(source.circuit, circuit), class_="title"),
        element("p", source.host, class_="host quiet"),
        figure_list(figures),
        *_plots(source.calls, now, "calls"),
        last_failure,
        id_=f"source-{source.name}",
    )


def _feed_of(source: SourceStatus, feeds: Iterable[FeedStatus]) -> FeedStatus | None:
    return next((each for each in feeds if each.source == source.name), None)


def _left_out(status: Status) -> Html | None:
    if not status.left_out:
        return None
    rows = [(titled(each.name), each.reason) for each in status.left_out]
    return element(
        "section", element("h2", "Sources that are left out"), table_of(("source", "reason"), rows), class_="wide"
    )


def _kept(kept: KeptStatus | None) -> Html | None:
    if kept is None or not kept.sources:
        return None
    rows = [(titled(each.source), *kept_row(each)) for each in kept.sources]
    table = table_of(("source", "hits", "reads", "changes", "shadow mode"), rows, numbers={"hits"})
    return element(
        "section",
        element(
            "div",
            element("h2", "Kept records"),
            element("span", f"since the start; {kept_in_all(kept)}", class_="quiet"),
            class_="title",
        ),
        table,
        class_="wide",
        id_="kept",
    )


def _warnings(warnings: Sequence[WarningStatus], now: str) -> Html:
    rows = [
        (
            element("time", age(warning.time, now), datetime=warning.time, title=warning.time),
            badge(warning.level),
            _warning_text(warning),
            f"{warning.count}",
        )
        for warning in warnings
    ]
    table = table_of(("last", "level", "warning", "times"), rows, numbers={"times"})
    none = element("p", "none", class_="quiet")
    return element("section", element("h2", "Last warnings"), table if rows else none, class_="wide", id_="warnings")


def _warning_text(warning: WarningStatus) -> Html:
    fields = " ".join(f"{name}={value}" for name, value in warning.fields.items())
    return element("div", warning.event, element("code", fields, class_="fields quiet") if fields else None)


def _callers(callers: Sequence[CallerStatus]) -> Html:
    rows = [
        (
            caller.caller,
            f"{sum(caller.calls.values())}",
            counts({titled(name): count for name, count in caller.calls.items()}),
            f"{caller.operations}",
            f"{caller.failed}",
            counts(caller.codes),
        )
        for caller in callers
    ]
    headings = ("caller", "calls", "by source", "operations", "with errors", "codes")
    return _section_of("callers", "Callers by their calls to sources", headings, rows)


def _operations(operations: Sequence[OperationStatus]) -> Html:
    rows = [
        (
            f"{each.kind} {each.operation}".strip(),
            f"{each.count}",
            f"{each.failed}",
            milliseconds(each.median_ms),
            milliseconds(each.p95_ms),
            counts(each.codes),
        )
        for each in operations
    ]
    headings = ("operation", "operations", "with errors", "median", "95 %", "codes")
    return _section_of("operations", "Operations that fail most, then the slowest", headings, rows)


def _section_of(id_: str, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    numbers = {"calls", "operations", "with errors", "median", "95 %"}
    none = element("p", "none in the last ten minutes", class_="quiet")
    return element(
        "section",
        element("div", element("h2", title), element("span", "ten minutes", class_="quiet"), class_="title"),
        table_of(headings, rows, numbers=numbers) if rows else none,
        class_="wide",
        id_=id_,
    )


def _replicas(replicas: Sequence[Replica] | None, process: Process, now: str) -> Html | None:
    if replicas is None:
        return None
    rows = [
        (
            f"{each.replica}{' (this one)' if each.replica == process.replica else ''}",
            each.host,
            each.version,
            age(each.started, now),
        )
        for each in replicas
    ]
    table = table_of(("replica", "host", "version", "started"), rows)
    return element("section", element("h2", "Replicas"), table, class_="wide", id_="replicas")


def _plots(traffic: TrafficStatus, now: str, noun: str) -> tuple[Html, Html]:
    return count_plot(traffic.intervals, now, noun), duration_plot(traffic.intervals, now)
