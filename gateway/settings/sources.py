"""The systems behind."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    StringConstraints,
    field_validator,
)

from gateway.settings.kinds import PollInterval, Seconds, Words

__all__ = ["AccountSettings", "Credentials", "ResellerSettings", "SoftwareOneSettings", "SourceSettings"]


class Credentials(StrEnum):
    """Whose credential a system is called with: the gateway's own, or the caller's."""

    CONFIGURED = "configured"
    FORWARD = "forward"


_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
# Headers of the connection, of the body, and of the gateway's own dealings with a system.
_NEVER_FORWARDED = re.compile(
    r"host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-.*|proxy-.*"
    r"|idempotency-key|accept-encoding|traceparent|tracestate|baggage|x-request-id"
)


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
