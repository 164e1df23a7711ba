"""The settings of a gateway in front of a sandbox."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gateway.settings import Settings

__all__ = ["sandbox_settings"]


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


def sandbox_settings(sources: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Any]) -> Settings:
    """Return settings with these sources and changes; the changes of a source are merged with its settings.

    Raises:
        ValidationError: a change is no setting, or its value is not valid.
    """
    values: dict[str, Any] = {"http_port": 0, "grpc_port": 0, **sources}
    for name, value in changes.items():
        if name in sources and value is None:
            del values[name]
        elif name in sources:
            values[name] = {**sources[name], **_fields(value)}
        else:
            values[name] = value
    return _GivenSettings(**values)


def _fields(value: Any) -> Mapping[str, Any]:
    """Return what is set in a mapping or in a model of settings."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in value.model_fields_set}
    return dict(value)
