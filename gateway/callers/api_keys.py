"""API keys: each has a name and scopes; only its hash is stored, in a file that may change while the gateway runs.

    [[keys]]
    name = "billing"                               # several keys may have one name, so that one can replace another
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    scopes = ["users:read", "users:write:account"]
    expires = 2027-07-01T00:00:00Z                 # optional

`gateway key billing --scope users:read` creates a key and prints its entry.
"""

import hashlib
import logging
import secrets
import time
import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from gateway.errors import Unauthenticated
from gateway.kit.watched_file import WatchedFile
from gateway.principal import Principal

__all__ = ["ApiKeys", "KeyEntry", "new_api_key"]

_LOG = logging.getLogger("gateway.callers")
_PREFIX = "ugk_"  # scanners for leaked secrets recognise a key by it
_MAX_LENGTH = 256
_ENTROPY_BYTES = 32


_RULES = {
    "missing": "is required",
    "extra_forbidden": "is no field of an entry",
    "string_type": "must be a text",
    "frozen_set_type": "must be a list",
    "tuple_type": "must be a list",
    "string_pattern_mismatch": "must match {pattern}",
}
"""The rules that pydantic checks, by type of error."""


class KeyEntry(BaseModel):
    """The entry of one key in the file.

    SHA-256 is sufficient: a key has 256 random bits, so it cannot be guessed, and a slow hash (bcrypt, Argon2) would
    only slow down the gateway.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: frozenset[str]
    expires: AwareDatetime | None = None

    @field_validator("scopes")
    @classmethod
    def _check_scopes(cls, scopes: frozenset[str], info: ValidationInfo) -> frozenset[str]:
        known: frozenset[str] = (info.context or {}).get("known", frozenset())
        if unknown := scopes - known:
            raise ValueError(f"unknown scope: {', '.join(sorted(unknown))}; use {', '.join(sorted(known))}")
        return scopes

    def to_toml(self) -> str:
        """Return the entry as text for the file."""
        scopes = ", ".join(f'"{scope}"' for scope in sorted(self.scopes))
        expires = "" if self.expires is None else f"expires = {self.expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n"
        return f'[[keys]]\nname = "{self.name}"\nsha256 = "{self.sha256}"\nscopes = [{scopes}]\n{expires}'


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: tuple[KeyEntry, ...] = ()


class ApiKeys:
    """The API keys of a file; `known_scopes` are all scopes that exist (`gateway.principal.scopes`).

    A change of the file is logged, with the names of the callers whose keys it adds, changes or removes.

    Raises:
        OSError: the file cannot be read at the start.
        ValueError: the file is not a valid file of keys.
    """

    def __init__(
        self,
        path: Path,
        known_scopes: frozenset[str],
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._known_scopes = known_scopes
        self._callers: _Callers | None = None
        self._file = WatchedFile(path, self._parse, clock=clock)

    @property
    def version(self) -> object:
        """Another value after each change of the keys."""
        return self._file.current()

    def principal(self, key: str) -> Principal:
        """Return the caller whose key it is.

        Raises:
            Unauthenticated: the key is unknown or has expired.
        """
        # The time that the lookup takes depends on the hash, from which nothing about a key can be concluded.
        sha256 = _hash(key) if len(key) <= _MAX_LENGTH else ""
        for principal in self._file.current().get(sha256, ()):
            if principal.expires is None or self._now() < principal.expires:
                return principal
        raise Unauthenticated("The API key was not accepted.")

    def _parse(self, content: bytes) -> "_Callers":
        callers, before = _read(self._known_scopes, content), self._callers
        self._callers = callers
        if before is not None and before != callers:
            _log_change(before, callers)
        return callers


def new_api_key(
    name: str, scopes: Iterable[str], known_scopes: frozenset[str], *, expires: datetime | None = None
) -> tuple[str, KeyEntry]:
    """Return a new key, which is a secret of its caller, and its entry for the file.

    Raises:
        ValueError: the name is malformed, or a scope is not known.
    """
    key = _PREFIX + secrets.token_urlsafe(_ENTROPY_BYTES)
    entry = {"name": name, "sha256": _hash(key), "scopes": frozenset(scopes), "expires": expires}
    try:
        return key, KeyEntry.model_validate(entry, context={"known": known_scopes})
    except ValidationError as error:
        raise ValueError(_explained(error)) from None


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


_Callers = dict[str, list[Principal]]
"""The callers by the hash of their key; two if a key has two entries, for example with two expiries."""


def _log_change(before: _Callers, after: _Callers) -> None:
    """Log whose keys were added, changed and removed."""
    names = {
        "added": _names(after, after.keys() - before.keys()),
        "changed": _names(after, {key for key in after.keys() & before.keys() if after[key] != before[key]}),
        "removed": _names(before, before.keys() - after.keys()),
    }
    text = "; ".join(f"{kind}: {', '.join(callers)}" for kind, callers in names.items() if callers)
    _LOG.info("the API keys were reloaded; %s", text, extra=names)


def _names(callers: _Callers, hashes: Iterable[str]) -> list[str]:
    return sorted({principal.name for sha256 in hashes for principal in callers[sha256]})


def _read(known_scopes: frozenset[str], content: bytes) -> _Callers:
    try:
        file = _File.model_validate(tomllib.loads(content.decode()), context={"known": known_scopes})
    except UnicodeDecodeError:
        raise ValueError("the file is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"the file is not valid TOML: {error}") from None
    except ValidationError as error:
        raise ValueError(_explained(error)) from None
    callers: _Callers = {}
    for entry in file.keys:
        callers.setdefault(entry.sha256, []).append(_principal(entry))
    return callers


def _explained(error: ValidationError) -> str:
    """Return what is wrong with entries, in no words of the library."""
    return "; ".join(
        f"{'.'.join(map(str, detail['loc']))}: {_rule(detail)}" for detail in error.errors(include_url=False)
    )


def _rule(detail: ErrorDetails) -> str:
    rule = _RULES.get(detail["type"])
    if rule is not None:
        return rule.format_map(detail.get("ctx", {}))
    message = detail["msg"].removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}"


def _principal(entry: KeyEntry) -> Principal:
    return Principal(
        f"key:{entry.name}", entry.scopes, expires=None if entry.expires is None else entry.expires.timestamp()
    )
