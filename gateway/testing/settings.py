"""The settings of a gateway in front of a sandbox."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    WEBHOOK_TOKEN,
    SandboxServer,
)
from gateway.settings import Settings
from gateway.testing.source_requests import API_VERSIONS

__all__ = ["sandbox_settings"]

_NOT_PACED = 100_000.0  # calls per second, more than a test makes


class _GivenSettings(Settings, frozen=True):  # type: ignore[misc]  # as of `Settings`
    """Settings that neither the environment nor a file of the machine changes."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def sandbox_settings(server: SandboxServer, changes: Mapping[str, Any]) -> Settings:
    """Return the settings for the sources of a sandbox, with changes; those of a source are merged with its settings.

    Raises:
        ValidationError: a change is no setting, or its value is not valid.
    """
    sources = _sources(server)
    values: dict[str, Any] = {"http_port": 0, "grpc_port": 0, **sources}
    for name, value in changes.items():
        if name in sources and value is None:
            del values[name]
        elif name in sources:
            values[name] = {**sources[name], **_fields(value)}
        else:
            values[name] = value
    return _GivenSettings(**values)


def _sources(server: SandboxServer) -> dict[str, dict[str, Any]]:
    paced = {} if server.options.rate_limits else {"rate_limit": _NOT_PACED}
    return {
        "account": {
            "base_url": server.account_url,
            "token": ACCOUNT_TOKEN,
            "account_id": ACCOUNT_ID,
            "api_version": API_VERSIONS[server.options.dialect],
            **paced,
        },
        "softwareone": {"base_url": server.softwareone_url, "token": SOFTWAREONE_TOKEN, **paced},
        "reseller": {
            "base_url": server.reseller_url,
            "token": RESELLER_TOKEN,
            "reseller_id": RESELLER_ID,
            "webhook_token": WEBHOOK_TOKEN,
            **paced,
        },
    }


def _fields(value: Any) -> Mapping[str, Any]:
    """Return what is set in a mapping or in a model of settings."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in value.model_fields_set}
    return dict(value)
