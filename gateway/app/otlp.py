"""Sends telemetry by OTLP where the settings or OpenTelemetry's variables want that, for the command line.

A program that embeds the gateway exports its metrics and traces itself, by the SDK that it has configured.
"""

import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext

from gateway.settings import Settings
from gateway.settings.opentelemetry import opentelemetry_variables
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.otlp import Signal, export_interval, otlp_url
from gateway.telemetry.tracing import Tracing

__all__ = ["export_metrics", "export_spans"]

_LOG = logging.getLogger("gateway.telemetry")
_SUPPORTED = {
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "cumulative",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "explicit_bucket_histogram",
}
_PROPAGATORS = frozenset({"tracecontext", "baggage"})  # the default of OpenTelemetry; baggage is not sent to sources
_EXPORTERS = frozenset({"otlp", "none", "prometheus"})  # the last one is `/metrics`


def export_metrics(settings: Settings, metrics: Metrics) -> AbstractAsyncContextManager[object]:
    """Return a block in which the metrics are sent, if they are to be sent.

    Raises:
        ValueError: they are, and what that needs is not installed, or a variable of OpenTelemetry has another value
            than the gateway supports.
    """
    variables = opentelemetry_variables()
    url = _url(Signal.METRICS, settings, variables)
    if url is None:
        return nullcontext()
    for name, supported in _SUPPORTED.items():
        if variables.get(name, supported).lower() != supported:
            _LOG.warning("%s is %s, and has no effect: the gateway sends %s", name, variables[name], supported)
    from gateway.telemetry.otlp_metrics import MetricsExport  # noqa: PLC0415 - the SDK is an extra, and takes 20 MiB

    return MetricsExport(metrics, url, interval=export_interval(variables))


def export_spans(settings: Settings) -> AbstractAsyncContextManager[Tracing | None]:
    """Return a block in which spans are sent, if they are to be sent; its value makes them.

    Raises:
        ValueError: as `export_metrics`.
    """
    variables = opentelemetry_variables()
    url = _url(Signal.TRACES, settings, variables)
    if url is None:
        return nullcontext()
    propagators = variables.get("OTEL_PROPAGATORS", "tracecontext")
    if not {each.strip() for each in propagators.split(",")} <= _PROPAGATORS:
        message = "OTEL_PROPAGATORS is %s, and has no effect: the gateway reads and sends W3C Trace Context"
        _LOG.warning(message, propagators)
    from gateway.telemetry.span_export import SpanExport  # noqa: PLC0415 - as above

    return SpanExport(url, None if "OTEL_TRACES_SAMPLER" in variables else settings.trace_ratio)


def _url(signal: Signal, settings: Settings, variables: Mapping[str, str]) -> str | None:
    exporters = variables.get(name := f"OTEL_{signal.upper()}_EXPORTER", "otlp")
    if not {each.strip() for each in exporters.lower().split(",")} <= _EXPORTERS:
        _LOG.warning("%s is %s: the gateway has the exporter otlp alone", name, exporters)
    return otlp_url(signal, settings.otlp_endpoint, variables)
