"""Builds the surfaces of a gateway: its HTTP routes, and its gRPC server."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.api.graphql.graphiql.page import GraphiQL
from gateway.api.graphql.http.endpoint import GraphQLEndpoint
from gateway.api.graphql.http.options import EndpointOptions
from gateway.api.graphql.http.parsing import RequestLimits
from gateway.api.graphql.http.response import StatusProfile
from gateway.api.graphql.http.uploads import UploadLimits
from gateway.api.web.cors import Cors
from gateway.api.web.http import Route
from gateway.api.web.icon import icon_route
from gateway.api.web.site import Site
from gateway.app.change_intake import build_webhooks
from gateway.app.file_limit import file_limit, grpc_connection_limit
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.parts import Parts
from gateway.app.pictures import build_pictures_route
from gateway.kit.extras import has_extra, require_extra
from gateway.settings import Settings
from gateway.telemetry.telemetry import Telemetry

if TYPE_CHECKING:  # it is only imported where gRPC is enabled
    from gateway.api.grpc.server import RunningGrpcServer

__all__ = ["build_site", "serve_grpc"]


def build_site(
    settings: Settings,
    parts: Parts,
    *,
    cors: Cors,
    observer: MetricsObserver,
    telemetry: Telemetry,
    more: Sequence[Route] = (),
) -> Site:
    """Build the routes of everything that is served over HTTP on the port of the API, and `more` of them."""
    uploads = UploadLimits(file=settings.softwareone.icon_bytes)
    options = EndpointOptions(
        RequestLimits(settings.max_body_bytes, uploads, settings.request_timeout),
        StatusProfile(settings.status_profile),
        preflight=settings.preflight,
        cors=cors,
    )
    with_page = settings.in_development if settings.graphiql is None else settings.graphiql
    graphiql = GraphiQL(credentials=settings.auth.headers) if with_page else None
    endpoint = GraphQLEndpoint(parts.executor, parts.incoming, parts.live, options, graphiql=graphiql)
    return Site(
        [
            *endpoint.routes(),
            icon_route(graphiql.icon if graphiql else None),
            build_pictures_route(settings, parts.sources, parts.pictures, parts.credentials.authenticate, parts.clock),
            build_webhooks(settings, parts.sources.sources, parts.events, observer, parts.clock).route,
            *(parts.connect.routes(cors, preflight=settings.preflight) if has_extra("grpc") else ()),
            *more,
        ],
        [parts.live.route()],
        cors=cors,
        telemetry=telemetry,
        fast_path=settings.fast_path == "on",
    )


async def serve_grpc(settings: Settings, parts: Parts, telemetry: Telemetry) -> "RunningGrpcServer | None":
    """Start the gRPC server; return None if it is disabled.

    Raises:
        OSError: the port is in use.
        ValueError: gRPC is not installed, or a file of TLS is not valid.
    """
    if settings.grpc_port is None:
        return None
    require_extra("grpc", "Serving gRPC", ", or set GATEWAY_GRPC_PORT=off")
    from gateway.api.grpc.server import GrpcOptions, Tls, start_grpc  # noqa: PLC0415 - 14 MiB that `off` saves

    tls = None
    if settings.grpc_tls_certificate and settings.grpc_tls_key:
        tls = Tls(settings.grpc_tls_certificate, settings.grpc_tls_key, settings.grpc_tls_client_ca)
    options = GrpcOptions(
        host=settings.grpc_host,
        port=settings.grpc_port,
        tls=tls,
        icon_bytes=settings.softwareone.icon_bytes,
        reflection=settings.in_development if settings.reflection is None else settings.reflection,
        max_connections=grpc_connection_limit(settings, file_limit()),
        max_calls=settings.grpc_calls,
        max_calls_each=settings.grpc_calls_each,
        request_timeout=settings.request_timeout,
    )
    return await start_grpc(
        parts.users,
        options,
        events=parts.events,
        credentials=parts.credentials,
        capacity=parts.capacity,
        pictures=parts.pictures,
        telemetry=telemetry,
    )
