"""The settings: one tree, and the one place that reads the environment.

A value is taken from the command line, else from the environment (`GATEWAY_ACCOUNT__BASE_URL`), else from
the TOML file given as `--config` or `GATEWAY_CONFIG`, else it is the default.
"""

import os
import re
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
    ValidationInfo,
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
    "AuthMode",
    "AuthSettings",
    "Credentials",
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
PollInterval = Annotated[float, Field(ge=1)] | None


class Environment(StrEnum):
    """`production` turns off introspection and GraphiQL unless they are set on."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class AuthMode(StrEnum):
    """How callers say who they are; `none` is for development."""

    NONE = "none"
    API_KEY = "api_key"
    JWT = "jwt"
    BOTH = "api_key jwt"


class Credentials(StrEnum):
    """Whose credential a system is called with: the gateway's own, or the caller's."""

    CONFIGURED = "configured"
    FORWARD = "forward"


def _in_order(value: object) -> object:
    return " ".join(sorted(value.replace(",", " ").split())) if isinstance(value, str) else value


_ALGORITHM = re.compile(r"(RS|PS|ES|HS)(256|384|512)|EdDSA|Ed25519|Ed448")
_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
# Headers of the connection, of the body, and of the gateway's own dealings with a system.
_NEVER_FORWARDED = re.compile(
    r"host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-.*|proxy-.*"
    r"|idempotency-key|accept-encoding|traceparent|tracestate|baggage|x-request-id"
)


class AuthSettings(BaseModel):
    """Who may call."""

    model_config = ConfigDict(frozen=True)

    mode: Annotated[AuthMode, BeforeValidator(_in_order)] = Field(
        AuthMode.NONE, description="`none`, `api_key`, `jwt` or `api_key jwt`; production takes another than `none`"
    )
    keys_file: FilePath | None = Field(None, description="TOML file of hashed API keys, read again when it changes")
    jwks_file: FilePath | None = Field(None, description="JWK set that tokens are checked with, read again likewise")
    jwks_url: HttpUrl | None = Field(None, description="the same from the issuer: https, or http on loopback")
    jwks_ttl: Annotated[float, Field(ge=1)] = Field(300.0, description="seconds until it is fetched again")
    issuer: str = Field("", description="the `iss` that a token must have")
    audience: Words = Field((), description="the `aud` that a token must have, one of these")
    algorithms: Words = Field(
        ("RS256", "ES256", "PS256", "EdDSA", "Ed25519"),
        description="what tokens may be signed with; HS256 takes a JWK set in a file",
    )
    leeway: Annotated[float, Field(ge=0, le=300)] = Field(30.0, description="seconds that the clocks may differ")
    scope_claim: str = Field("scope", min_length=1, description="the claim with the scopes, a text or a list")
    subject_claim: str = Field("sub", min_length=1, description="the claim that tells callers apart")
    max_token_length: Annotated[int, Field(ge=256)] = Field(8192, description="the longest token that is looked at")

    @property
    def with_keys(self) -> bool:
        """Whether callers may come with an API key."""
        return self.mode in {AuthMode.API_KEY, AuthMode.BOTH}

    @property
    def with_tokens(self) -> bool:
        """Whether callers may come with a token."""
        return self.mode in {AuthMode.JWT, AuthMode.BOTH}

    @field_validator("algorithms")
    @classmethod
    def _signed(cls, algorithms: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [word for word in algorithms if not _ALGORITHM.fullmatch(word)]:
            raise ValueError(f"no algorithm to trust is {', '.join(unknown)}")
        return algorithms

    @field_validator("jwks_url")
    @classmethod
    def _trusted(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url is not None and url.scheme != "https" and url.host not in {"127.0.0.1", "[::1]", "localhost"}:
            raise ValueError("keys come by https, or by http from this machine")
        return url

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.with_keys and self.keys_file is None:
            raise ValueError("API keys take a file: GATEWAY_AUTH__KEYS_FILE")
        if self.with_tokens:
            if (self.jwks_file is None) == (self.jwks_url is None):
                raise ValueError("tokens take one key set: GATEWAY_AUTH__JWKS_FILE or GATEWAY_AUTH__JWKS_URL")
            if not (self.issuer and self.audience and self.algorithms):
                raise ValueError("tokens take GATEWAY_AUTH__ISSUER, __AUDIENCE and __ALGORITHMS")
            if self.jwks_url is not None and any(word.startswith("HS") for word in self.algorithms):
                raise ValueError("a secret key is fetched from nowhere: HS* in __ALGORITHMS takes __JWKS_FILE")
        return self


class SourceSettings(BaseModel):
    """A system behind the gateway: configured when it has a base URL and a token."""

    model_config = ConfigDict(frozen=True)

    base_url: HttpUrl | None = Field(None, description="address of the system, with a path prefix if it has one")
    token: SecretStr | None = Field(None, description="the credential that the system gave this gateway")
    credentials: Credentials = Field(
        Credentials.CONFIGURED, description="`forward` calls it with the caller's own credential instead"
    )
    forward_headers: Words = Field(
        ("authorization",),
        description="the caller's headers with that credential, e.g. `x-account-authorization=authorization` where "
        "the system knows it by another name",
    )
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
        if url is not None and (url.username or url.password):
            raise ValueError("a base URL has no user: the credential is the token")
        return url

    @field_validator("forward_headers")
    @classmethod
    def _forwardable(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        names = _renamed(given)
        for name in (*names, *names.values()):
            if not _HEADER.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header")
            if _NEVER_FORWARDED.fullmatch(name):
                raise ValueError(f"{name} cannot be forwarded")
        if "x-api-key" in names:
            raise ValueError("x-api-key is this gateway's own; a system may take another header by that name")
        if not names:
            raise ValueError("at least one header is needed")
        return given

    @property
    def forwards(self) -> dict[str, str]:
        """The caller's headers that are sent on, with the names that the system takes; none with our own credential."""
        return _renamed(self.forward_headers) if self.credentials is Credentials.FORWARD else {}

    @property
    def configured(self) -> bool:
        """Whether the system can be called at all."""
        if self.base_url is None:
            return False
        return self.credentials is Credentials.FORWARD or bool(self.token and self.token.get_secret_value())


def _renamed(given: tuple[str, ...]) -> dict[str, str]:
    pairs = (word.lower().partition("=") for word in given)
    return {name: theirs or name for name, _, theirs in pairs}


class AccountSettings(SourceSettings):
    """The identity API (`/v1/identity/…`)."""

    poll_interval: PollInterval = Field(
        None, description="seconds between looks for changes made elsewhere; unset: off"
    )
    account_id: str = Field("", description="the account whose users these are, sent as `<Prefix>-Account`")
    api_version: Annotated[str, StringConstraints(min_length=1)] = Field(
        "1.0.forge-preview.3", description="the API version, sent as `<Prefix>-Version`"
    )
    header_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")] = Field(
        "OpenMRP", description="prefix of the version and account headers; `Augno` before August 2026"
    )


class SoftwareOneSettings(SourceSettings):
    """SoftwareOne Marketplace; the base URL is without `/public/v1`."""

    poll_interval: PollInterval = Field(
        None, description="seconds between looks for changes made elsewhere; unset: off"
    )
    icon_bytes: Annotated[int, Field(ge=0)] = Field(5 * 1024 * 1024, description="the largest icon that is sent on")
    icon_types: Words = Field(
        ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"),
        description="the content types that an icon may have",
    )


class ResellerSettings(SourceSettings):
    """The reseller API; the base URL is without `/v3`."""

    webhook_token: SecretStr | None = Field(
        None, description="tokens that its webhooks are signed with, several separated by blanks; unset: none are taken"
    )
    reseller_id: str = Field("", description="the reseller that is meant where none is named")


Count = Annotated[int, Field(ge=1)]


class LimitSettings(BaseModel):
    """The most that one GraphQL document may have, fragments spread out."""

    model_config = ConfigDict(frozen=True)

    length: Count = Field(50_000, description="characters")
    tokens: Count = Field(5_000, description="lexical tokens")
    depth: Count = Field(12, description="fields inside each other")
    nesting: Count = Field(64, description="selection sets inside each other")
    fields: Count = Field(1_000, description="fields")
    aliases: Count = Field(30, description="aliased fields")
    root_fields: Count = Field(20, description="fields at the root")
    directives: Count = Field(4, description="directives in one place")
    spreads: Count = Field(500, description="fragments spread")
    overlaps: Count = Field(10_000, description="pairs of fields of one name, which validation compares")
    introspection: Count = Field(2, description="introspection's lists inside each other")
    cost: Count = Field(20_000, description="cost by `@cost` and `@listSize` in the schema")
    errors: Count = Field(5, description="mistakes of one document that are told")
    log: Words = Field((), description="limits that are tried out: broken ones are logged, not refused")

    @field_validator("log")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = set(cls.model_fields) - {"errors", "log"}
        if unknown := set(names) - known:
            raise ValueError(f"no limit is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
        return names


class RateLimitSettings(BaseModel):
    """What a caller may spend, counted in cost."""

    model_config = ConfigDict(frozen=True)

    cost: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="cost that a caller may spend in a window; unset: as much as it likes"
    )
    window: Annotated[float, Field(gt=0, le=86_400)] = Field(60.0, description="seconds")


class GateSettings(BaseModel):
    """How many operations are executed at once."""

    model_config = ConfigDict(frozen=True)

    at_once: Count = Field(256, description="operations executed at once")
    queue: Annotated[int, Field(ge=0)] = Field(1_024, description="operations that may wait for their turn")
    patience: Seconds = Field(5.0, description="seconds that one may wait; then, as past the queue: 503")


class LiveSettings(BaseModel):
    """WebSockets and event streams. Times are in seconds."""

    model_config = ConfigDict(frozen=True)

    connections: Count = Field(10_000, description="sockets and event streams that are open at once")
    operations: Count = Field(50_000, description="operations on them at once")
    operations_each: Count = Field(100, description="operations of one connection")
    queue: Count = Field(256, description="answers that may wait for a client")
    ping: Seconds = Field(15.0, description="seconds between signs of life")
    pong: Seconds = Field(10.0, description="seconds until a client has to answer one")
    init: Seconds = Field(10.0, description="seconds until a socket's client has to say `connection_init`")
    drain: Annotated[float, Field(ge=0, le=60)] = Field(2.0, description="seconds over which clients are sent away")
    reservations: Count = Field(1_000, description="event streams that are reserved at once")
    reservation: Seconds = Field(30.0, description="seconds until a reserved event stream has to be fetched")


class DocumentSettings(BaseModel):
    """Trusted documents, and documents that clients may send once and name from then on."""

    model_config = ConfigDict(frozen=True)

    memory: Annotated[int, Field(ge=1024 * 1024)] = Field(
        32 * 1024 * 1024, description="bytes, about, that documents take which are kept ready"
    )
    trust: Literal["off", "log", "enforce"] = Field(
        "off", description="documents that are in no manifest: executed, executed and logged, or refused"
    )
    manifests: Annotated[tuple[FilePath, ...], NoDecode, BeforeValidator(_words)] = Field(
        (), description="manifest files (Apollo's, Relay's or graphql-codegen's form), separated by blanks"
    )
    reload: Seconds = Field(5.0, description="seconds between looks at the manifests, which may change")
    automatic: bool = Field(False, description="automatic persisted queries")
    automatic_bytes: Count = Field(16 * 1024 * 1024, description="memory for them, without Redis")
    automatic_ttl: Annotated[int, Field(ge=1)] = Field(86_400, description="seconds that they are kept in Redis")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.trust == "enforce" and self.automatic:
            raise ValueError("automatic persisted queries would let every document in that `enforce` keeps out")
        return self


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
