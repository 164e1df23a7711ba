"""What a request, or a message on a WebSocket, gives to the operation that it starts."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from gateway.api.pictures import PictureLinks
from gateway.callers.connection import Connection
from gateway.callers.revocation import CredentialWatch, OnRevoked
from gateway.calls import CallList
from gateway.events.log import EventLog
from gateway.freshness import ANY_FRESHNESS, Freshness, FreshnessReport
from gateway.kit.long_steps import LongSteps
from gateway.operation import operation
from gateway.principal import ANYONE, Principal
from gateway.telemetry.report import RequestReport
from gateway.telemetry.telemetry import CLIENT_HEADERS, Telemetry
from gateway.users.service import UserService

__all__ = ["Incoming", "IncomingFactory", "RequestOptions"]


class Incoming(msgspec.Struct, frozen=True):
    """What a request, or a message on a WebSocket, gives to its operation, apart from the GraphQL request.

    `service` acts for `principal`; without `events` there is nothing to subscribe to. `idempotency_key` is from the
    header: it counts for a mutation without an `idempotencyKey` argument. `timeout` is in seconds, for the operation or
    for each event of a subscription; None leaves the timeout of each source. `report` is filled during the operation.
    `credentials` authenticated the principal by the `connection`, which is None where the principal was given.
    `pictures` makes the URLs of pictures, below `base_url`, the URL of the gateway as the client reaches it; empty:
    they are paths.
    `freshness` is which kept records the caller accepts, unless the request states it itself.
    """

    service: UserService
    report: RequestReport
    idempotency_key: str | None = None
    timeout: float | None = None
    principal: Principal = ANYONE
    events: EventLog | None = None
    connection: Connection | None = None
    credentials: CredentialWatch | None = None
    pictures: PictureLinks | None = None
    base_url: str = ""
    freshness: Freshness = ANY_FRESHNESS

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.request_id!r})"  # the connection has credentials

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that the client sent; empty without a connection."""
        return {} if self.connection is None else self.connection.headers

    @property
    def request_id(self) -> str:
        return self.report.request_id

    def operation(self, calls: CallList | None, freshness: FreshnessReport | None = None) -> operation:
        """Return the context manager with the deadline and the trace to execute one operation in.

        The calls to sources are recorded in `calls`; how fresh the records are, in `freshness`.
        """
        report = self.report
        return operation(self.timeout, report.trace, calls, report.request_id, freshness)

    def while_valid(self, on_revoked: OnRevoked) -> AbstractContextManager[None]:
        """Return the context manager that calls `on_revoked` if the principal's credential is revoked inside it."""
        if self.credentials is None:
            return nullcontext()
        return self.credentials.watch(self.connection, self.principal, on_revoked)

    def picture_url(self, record: Any) -> str | None:
        """Return the URL of the picture of a record; without `pictures`, the one that the source sent."""
        url: str | None = record.image_url
        return url if self.pictures is None else self.pictures.url(record, self.base_url)

    @property
    def caller(self) -> str:
        """The name under which the cost of the operation is charged."""
        return self.principal.name


class RequestOptions(NamedTuple):
    """What a client states about the operation of a request: its idempotency key, and how many seconds it may take.

    `base_url` is the URL of the gateway as this client reaches it. `freshness` is what the header of an HTTP request
    requests: that of a WebSocket's handshake does not count, since browsers send `no-cache` there in any case.
    """

    idempotency_key: str | None = None
    max_seconds: float | None = None
    base_url: str = ""
    freshness: Freshness = ANY_FRESHNESS


_NO_OPTIONS = RequestOptions()


@dataclass(frozen=True, slots=True)
class IncomingFactory:
    """Authenticates callers and creates the `Incoming` of each request; `timeout` is its longest one, in seconds.

    `long_steps` are those of parsing large requests. `telemetry` is for operations that are no HTTP request.
    """

    service: UserService
    events: EventLog
    credentials: CredentialWatch
    timeout: float
    pictures: PictureLinks | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)
    long_steps: LongSteps = field(default_factory=LongSteps)

    async def create(
        self, connection: Connection, report: RequestReport, options: RequestOptions | None = None
    ) -> Incoming:
        """Authenticate the client of a connection; `options` is what it states about the operation.

        Raises:
            Unauthenticated: the connection has no valid credential.
        """
        principal = await self.credentials.authenticate(connection)
        report.caller = principal.name
        return self._incoming(principal, connection, report, options or _NO_OPTIONS)

    def try_create(
        self, connection: Connection, report: RequestReport, options: RequestOptions | None = None
    ) -> Incoming | None:
        """Do the same without the caller in the report, if that needs no wait; else return None.

        Raises:
            Unauthenticated: the connection has no valid credential.
        """
        principal = self.credentials.try_authenticate(connection)
        return None if principal is None else self._incoming(principal, connection, report, options or _NO_OPTIONS)

    def _incoming(
        self, principal: Principal, connection: Connection, report: RequestReport, options: RequestOptions
    ) -> Incoming:
        seconds = options.max_seconds
        return Incoming(
            self.service.by(principal),
            report,
            options.idempotency_key,
            self.timeout if seconds is None or seconds > self.timeout else seconds,
            principal,
            self.events,
            connection,
            self.credentials,
            self.pictures,
            options.base_url,
            options.freshness,
        )

    async def create_next(self, incoming: Incoming, report: RequestReport) -> Incoming:
        """Return an `Incoming` for the next operation of a connection, which is authenticated again.

        Raises:
            Unauthenticated: the credential of the connection is no longer valid.
        """
        assert incoming.connection is not None  # noqa: S101 - `create` has set it
        principal = await self.credentials.authenticate(incoming.connection)
        report.caller = principal.name
        return replace(incoming, service=self.service.by(principal), report=report, principal=principal)

    def headers_in(self, payload: Mapping[str, Any] | None) -> dict[str, str]:
        """Return the headers in the payload of `connection_init`: its members, or those of its `headers`.

        These are the credentials and the name of the client: browsers can set no header of a WebSocket. Others are not
        accepted there, since a proxy in front of the gateway may vouch for them.
        """
        members = payload or {}
        headers = members.get("headers")
        fields = {**headers, **members} if isinstance(headers, dict) else members
        return {
            name.lower(): value
            for name, value in fields.items()
            if (name.lower() in self.credentials.headers or name.lower() in CLIENT_HEADERS) and isinstance(value, str)
        }
