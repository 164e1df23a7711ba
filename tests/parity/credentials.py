"""Callers with keys and tokens, and requests with their credentials."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from callers.issuing import AUDIENCE, ISSUER, Issuer
from parity.recording import Case

from gateway.callers.api_keys import new_api_key
from gateway.principal import scopes
from gateway.users.model import UserSource

__all__ = ["Callers"]

_SCOPES = {
    "reader": {"users:read"},
    "writer": {"users:read", "users:write"},
    "one": {"users:read:reseller"},
    "expired": {"users:read"},
}


class Callers:
    """Keys of four callers, and tokens of an issuer."""

    def __init__(self, folder: Path) -> None:
        expired = datetime.now(UTC) - timedelta(days=1)
        made = {
            name: new_api_key(name, given, scopes(UserSource), expires=expired if name == "expired" else None)
            for name, given in _SCOPES.items()
        }
        self._keys_file = folder / "keys.toml"
        self._keys_file.write_text("\n".join(entry.to_toml() for _, entry in made.values()))
        issuer = Issuer()
        self._key_set = folder / "jwks.json"
        self._key_set.write_bytes(issuer.key_set())
        self._texts: Mapping[str, str] = {name: key for name, (key, _) in made.items()} | {
            "token": issuer.token(),
            "late": issuer.token(exp=-timedelta(hours=1)),
            "scopeless": issuer.token(scope=""),
        }

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by which a gateway accepts them."""
        auth = {"mode": "api_key jwt", "keys_file": self._keys_file, "jwks_file": self._key_set}
        return {"auth": auth | {"issuer": ISSUER, "audience": (AUDIENCE,), "algorithms": ("ES256",)}}

    def with_credentials(self, cases: Iterable[Case]) -> list[Case]:
        """Return the cases with the credentials in the place of their names in braces."""
        return [replace(case, requests=[self._filled(sent) for sent in case.requests]) for case in cases]

    def _filled(self, sent: bytes) -> bytes:
        head, end, body = sent.partition(b"\r\n\r\n")
        for name, text in self._texts.items():
            head = head.replace(f"{{{name}}}".encode(), text.encode())
        return head + end + body
