"""API keys: named, scoped, kept only as hashes in a file that may change while the gateway runs.

    [[keys]]
    name = "billing"                               # several keys may share a name, to exchange one for the next
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    scopes = ["users:read", "users:write:account"]
    expires = 2027-07-01T00:00:00Z                 # may be left out

`gateway key billing --scope users:read` makes a key and prints its entry.
"""

import hashlib
import hmac
import secrets
import time
import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.callers.principal import SCOPES, Principal
from gateway.errors import Unauthenticated
from gateway.kit.watched_file import Watched

__all__ = ["ApiKeys", "KeyEntry", "fresh_key"]

_PREFIX = "ugk_"  # lets scanners for leaked secrets know one
_LONGEST = 256
_MOST_BYTES = 32  # of chance


class KeyEntry(BaseModel):
    """One key of the file.

    Its SHA-256 is enough: a key has 256 bits of chance, so no guess is better than another and a slow hash
    (bcrypt, Argon2) would slow down nobody but us.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: frozenset[str]
    expires: AwareDatetime | None = None

    @field_validator("scopes")
    @classmethod
    def _known(cls, scopes: frozenset[str]) -> frozenset[str]:
        if unknown := scopes - SCOPES:
            raise ValueError(f"no such scope: {', '.join(sorted(unknown))}; there are {', '.join(sorted(SCOPES))}")
        return scopes

    def text(self) -> str:
        """The entry as the file has it."""
        scopes = ", ".join(f'"{scope}"' for scope in sorted(self.scopes))
        until = "" if self.expires is None else f"expires = {self.expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n"
        return f'[[keys]]\nname = "{self.name}"\nsha256 = "{self.sha256}"\nscopes = [{scopes}]\n{until}'


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: tuple[KeyEntry, ...] = ()


class ApiKeys:
    """The keys of a file.

    Raises:
        OSError: the file cannot be read at the start.
        ValueError: it is no file of keys; in sentences.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._file = Watched(path, _read, clock=clock)

    def principal(self, key: str) -> Principal:
        """Whose key it is.

        Raises:
            Unauthenticated: nobody's, or it has expired.
        """
        hashed = _hashed(key) if len(key) <= _LONGEST else ""
        for known, principal in self._file.current():
            if hmac.compare_digest(known, hashed) and (principal.expires is None or self._now() < principal.expires):
                return principal
        raise Unauthenticated("The API key was not accepted.")


def fresh_key(name: str, scopes: Iterable[str], expires: datetime | None = None) -> tuple[str, KeyEntry]:
    """A new key, to be given to its caller and nobody else, and its entry for the file.

    Raises:
        ValueError: no such name or scope can be.
    """
    key = _PREFIX + secrets.token_urlsafe(_MOST_BYTES)
    return key, KeyEntry(name=name, sha256=_hashed(key), scopes=frozenset(scopes), expires=expires)


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def _read(content: bytes) -> tuple[tuple[str, Principal], ...]:
    """The hash of each key, and whose it is."""
    try:
        file = _File.model_validate(tomllib.loads(content.decode()))
    except ValidationError as error:
        complaints = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))
        raise ValueError("; ".join(complaints)) from None
    return tuple((entry.sha256, _principal(entry)) for entry in file.keys)


def _principal(entry: KeyEntry) -> Principal:
    return Principal(
        f"key:{entry.name}", entry.scopes, expires=None if entry.expires is None else entry.expires.timestamp()
    )
