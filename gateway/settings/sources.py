"""The settings of the sources."""

import re
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
)

from gateway.settings.kinds import PollInterval, Seconds, StringList, Url
from gateway.settings.secret_files import Secret, SettingsGroup, secret_that

__all__ = [
    "AccountSettings",
    "CredentialMode",
    "PicturedSettings",
    "ResellerSettings",
    "SoftwareOneSettings",
    "SourceSettings",
]


class CredentialMode(StrEnum):
    """The credential that a source is called with: the configured one, or one that the caller sends."""

    CONFIGURED = "configured"
    FORWARD = "forward"


_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
# Headers of the connection and of the body, and those that the gateway itself sends to sources.
_NEVER_FORWARDED = re.compile(
    r"host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-.*|proxy-.*"
    r"|idempotency-key|accept-encoding|traceparent|tracestate|baggage|x-request-id"
)


def _check_can_be_sent(token: str) -> None:
    if not re.fullmatch(r"[ -~]*", token):
        raise ValueError("must have printable ASCII characters alone")
    if token != token.strip():
        raise ValueError("must not begin or end with a blank")


Token = Annotated[SecretStr, secret_that(_check_can_be_sent)]


class SourceSettings(SettingsGroup, frozen=True):
    """The settings that all sources have."""

    base_url: Url | None = Field(default=None, description="base URL of the source, with a path prefix if it has one")
    token: Token | None = Field(default=None, description="token for the source")
    credentials: CredentialMode = Field(
        default=CredentialMode.CONFIGURED,
        description="`forward` sends the credential of the caller instead of the token",
    )
    forward_headers: StringList = Field(
        default=("authorization",),
        description="headers of the caller that have that credential; `x-account-authorization=authorization` forwards "
        "one by another name",
    )
    timeout: Seconds = Field(default=10.0, description="seconds for a call with all its attempts")
    try_timeout: Seconds | None = Field(default=None, description="seconds for one attempt; unset: half of the timeout")
    max_attempts: Annotated[int, Field(ge=1, le=10)] = Field(
        default=3, description="maximum number of attempts for a call that may be repeated"
    )
    rate_limit: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="calls per second; unset: the documented rate limit of the source"
    )
    hedge: bool = Field(default=False, description="send a read a second time if the first attempt is unusually slow")
    poll_interval: PollInterval = Field(
        default=None, description="seconds between requests for changes made elsewhere; unset: no polling"
    )
    keep: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=600.0,
        description="seconds that a user is kept, if `GATEWAY_KEEP_MODE` is `on`; at most 5 where its changes are not "
        "reported; 0: not at all",
    )
    keep_if_error: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=300.0, description="seconds after that for which it is shown if the source fails; 0: not"
    )
    connect_timeout: Seconds = Field(default=3.0, description="seconds to open a connection")
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=100, description="maximum number of connections to the source"
    )
    max_response_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=32 * 1024 * 1024, description="maximum size of a response in bytes"
    )

    @field_validator("base_url")
    @classmethod
    def _plain(cls, url: Url | None) -> Url | None:
        if url is not None and ("?" in url or "#" in url):
            raise ValueError("a base URL must not have a query or a fragment")
        if url is not None and "@" in urlsplit(url).netloc:
            raise ValueError("a base URL must not have a user name or a password: set the token instead")
        return url

    @field_validator("forward_headers")
    @classmethod
    def _forwardable(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        names = _renamed(given)
        for name in (*names, *names.values()):
            if not _HEADER.fullmatch(name):
                raise ValueError(f"{name!r} is not a valid header name")
            if _NEVER_FORWARDED.fullmatch(name):
                raise ValueError(f"{name} cannot be forwarded")
        if "x-api-key" in names:
            raise ValueError("x-api-key is for the gateway; use another header, e.g. x-source-key=x-api-key")
        if not names:
            raise ValueError("at least one header is required")
        return given

    @property
    def forwards(self) -> dict[str, str]:
        """The forwarded headers of the caller with their names at the source; none with the configured credential."""
        return _renamed(self.forward_headers) if self.credentials is CredentialMode.FORWARD else {}

    @property
    def configured(self) -> bool:
        """Whether the source can be called: with a base URL, and a token unless credentials are forwarded."""
        return not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """The settings without which the source cannot be called; empty if it can."""
        given = {
            "base_url": self.base_url is not None,
            "token": self.credentials is CredentialMode.FORWARD or bool(self.token and self.token.get_secret_value()),
        }
        return tuple(name for name, is_given in given.items() if not is_given)


def _renamed(given: tuple[str, ...]) -> dict[str, str]:
    pairs = (pair.lower().partition("=") for pair in given)
    return {name: sent_as or name for name, _, sent_as in pairs}


_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


class PicturedSettings(SourceSettings, frozen=True):
    """The settings of a source whose users have pictures."""

    picture_origins: StringList = Field(
        default=(),
        description="further origins from which pictures of this source may be fetched, separated by blanks, e.g. "
        "`https://bucket.storage.example`",
    )

    @field_validator("picture_origins")
    @classmethod
    def _are_origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for origin in given:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is not an origin: scheme and host, without a path, e.g. https://host:8443"
                )
        return given


class AccountSettings(PicturedSettings, frozen=True):
    """The settings of the account source, the identity API (`/v1/identity/…`)."""

    account_id: str = Field(default="", description="id of the account, sent as `<Prefix>-Account`")
    api_version: Annotated[str, StringConstraints(min_length=1)] = Field(
        default="1.0.forge-preview.3", description="version of the API, sent as `<Prefix>-Version`"
    )
    header_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")] = Field(
        default="OpenMRP", description="prefix of the version and account headers; `Augno` before August 2026"
    )


class SoftwareOneSettings(PicturedSettings, frozen=True):
    """The settings of the SoftwareOne Marketplace; its base URL is without `/public/v1`."""

    icon_bytes: Annotated[int, Field(ge=0)] = Field(
        default=5 * 1024 * 1024, description="maximum size of an icon in bytes"
    )
    icon_types: StringList = Field(
        default=("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"),
        description="accepted content types of icons",
    )


class ResellerSettings(SourceSettings, frozen=True):
    """The settings of the reseller API; its base URL is without `/v3`."""

    webhook_token: Secret | None = Field(
        default=None,
        description="tokens that webhooks are signed with, separated by blanks; unset: no webhooks are accepted",
    )
    webhook_tolerance: Annotated[float, Field(gt=0, le=86_400)] = Field(
        default=3600.0,
        description="seconds by which the time in a webhook may differ from now; at most `GATEWAY_EVENTS_WINDOW`",
    )
    reseller_id: str = Field(default="", description="reseller to use where a request names none")
