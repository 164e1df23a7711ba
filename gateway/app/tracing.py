"""Decides whether spans are made, and where they go."""

from contextlib import AsyncExitStack

from opentelemetry.trace import ProxyTracerProvider, TracerProvider, get_tracer_provider

from gateway.settings import Settings
from gateway.settings.opentelemetry import opentelemetry_variables
from gateway.telemetry.otlp import Signal, gateway_version, otlp_url
from gateway.telemetry.tracing import Tracing

__all__ = ["open_tracing"]

_MAX_FLUSH = 5.0  # seconds that a stop waits until the last spans are sent


def open_tracing(settings: Settings, stack: AsyncExitStack) -> Tracing | None:
    """Return the tracing of a gateway; `stack` sends the last spans. None: no spans are made.

    Spans are sent by OTLP where an endpoint is set. Otherwise they go to the tracer provider of the embedding program,
    if it has set one by now.

    Raises:
        ValueError: an endpoint is set, and OpenTelemetry's SDK is not installed.
    """
    provider = _exporting(settings, stack) or _embedding()
    return None if provider is None else Tracing(provider, gateway_version())


def _exporting(settings: Settings, stack: AsyncExitStack) -> TracerProvider | None:
    variables = opentelemetry_variables()
    endpoint = None if settings.otlp_endpoint is None else str(settings.otlp_endpoint)
    url = otlp_url(Signal.TRACES, endpoint, variables)
    if url is None:
        return None
    from gateway.telemetry.span_export import SpanExport  # noqa: PLC0415 - the SDK is an extra

    export = SpanExport(url, None if "OTEL_TRACES_SAMPLER" in variables else settings.trace_ratio)
    stack.push_async_callback(export.aclose, _MAX_FLUSH)
    return export.provider


def _embedding() -> TracerProvider | None:
    provider = get_tracer_provider()
    return None if isinstance(provider, ProxyTracerProvider) else provider
