"""The settings in the environment, and the variables there that only look like settings."""

import os
import re
from collections.abc import Mapping
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from gateway.settings.names import CONFIG, PREFIX, leaves

__all__ = ["EnvironmentSource", "known_variables"]

# Kubernetes sets these for each service of the namespace (`enableServiceLinks`), with the prefix `GATEWAY_` if the name
# of the service begins with `gateway`; Docker did the same for linked containers. CGI sets GATEWAY_INTERFACE.
_SERVICE_LINK = re.compile(
    r"GATEWAY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)|GATEWAY_INTERFACE"
)
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://")
"""The value of `GATEWAY_PORT`, or of `GATEWAY_HTTP_PORT` for a service `gateway-http`: no setting has such a one."""


class EnvironmentSource(EnvSettingsSource):
    """The settings in the environment as a tree; a variable that is no setting is in it under its whole name.

    Names are compared as they are written, since a variable in another case would be a second name of the setting.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        self._groups = {f"{PREFIX}{name}".upper() for name in settings_cls.model_fields}
        self._unknown: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._root_files = {
            leaf.variable: leaf.path[0] for leaf in leaves(settings_cls) if leaf.of_secret and len(leaf.path) == 1
        }
        super().__init__(settings_cls, case_sensitive=False)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        known = known_variables(self.settings_cls)
        settings = {}
        for name, value in os.environ.items():
            if not name.upper().startswith(PREFIX) or not value or _is_foreign(name, value):
                continue
            if name in self._root_files:
                self._files[self._root_files[name]] = value
            elif name in known or name in self._groups:
                settings[name] = value
            elif name != CONFIG:
                self._unknown[name] = value
        return parse_env_vars(settings, self.case_sensitive, self.env_ignore_empty, self.env_parse_none_str)

    def __call__(self) -> dict[str, Any]:
        return {**super().__call__(), **self._files, **self._unknown}


def known_variables(model: type[BaseSettings]) -> set[str]:
    """Return the variables of all settings."""
    return {leaf.variable for leaf in leaves(model)}


def _is_foreign(name: str, value: str) -> bool:
    """Return whether another program than the operator of the gateway sets a variable of this name and value."""
    return bool(_SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and _SERVICE_URL.match(value)))
