"""Builds what is reported of requests out of the settings."""

from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

from gateway.settings import Settings
from gateway.telemetry.access_log import AccessLog, Write
from gateway.telemetry.history import History
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.otlp import gateway_version
from gateway.telemetry.request_metrics import RequestMetrics
from gateway.telemetry.telemetry import Sink, Telemetry
from gateway.telemetry.tracing import Tracing

__all__ = ["build_telemetry", "embedded_tracing"]


def build_telemetry(
    settings: Settings, metrics: Metrics, history: History, write_access: Write, gateway: object
) -> Telemetry:
    """Build the telemetry of one gateway, for which any object stands: `gateway`.

    `write_access` writes the lines of the access log.
    """
    sinks: list[Sink] = [RequestMetrics(metrics)]
    if settings.serves_status:
        sinks.append(history)
    if settings.access_log != "off":
        sample, slow = settings.access_log_sample, settings.access_log_slow
        sinks.append(AccessLog(settings.access_log, write_access, sample=sample, slow=slow))
    return Telemetry(sinks, gateway)


def embedded_tracing() -> Tracing | None:
    """Build the tracing by the tracer provider that the embedding program has set; None without one."""
    provider = get_tracer_provider()
    if isinstance(provider, ProxyTracerProvider):  # what OpenTelemetry returns until one is set
        return None
    return Tracing(provider, gateway_version())
