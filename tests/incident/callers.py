"""The callers of the incident, with their keys in the file of the gateway."""

from pathlib import Path

from gateway.callers.api_keys import new_api_key
from gateway.principal import scopes
from gateway.users.model import UserSource

__all__ = ["Callers"]


class Callers:
    """The callers with their keys in the file of the gateway."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        for name in ("shop", "billing", "batch", "partner"):
            key, entry = new_api_key(name, ["users:read", "users:write"], scopes(UserSource))
            self.keys[name], self._entries[name] = key, entry.to_toml()
        self._write()

    def revoke(self, name: str) -> None:
        """Remove the key of a caller from the file."""
        del self._entries[name]
        self._write()

    def _write(self) -> None:
        changed = self._file.with_suffix(".new")
        changed.write_text("\n".join(self._entries.values()))
        changed.rename(self._file)
