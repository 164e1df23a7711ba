"""All settings as one tree of models.

A value is taken from the command line, else from the environment (`GATEWAY_ACCOUNT__BASE_URL`), else from the TOML file
of `--config` or `GATEWAY_CONFIG`, else it is the default. A name that is no setting is an error, in the file and in the
environment.
"""

import os
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    Field,
    FilePath,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from gateway.settings.callers import AuthMode, AuthSettings
from gateway.settings.environment import EnvironmentSource
from gateway.settings.kinds import (
    Count,
    LogLevel,
    Origins,
    Port,
    PortOrOff,
    Seconds,
    Share,
    StringList,
    Url,
    split_blanks,
)
from gateway.settings.names import CONFIG
from gateway.settings.operations import (
    DocumentSettings,
    GateSettings,
    LimitSettings,
    LiveSettings,
    PictureSettings,
    RateLimitSettings,
)
from gateway.settings.secret_files import Secret, take_files
from gateway.settings.sources import AccountSettings, ResellerSettings, SoftwareOneSettings
from gateway.settings.unknown import with_proposals

__all__ = ["Environment", "Settings"]

HttpImplementation = Literal["aiohttp", "lean"]
EventLoop = Literal["asyncio", "uvloop"]


class Environment(StrEnum):
    """`production` disables introspection, gRPC reflection and GraphiQL unless a setting enables them."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings, frozen=True):  # type: ignore[misc]  # pydantic permits it for a class that is not frozen
    """All settings. The variable of a setting is `GATEWAY_` and its path in capitals, joined by `__`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="GATEWAY_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        case_sensitive=True,  # of names in the file; a variable is the path in capitals
        extra="forbid",
        hide_input_in_errors=True,  # a value that is not valid may be a secret under a wrong name
    )

    http_host: str = Field(
        default="127.0.0.1",
        description="address to serve HTTP on: GraphQL, GraphiQL, Connect, health, metrics and webhooks",
    )
    http_port: Port = Field(default=8000, description="port for HTTP; 0 selects a free one")
    grpc_host: str = Field(default="127.0.0.1", description="address to serve gRPC on")
    grpc_port: PortOrOff = Field(default=50051, description="port for gRPC; 0 selects a free one, `off` disables gRPC")
    grpc_tls_certificate: FilePath | None = Field(
        default=None, description="PEM file with the certificate chain of the gRPC server"
    )
    grpc_tls_key: FilePath | None = Field(default=None, description="PEM file with the key of the certificate")
    grpc_tls_client_ca: FilePath | None = Field(
        default=None, description="PEM file with the CA of accepted client certificates (mTLS)"
    )
    grpc_connections: Count = Field(
        default=1_000, description="maximum number of gRPC connections; at most a quarter of the file descriptors"
    )
    grpc_calls: Count = Field(default=10_000, description="maximum number of open gRPC calls, streams among them")
    grpc_calls_each: Count = Field(default=1_000, description="maximum number of open gRPC calls of one caller")
    admin_host: str = Field(default="127.0.0.1", description="address to serve the admin port on")
    admin_port: Port | None = Field(
        default=None,
        description="port for metrics, health and status alone, which the port for HTTP then does not serve; 0 selects "
        "a free one; unset: they are served on the port for HTTP",
    )
    auth: AuthSettings = AuthSettings()
    environment: Environment = Field(
        default=Environment.DEVELOPMENT,
        description="`production` disables introspection, reflection and GraphiQL, and requires authentication",
    )
    introspection: bool | None = Field(
        default=None, description="execute introspection queries; unset: not in production"
    )
    reflection: bool | None = Field(default=None, description="serve gRPC reflection; unset: not in production")
    graphiql: bool | None = Field(default=None, description="serve GraphiQL; unset: not in production")
    federation: bool = Field(
        default=False, description="serve GraphQL as a subgraph of Apollo Federation 2: with `_entities` and `_service`"
    )
    max_body_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=1024 * 1024, description="maximum size of a request in bytes; an upload may have an icon in addition"
    )
    status_profile: Literal["audit", "draft"] = Field(
        default="audit", description="HTTP statuses of the graphql-http `audit`, or of the `draft` of 2026 (422, 294)"
    )
    preflight: bool = Field(
        default=True, description="refuse requests that a page of another site can send without a preflight (CSRF)"
    )
    cors_origins: Origins = Field(
        default=(),
        description="origins whose pages may call the gateway, separated by blanks; `loopback`: those of the browser's "
        "machine; `*` permits all, but no WebSockets",
    )
    public_url: Url | None = Field(
        default=None,
        description="URL at which clients reach HTTP, with the path under which it is mounted; unset: what each "
        "request states, and URLs of pictures are paths in gRPC and in programs that embed the gateway",
    )
    request_timeout: Seconds = Field(
        default=30.0, description="maximum seconds for an operation; the caller may set a shorter time"
    )
    http_connections: Count = Field(
        default=20_000,
        description="maximum number of open HTTP connections; beyond it, and with few files left, idle ones are closed",
    )
    drain_delay: Annotated[float, Field(ge=0, le=600)] | None = Field(
        default=None,
        description="seconds between `/readyz` returning 503 and the closing of the ports, when the process stops; "
        "unset: 8 if `/readyz` was requested in the last minute, otherwise 0",
    )
    idempotency_ttl: Annotated[float, Field(gt=0)] = Field(
        default=24 * 3600.0, description="seconds that the result of a change is stored under its idempotency key"
    )
    idempotency_records: Annotated[int, Field(ge=1)] = Field(
        default=50_000, description="maximum number of results that are stored for one caller; the oldest are dropped"
    )
    redis_url: Secret | None = Field(
        default=None, description="URL of Redis, for the state of several replicas; unset: state in memory"
    )
    events_held: Annotated[int, Field(ge=1)] = Field(
        default=10_000, description="maximum number of events in the event log"
    )
    events_queue: Annotated[int, Field(ge=1)] = Field(
        default=256, description="maximum number of events that wait for one subscriber"
    )
    events_window: Annotated[float, Field(gt=0)] = Field(
        default=3600.0, description="seconds within which a repeated report of a change is ignored"
    )
    http: HttpImplementation | None = Field(
        default=None,
        description="implementation of HTTP on both sides: `GATEWAY_HTTP_SERVER` and `GATEWAY_HTTP_CLIENT`, of which "
        "each may be set differently; `lean` uses less CPU time",
    )
    http_server: HttpImplementation = Field(
        default="aiohttp",
        description="HTTP server: `aiohttp`, or `lean`, which uses less CPU time; if unset, that of `GATEWAY_HTTP`",
    )
    http_client: HttpImplementation = Field(
        default="lean",
        description="HTTP client for the sources: `lean` or `aiohttp`; if unset, that of `GATEWAY_HTTP`",
    )
    event_loop: EventLoop = Field(
        default="asyncio",
        description="event loop of the process: `asyncio`, or `uvloop`, which takes less CPU time and needs the extra "
        "`uvloop`; an embedding program chooses its event loop itself",
    )
    fast_path: Literal["on", "off"] = Field(
        default="on",
        description="`off`: no request takes the fast path, which has the same results; to find the cause of a problem",
    )
    reference_ttl: Annotated[float, Field(ge=0)] = Field(
        default=30.0, description="seconds that roles, departments and organizations are cached; 0: not at all"
    )
    keep_mode: Literal["off", "shadow", "on"] = Field(
        default="off",
        description="keep users until they change: `on` or `off`; `shadow` keeps them too, and only compares them with "
        "what is read all the same",
    )
    keep_max_bytes: Annotated[int, Field(ge=1024 * 1024)] = Field(
        default=128 * 1024 * 1024, description="maximum bytes of all that is kept, reference data too, estimated"
    )
    cursor_secret: Secret | None = Field(
        default=None,
        description="secret that cursors are signed with; unset: a random one, and cursors are invalid after a restart",
    )
    log_level: LogLevel = Field(
        default="INFO", description="minimum level of log records: DEBUG, INFO, WARNING or ERROR"
    )
    log_format: Literal["text", "json"] = Field(default="text", description="format of the log: `text`, or `json`")
    access_log: Literal["all", "errors", "slow", "off"] = Field(
        default="all", description="requests with a line in the log: `all`, `errors`, `slow` (and errors), or `off`"
    )
    access_log_sample: Share = Field(
        default=1.0,
        description="share of the requests without an error that have a line, if `GATEWAY_ACCESS_LOG` is `all`",
    )
    access_log_slow: Seconds = Field(default=1.0, description="seconds from which a request is slow")
    otlp_endpoint: Url | None = Field(
        default=None, description="base URL to send traces and metrics to by OTLP over HTTP; unset: they are not sent"
    )
    trace_ratio: Share = Field(
        default=0.01, description="share of the traces that are recorded, of those that begin here"
    )
    ignored_variables: StringList = Field(
        default=(),
        description="environment variables beginning with `GATEWAY_` that are meant for other programs, separated by "
        "blanks",
    )
    limits: LimitSettings = LimitSettings()
    rate_limit: RateLimitSettings = RateLimitSettings()
    gate: GateSettings = GateSettings()
    documents: DocumentSettings = DocumentSettings()
    live: LiveSettings = LiveSettings()
    pictures: PictureSettings = PictureSettings()
    account: AccountSettings = AccountSettings()
    softwareone: SoftwareOneSettings = SoftwareOneSettings()
    reseller: ResellerSettings = ResellerSettings()

    @model_validator(mode="wrap")
    @classmethod
    def _read_names(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Take secrets from their files, and name what is no setting."""
        if isinstance(values, dict):
            ignored = split_blanks(values.get("ignored_variables"))
            foreign = set(ignored) - set(cls.model_fields) if isinstance(ignored, list | tuple) else set()
            values = take_files(cls.model_fields, {name: values[name] for name in values if name not in foreign})
            if values.get("http") in get_args(HttpImplementation):  # anything else is an error of that setting alone
                values = {"http_server": values["http"], "http_client": values["http"]} | values
        try:
            return handler(values)
        except ValidationError as error:
            raise with_proposals(cls, error) from None

    @model_validator(mode="after")
    def _complete_tls(self) -> Self:
        if (self.grpc_tls_certificate is None) != (self.grpc_tls_key is None):
            raise ValueError("GATEWAY_GRPC_TLS_CERTIFICATE and GATEWAY_GRPC_TLS_KEY: set both or neither")
        if self.grpc_tls_client_ca is not None and self.grpc_tls_certificate is None:
            raise ValueError("GATEWAY_GRPC_TLS_CLIENT_CA requires GATEWAY_GRPC_TLS_CERTIFICATE and _KEY")
        return self

    @model_validator(mode="after")
    def _recognise_webhooks(self) -> Self:
        is_set = "webhook_tolerance" in self.reseller.model_fields_set
        if is_set and self.reseller.webhook_tolerance > self.events_window:
            raise ValueError(
                "GATEWAY_RESELLER__WEBHOOK_TOLERANCE must not be more than GATEWAY_EVENTS_WINDOW: after "
                "that, a webhook that is sent again would be a new event"
            )
        return self

    @property
    def in_development(self) -> bool:
        """Whether introspection, reflection and GraphiQL are enabled by default."""
        return self.environment is Environment.DEVELOPMENT

    @property
    def lacks_authentication(self) -> bool:
        """Whether production cannot start, unless the embedding program authenticates callers."""
        return not self.in_development and self.auth.mode is AuthMode.NONE

    @property
    def serves_status(self) -> bool:
        """Whether `/status` is served: on the admin port; without one, on the port for HTTP in development alone.

        It contains the names of callers, the hosts of the sources and warnings of the log.
        """
        return self.admin_port is not None or self.in_development

    @property
    def trusts_machine(self) -> bool:
        """Whether everyone on this machine may call the gateway, and nobody else can reach it."""
        return self.in_development and self.auth.mode is AuthMode.NONE and _is_local(self.http_host)

    @property
    def admin_is_local(self) -> bool:
        """Whether only this machine can reach the admin port."""
        return _is_local(self.admin_host)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get(CONFIG)
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, EnvironmentSource(settings_cls), *toml)


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
