"""Sources of users, and the HTTP clients by which they are called. Part of the public API.

An embedding program passes a source of its own to `Gateway(sources=…)`, and an HTTP client to `Gateway(transport=…)`.
"""

from gateway.calls import CallKind, Endpoint
from gateway.sources.http.exchange import (
    Content,
    Multipart,
    Part,
    Request,
    Response,
    ResultObserver,
    Transport,
    TransportFactory,
    TransportLimits,
)
from gateway.users.icons import IconRules
from gateway.users.ids import Kind, Ref
from gateway.users.probe import Probe, ProbeResponse
from gateway.users.source import (
    CompletingSource,
    CreatingSource,
    Directory,
    IconSource,
    Page,
    Source,
    UserQuery,
    Window,
)
from gateway.users.source_changes import PolledSource, SourceChanges

__all__ = [
    "CallKind",
    "CompletingSource",
    "Content",
    "CreatingSource",
    "Directory",
    "Endpoint",
    "IconRules",
    "IconSource",
    "Kind",
    "Multipart",
    "Page",
    "Part",
    "PolledSource",
    "Probe",
    "ProbeResponse",
    "Ref",
    "Request",
    "Response",
    "ResultObserver",
    "Source",
    "SourceChanges",
    "Transport",
    "TransportFactory",
    "TransportLimits",
    "UserQuery",
    "Window",
]
