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
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from gateway.errors import Unauthenticated
from gateway.kit.watched_file import WatchedFile
from gateway.operation import Principal

__all__ = ["ApiKeys", "KeyEntry", "new_api_key"]

_PREFIX = "ugk_"  # lets scanners for leaked secrets know one
_LONGEST = 256
_ENTROPY_BYTES = 32


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
    def _known(cls, scopes: frozenset[str], info: ValidationInfo) -> frozenset[str]:
        known: frozenset[str] = (info.context or {}).get("known", frozenset())
        if unknown := scopes - known:
            raise ValueError(f"no such scope: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
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
    """The keys of a file; `known` are the scopes that exist (`gateway.operation.scopes`).

    Raises:
        OSError: the file cannot be read at the start.
        ValueError: it is no file of keys; in sentences.
    """

    def __init__(
        self,
        path: Path,
        known: frozenset[str],
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._file = WatchedFile(path, partial(_read, known), clock=clock)

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


def new_api_key(
    name: str, scopes: Iterable[str], known: frozenset[str], *, expires: datetime | None = None
) -> tuple[str, KeyEntry]:
    """Create a key, for its caller alone, and its entry for the file.

    Raises:
        ValueError: the name is malformed, or a scope is not `known`.
    """
    key = _PREFIX + secrets.token_urlsafe(_ENTROPY_BYTES)
    entry = {"name": name, "sha256": _hashed(key), "scopes": frozenset(scopes), "expires": expires}
    return key, KeyEntry.model_validate(entry, context={"known": known})


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def _read(known: frozenset[str], content: bytes) -> tuple[tuple[str, Principal], ...]:
    """The hash of each key, and its caller."""
    try:
        file = _File.model_validate(tomllib.loads(content.decode()), context={"known": known})
    except ValidationError as error:
        complaints = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))
        raise ValueError("; ".join(complaints)) from None
    return tuple((entry.sha256, _principal(entry)) for entry in file.keys)


def _principal(entry: KeyEntry) -> Principal:
    return Principal(
        f"key:{entry.name}", entry.scopes, expires=None if entry.expires is None else entry.expires.timestamp()
    )
