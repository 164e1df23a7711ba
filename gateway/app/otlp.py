"""Sends telemetry by OTLP where the settings or OpenTelemetry's variables want that, for the command line.

A program that embeds the gateway exports its metrics and traces itself, by the SDK that it has configured.
"""

from contextlib import AbstractAsyncContextManager, nullcontext

from gateway.settings import Settings
from gateway.settings.opentelemetry import opentelemetry_variables
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.otlp import Signal, export_interval, otlp_url

__all__ = ["export_metrics"]


def export_metrics(settings: Settings, metrics: Metrics) -> AbstractAsyncContextManager[object]:
    """Return a block in which the metrics are sent, if they are to be sent.

    Raises:
        ValueError: they are, and what that needs is not installed, or a variable of OpenTelemetry has another value
            than the gateway supports.
    """
    variables = opentelemetry_variables()
    url = otlp_url(Signal.METRICS, str(settings.otlp_endpoint or "") or None, variables)
    if url is None:
        return nullcontext()
    from gateway.telemetry.otlp_metrics import MetricsExport  # noqa: PLC0415 - the SDK is an extra, and takes 20 MiB

    return MetricsExport(metrics, url, interval=export_interval(variables))
