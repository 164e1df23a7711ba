"""The settings: one tree, and the one place that reads the environment.

A value is taken from the command line, else from the environment (`GATEWAY_ACCOUNT__BASE_URL`), else from
the TOML file given as `--config` or `GATEWAY_CONFIG`, else it is the default.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    HttpUrl,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

__all__ = [
    "AccountSettings",
    "Environment",
    "ResellerSettings",
    "Settings",
    "SoftwareOneSettings",
    "SourceSettings",
]

Port = Annotated[int, Field(ge=0, le=65535)]


def _port_or_off(value: object) -> object:
    return None if value == "off" else value


def _words(value: object) -> object:
    return tuple(value.split()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Seconds = Annotated[float, Field(gt=0, le=600)]


class Environment(StrEnum):
    """`production` turns off introspection and GraphiQL unless they are set on."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class SourceSettings(BaseModel):
    """A system behind the gateway: configured when it has a base URL and a token."""

    model_config = ConfigDict(frozen=True)

    base_url: HttpUrl | None = Field(None, description="address of the system, with a path prefix if it has one")
    token: SecretStr | None = Field(None, description="the credential that the system gave this gateway")
    timeout: Seconds = Field(10.0, description="seconds for a whole call, retries included")
    try_timeout: Seconds | None = Field(None, description="seconds for one try; unset: half of the timeout")
    max_attempts: Annotated[int, Field(ge=1, le=10)] = Field(3, description="tries of a call that may be repeated")
    rate_limit: Annotated[float, Field(gt=0)] | None = Field(
        None, description="calls a second; unset: what the system documents"
    )
    hedge: bool = Field(False, description="send a read a second time when the first is slower than most")
    connect_timeout: Seconds = Field(3.0, description="seconds to get a connection")
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = Field(100, description="sockets kept to the system")
    max_response_bytes: Annotated[int, Field(ge=1024)] = Field(
        32 * 1024 * 1024, description="the largest answer that is read"
    )

    @field_validator("base_url")
    @classmethod
    def _plain(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url is not None and (url.query is not None or url.fragment is not None):
            raise ValueError("a base URL has no query and no fragment")
        return url

    @property
    def configured(self) -> bool:
        """Whether the system can be called at all."""
        return self.base_url is not None and self.token is not None and bool(self.token.get_secret_value())


class AccountSettings(SourceSettings):
    """The identity API (`/v1/identity/…`)."""

    account_id: str = Field("", description="the account whose users these are, sent as `<Prefix>-Account`")
    api_version: Annotated[str, StringConstraints(min_length=1)] = Field(
        "1.0.forge-preview.3", description="the API version, sent as `<Prefix>-Version`"
    )
    header_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")] = Field(
        "OpenMRP", description="prefix of the version and account headers; `Augno` before August 2026"
    )


class SoftwareOneSettings(SourceSettings):
    """SoftwareOne Marketplace; the base URL is without `/public/v1`."""

    icon_bytes: Annotated[int, Field(ge=0)] = Field(5 * 1024 * 1024, description="the largest icon that is sent on")


class ResellerSettings(SourceSettings):
    """The reseller API; the base URL is without `/v3`."""

    reseller_id: str = Field("", description="the reseller that is meant where none is named")


class Settings(BaseSettings):
    """Everything that can be set. A setting's variable is `GATEWAY_` and its name, nested ones with `__`."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", env_nested_delimiter="__", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    http_host: str = Field("127.0.0.1", description="where GraphQL, GraphiQL and health are served")
    http_port: Port = Field(8000, description="their port; 0 picks one")
    grpc_host: str = Field("127.0.0.1", description="where gRPC is served")
    grpc_port: Annotated[Port | None, BeforeValidator(_port_or_off)] = Field(
        50051, description="its port; 0 picks one, `off` disables gRPC"
    )
    grpc_tls_certificate: FilePath | None = Field(None, description="PEM file of the gRPC server's certificate chain")
    grpc_tls_key: FilePath | None = Field(None, description="PEM file of its key")
    grpc_tls_client_ca: FilePath | None = Field(None, description="PEM file of the CA whose clients are let in (mTLS)")
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
    idempotency_ttl: Annotated[float, Field(gt=0)] = Field(
        24 * 3600.0, description="seconds that the answer to a change is kept under its idempotency key"
    )
    redis_url: SecretStr | None = Field(
        None, description="shared state for several replicas; unset: in this process's memory"
    )
    reference_ttl: Annotated[float, Field(ge=0)] = Field(
        30.0, description="seconds that roles, departments and organizations may be reused; 0: never"
    )
    cursor_secret: SecretStr | None = Field(
        None, description="signs cursors; unset: made at start, so cursors end with the process"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="what is logged")
    account: AccountSettings = AccountSettings()
    softwareone: SoftwareOneSettings = SoftwareOneSettings()
    reseller: ResellerSettings = ResellerSettings()

    @model_validator(mode="after")
    def _both_of_tls(self) -> Self:
        if (self.grpc_tls_certificate is None) != (self.grpc_tls_key is None):
            raise ValueError("gRPC over TLS takes a certificate and a key: GATEWAY_GRPC_TLS_CERTIFICATE and _KEY")
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
