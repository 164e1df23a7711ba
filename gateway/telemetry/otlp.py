"""What the exporters of traces and of metrics have in common: where they send, for which resource, and their failures.

The standard variables of OpenTelemetry apply (https://opentelemetry.io/docs/specs/otel/protocol/exporter/). Those that
decide whether and where something is sent are read here; the others, such as headers, timeouts, compression and
certificates, by the exporter itself. The SDK and the exporter are the extra `otel`: they are only imported where
something is exported.
"""

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit, urlunsplit

from gateway.kit.extras import require_extra

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

__all__ = ["PACKAGE", "ExportLog", "Signal", "export_interval", "gateway_version", "otlp_url", "resource"]

PACKAGE = "user-gateway"
"""The name of the distribution, and of the service unless `OTEL_SERVICE_NAME` is another one."""

_LOG = logging.getLogger("gateway.telemetry")
_PROTOCOL = "http/protobuf"
_DEFAULT_INTERVAL = "60000"
_DEFAULT_ENDPOINT = "http://localhost:4318"
_MAX_CAUSE = 300  # characters
_CREDENTIALS = re.compile(r"//[^/\s]*@")
_QUERY = re.compile(r"\?[^\s'\")]*")
_HEADER = re.compile(r"[!#-'*+.0-9A-Z^-z|~-]+[ \t]*=[ -!#-+\--:<-\[\]-~]*")
"""An entry of the variables for headers, as the exporter reads it; others it ignores, and logs with their value."""


class Signal(StrEnum):
    """A kind of telemetry, as OpenTelemetry names it in paths and variables."""

    TRACES = "traces"
    METRICS = "metrics"


def gateway_version() -> str:
    """Return the version of the gateway; empty where it is not installed as a distribution."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return ""


def otlp_url(signal: Signal, endpoint: str | None, variables: Mapping[str, str]) -> str | None:
    """Return the URL to which a signal is sent; None if it is not exported.

    `endpoint` is the base URL of the setting `otlp_endpoint`, and `variables` are those of OpenTelemetry that are set.
    The URL of one signal, `OTEL_EXPORTER_OTLP_<SIGNAL>_ENDPOINT`, is used as it is; `v1/<signal>` is appended to the
    others.

    Raises:
        ValueError: the signal is to be exported, and the SDK is not installed, the URL is none or one of a single
            signal, headers have no name, or the variables require a protocol other than http/protobuf.
    """
    name = signal.upper()
    exporters = [each.strip() for each in variables.get(f"OTEL_{name}_EXPORTER", "").lower().split(",") if each.strip()]
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or (exporters and "otlp" not in exporters):
        return None
    url = variables.get(variable := f"OTEL_EXPORTER_OTLP_{name}_ENDPOINT", "").strip()
    if not url:
        variable = "OTEL_EXPORTER_OTLP_ENDPOINT"
        base = endpoint or variables.get(variable, "").strip() or (_DEFAULT_ENDPOINT if exporters else None)
        if base is None:
            return None
        parts = urlsplit(base)
        path = parts.path.rstrip("/")
        if path.endswith(tuple(f"/v1/{each}" for each in Signal)):
            raise ValueError(f"The endpoint for OTLP has the path {path}: leave out /v1/…, which is appended")
        url = urlunsplit(parts._replace(path=f"{path}/v1/{signal}"))
    _require_url(variable, url)
    _require_headers(name, variables)
    _require_protocol(name, variables)
    require_extra(
        "otel",
        "Sending traces and metrics by OTLP",
        ", or unset GATEWAY_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    return url


def export_interval(variables: Mapping[str, str]) -> float:
    """Return the seconds between two exports of metrics, of `OTEL_METRIC_EXPORT_INTERVAL`.

    Raises:
        ValueError: it is no positive number of milliseconds.
    """
    text = variables.get("OTEL_METRIC_EXPORT_INTERVAL", _DEFAULT_INTERVAL)
    if not text.strip().isdecimal() or int(text) == 0:
        raise ValueError(f"OTEL_METRIC_EXPORT_INTERVAL is {text!r}: it has to be a positive number of milliseconds")
    return int(text) / 1000


def resource() -> "Resource":
    """Return the resource of all telemetry of this process: the service, its version, and one id for the process.

    `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` take precedence.
    """
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - the SDK is an extra

    defaults = {"service.name": PACKAGE, "service.version": gateway_version()}
    return Resource.create({**defaults, **OTELResourceDetector().detect().attributes})


class ExportLog(logging.Filter):
    """Logs once that the exports of a signal fail, and once that they succeed again.

        with ExportLog(Signal.METRICS, url, logger_of_exporter) as log:
            with log.exporting():
                ...
            log.note(succeeded=...)  # after each export

    The exporter logs each try and each failed export: inside the block, and until the last export has ended that it did
    not wait for, these messages are left out, and the first is the cause in the message here. No message contains the
    credentials or the query of the URL. Exports may be in several threads.
    """

    def __init__(self, signal: Signal, url: str, exporter: logging.Logger) -> None:
        super().__init__()
        self._signal = signal
        self._exporter = exporter
        parts = urlsplit(url)
        self._url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._cause = ""
        self._lock = threading.Lock()
        self._in_use = 0  # the block and the exports under way
        self.is_failing = False

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @contextmanager
    def exporting(self) -> Iterator[None]:
        """Leave out the messages of the exporter until the end of this block too, which is around an export."""
        self._begin()
        try:
            yield
        finally:
            self._end()

    def _begin(self) -> None:
        with self._lock:
            self._in_use += 1
            self._exporter.addFilter(self)  # once, however often it is added

    def _end(self) -> None:
        with self._lock:
            self._in_use -= 1
            if not self._in_use:
                self._exporter.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the first message about a failure as its cause, and pass none to the handlers."""
        if not self._cause:
            cause = _root_cause(record) or record.getMessage()
            # The exporter writes the URL in other forms than it was given, for example with more characters escaped.
            self._cause = _QUERY.sub("", _CREDENTIALS.sub("//", cause))[:_MAX_CAUSE]
        return False

    def note(self, *, succeeded: bool) -> None:
        """Log the result of an export if it differs from the last one."""
        with self._lock:
            differs, cause = succeeded is self.is_failing, self._cause
            self.is_failing, self._cause = not succeeded, ""
        if differs and succeeded:
            _LOG.info("the %s are sent to %s again", self._signal, self._url)
        elif differs:
            message = "sending the %s to %s failed, and is tried again without further messages: %s"
            _LOG.warning(message, self._signal, self._url, cause or "the exporter gives no cause")


def _require_url(variable: str, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{variable} is no URL with http:// or https:// and a host, such as {_DEFAULT_ENDPOINT}")


def _require_headers(name: str, variables: Mapping[str, str]) -> None:
    for variable in (f"OTEL_EXPORTER_OTLP_{name}_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"):
        entries = [entry.strip() for entry in variables.get(variable, "").split(",")]
        if not all(_HEADER.fullmatch(entry) for entry in entries if entry):
            raise ValueError(
                f"{variable} has an entry that is no header: write them as name=value,name=value, with the special "
                "characters of a value percent-encoded"
            )


def _root_cause(record: logging.LogRecord) -> str:
    """Return what went wrong in the words of the operating system, or those of the innermost exception; or nothing.

    The HTTP client wraps that in several exceptions, whose texts contain the `repr` of its objects.
    """
    logged: object = next((each for each in record.args or () if isinstance(each, BaseException)), None)
    if not isinstance(logged, BaseException):
        return ""
    error = logged
    while inner := error.__cause__ or error.__context__:
        error = inner
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error)


def _require_protocol(name: str, variables: Mapping[str, str]) -> None:
    for variable in (f"OTEL_EXPORTER_OTLP_{name}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = variables.get(variable)
        if protocol is not None:
            if protocol != _PROTOCOL:
                raise ValueError(
                    f"{variable} is {protocol}, and the gateway sends OTLP by {_PROTOCOL} alone: unset it, and use the "
                    "collector's port for HTTP, which is 4318 by default"
                )
            return
