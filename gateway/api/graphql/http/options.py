"""The options of the GraphQL endpoint."""

from dataclasses import dataclass, field

from gateway.api.graphql.http.parsing import RequestLimits
from gateway.api.graphql.http.response import StatusProfile
from gateway.api.web.cors import Cors

__all__ = ["EndpointOptions"]


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """`preflight`: refuse requests that a browser sends without a preflight for a site that `cors` does not list."""

    limits: RequestLimits
    status_profile: StatusProfile = StatusProfile.AUDIT
    preflight: bool = True
    cors: Cors = field(default_factory=Cors)
