"""Who may call."""

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    HttpUrl,
    field_validator,
    model_validator,
)

from gateway.settings.kinds import Words

__all__ = ["AuthMode", "AuthSettings"]


class AuthMode(StrEnum):
    """How callers say who they are; `none` is for development."""

    NONE = "none"
    API_KEY = "api_key"
    JWT = "jwt"
    BOTH = "api_key jwt"


def _in_order(value: object) -> object:
    return " ".join(sorted(value.replace(",", " ").split())) if isinstance(value, str) else value


_ALGORITHM = re.compile(r"(RS|PS|ES|HS)(256|384|512)|EdDSA|Ed25519|Ed448")


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
