"""The settings: one tree, and the one place that reads the environment.

A value is taken from the command line, else from the environment (`GATEWAY_ACCOUNT__BASE_URL`), else from
the TOML file given as `--config` or `GATEWAY_CONFIG`, else it is the default.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, FilePath, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from gateway.settings.callers import AuthMode, AuthSettings
from gateway.settings.kinds import Port, PortOrOff, Seconds, Words
from gateway.settings.operations import DocumentSettings, GateSettings, LimitSettings, LiveSettings, RateLimitSettings
from gateway.settings.sources import AccountSettings, ResellerSettings, SoftwareOneSettings

__all__ = ["Environment", "Settings"]


class Environment(StrEnum):
    """`production` turns off introspection and GraphiQL unless they are set on."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """Everything that can be set. A setting's variable is `GATEWAY_` and its name, nested ones with `__`."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", env_nested_delimiter="__", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    http_host: str = Field("127.0.0.1", description="where GraphQL, GraphiQL and health are served")
    http_port: Port = Field(8000, description="their port; 0 picks one")
    grpc_host: str = Field("127.0.0.1", description="where gRPC is served")
    grpc_port: PortOrOff = Field(50051, description="its port; 0 picks one, `off` disables gRPC")
    grpc_tls_certificate: FilePath | None = Field(None, description="PEM file of the gRPC server's certificate chain")
    grpc_tls_key: FilePath | None = Field(None, description="PEM file of its key")
    grpc_tls_client_ca: FilePath | None = Field(None, description="PEM file of the CA whose clients are let in (mTLS)")
    auth: AuthSettings = AuthSettings()
    environment: Environment = Field(
        Environment.DEVELOPMENT, description="`production` turns off introspection and GraphiQL"
    )
    introspection: bool | None = Field(None, description="answer introspection; unset: not in production")
    reflection: bool | None = Field(None, description="serve gRPC reflection; unset: not in production")
    graphiql: bool | None = Field(None, description="serve GraphiQL; unset: not in production")
    max_body_bytes: Annotated[int, Field(ge=1024)] = Field(
        1024 * 1024, description="the largest request without a file; with one, an icon may be added"
    )
    status_profile: Literal["audit", "draft"] = Field(
        "audit", description="HTTP statuses: as the graphql-http audit has them, or as the draft of 2026 (422, 294)"
    )
    preflight: bool = Field(
        True, description="refuse GETs and forms that another site's page could send unasked (CSRF)"
    )
    cors_origins: Words = Field(
        (), description="origins whose pages may call the gateway, separated by blanks; `*` is every one"
    )
    request_timeout: Seconds = Field(
        30.0, description="seconds for a whole operation, where its caller sets no shorter time"
    )
    drain_delay: Annotated[float, Field(ge=0, le=600)] = Field(
        0.0, description="seconds from `/readyz` saying no to the ports closing, when told to stop"
    )
    idempotency_ttl: Annotated[float, Field(gt=0)] = Field(
        24 * 3600.0, description="seconds that the answer to a change is kept under its idempotency key"
    )
    redis_url: SecretStr | None = Field(
        None, description="shared state for several replicas; unset: in this process's memory"
    )
    events_held: Annotated[int, Field(ge=1)] = Field(10_000, description="events that are held to resume among")
    events_queue: Annotated[int, Field(ge=1)] = Field(256, description="events that may wait for one subscriber")
    events_window: Annotated[float, Field(gt=0)] = Field(
        3600.0, description="seconds that a change is known by when it is told again"
    )
    http_client: Literal["aiohttp", "lean"] = Field(
        "aiohttp", description="how the systems are called; `lean` takes a fraction of the CPU"
    )
    http_server: Literal["aiohttp", "lean"] = Field(
        "aiohttp", description="how HTTP is served; `lean` takes a fraction of the CPU"
    )
    reference_ttl: Annotated[float, Field(ge=0)] = Field(
        30.0, description="seconds that roles, departments and organizations may be reused; 0: never"
    )
    cursor_secret: SecretStr | None = Field(
        None, description="signs cursors; unset: made at start, so cursors end with the process"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="what is logged")
    limits: LimitSettings = LimitSettings()
    rate_limit: RateLimitSettings = RateLimitSettings()
    gate: GateSettings = GateSettings()
    documents: DocumentSettings = DocumentSettings()
    live: LiveSettings = LiveSettings()
    account: AccountSettings = AccountSettings()
    softwareone: SoftwareOneSettings = SoftwareOneSettings()
    reseller: ResellerSettings = ResellerSettings()

    @field_validator("environment")
    @classmethod
    def _told_apart(cls, environment: Environment, info: ValidationInfo) -> Environment:
        auth = info.data.get("auth")  # not there where it is wrong itself
        if environment is Environment.PRODUCTION and auth is not None and auth.mode is AuthMode.NONE:
            raise ValueError("it takes callers that say who they are: set GATEWAY_AUTH__MODE")
        return environment

    @model_validator(mode="after")
    def _both_of_tls(self) -> Self:
        if (self.grpc_tls_certificate is None) != (self.grpc_tls_key is None):
            raise ValueError("gRPC over TLS takes a certificate and a key: GATEWAY_GRPC_TLS_CERTIFICATE and _KEY")
        if self.grpc_tls_client_ca is not None and self.grpc_tls_certificate is None:
            raise ValueError("GATEWAY_GRPC_TLS_CLIENT_CA takes TLS: GATEWAY_GRPC_TLS_CERTIFICATE and _KEY")
        return self

    @property
    def in_development(self) -> bool:
        """Whether the conveniences of development are on."""
        return self.environment is Environment.DEVELOPMENT

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get("GATEWAY_CONFIG")
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *toml)
