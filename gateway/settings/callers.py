"""The settings of authentication."""

import re
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    FilePath,
    field_validator,
    model_validator,
)

from gateway.callers.algorithms import ALGORITHMS
from gateway.settings.kinds import StringList, Url
from gateway.settings.secret_files import SettingsGroup

__all__ = ["AuthMode", "AuthSettings"]


class AuthMode(StrEnum):
    """How callers are authenticated; `none` is for development."""

    NONE = "none"
    API_KEY = "api_key"
    JWT = "jwt"
    BOTH = "api_key jwt"


def _sorted(value: object) -> object:
    return " ".join(sorted(value.replace(",", " ").split())) if isinstance(value, str) else value


_ALGORITHM = re.compile(r"(RS|PS|ES|HS)(256|384|512)|EdDSA|Ed25519|Ed448")


class AuthSettings(SettingsGroup, frozen=True):
    """The settings of authentication."""

    mode: Annotated[AuthMode, BeforeValidator(_sorted)] = Field(
        default=AuthMode.NONE, description="`none`, `api_key`, `jwt` or `api_key jwt`; `none` is refused in production"
    )
    keys_file: FilePath | None = Field(
        default=None, description="TOML file of hashed API keys; reloaded when it changes"
    )
    jwks_file: FilePath | None = Field(
        default=None, description="file with the JWK set for tokens; reloaded when it changes"
    )
    jwks_url: Url | None = Field(
        default=None, description="URL of the JWK set at the issuer: https, or http on loopback"
    )
    jwks_ttl: Annotated[float, Field(ge=1)] = Field(
        default=300.0, description="seconds until the JWK set is fetched again"
    )
    issuer: str = Field(default="", description="the required `iss` of tokens")
    audience: StringList = Field(default=(), description="accepted `aud` of tokens; one of them is required")
    algorithms: StringList = Field(
        default=ALGORITHMS, description="accepted signing algorithms of tokens; HS* requires the JWK set in a file"
    )
    leeway: Annotated[float, Field(ge=0, le=300)] = Field(
        default=30.0, description="accepted difference between the clocks, in seconds"
    )
    scope_claim: str = Field(default="scope", min_length=1, description="claim with the scopes, as a text or a list")
    subject_claim: str = Field(default="sub", min_length=1, description="claim with the name of the caller")
    max_token_length: Annotated[int, Field(ge=256)] = Field(
        default=8192, description="maximum length of a token, in characters"
    )

    @property
    def with_keys(self) -> bool:
        """Whether API keys are accepted."""
        return self.mode in {AuthMode.API_KEY, AuthMode.BOTH}

    @property
    def with_tokens(self) -> bool:
        """Whether tokens are accepted."""
        return self.mode in {AuthMode.JWT, AuthMode.BOTH}

    @property
    def headers(self) -> tuple[str, ...]:
        """The names of the headers for credentials: one for each kind that is accepted."""
        kinds = (("X-API-Key", self.with_keys), ("Authorization", self.with_tokens))
        return tuple(name for name, accepted in kinds if accepted)

    @field_validator("algorithms")
    @classmethod
    def _supported(cls, algorithms: tuple[str, ...]) -> tuple[str, ...]:
        if unsupported := [name for name in algorithms if not _ALGORITHM.fullmatch(name)]:
            raise ValueError(f"unsupported signing algorithm: {', '.join(unsupported)}")
        return algorithms

    @field_validator("jwks_url")
    @classmethod
    def _secure(cls, url: Url | None) -> Url | None:
        parts = urlsplit(url or "")
        if url is not None and parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError("the URL must be https, or http on the loopback interface")
        return url

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.with_keys and self.keys_file is None:
            raise ValueError("the mode api_key requires GATEWAY_AUTH__KEYS_FILE")
        if self.with_tokens:
            if (self.jwks_file is None) == (self.jwks_url is None):
                raise ValueError("the mode jwt requires one key set: GATEWAY_AUTH__JWKS_FILE or GATEWAY_AUTH__JWKS_URL")
            if not (self.issuer and self.audience and self.algorithms):
                raise ValueError("the mode jwt requires GATEWAY_AUTH__ISSUER, __AUDIENCE and __ALGORITHMS")
            if self.jwks_url is not None and any(name.startswith("HS") for name in self.algorithms):
                raise ValueError("HS* in GATEWAY_AUTH__ALGORITHMS requires __JWKS_FILE: secret keys are not fetched")
        return self
