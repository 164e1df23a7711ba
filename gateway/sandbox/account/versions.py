"""Versions of the account API: the form of April 2026 and the current one."""

import re
from dataclasses import dataclass
from enum import Enum

from gateway.sandbox.account.errors import ApiError

__all__ = ["Dialect", "Version", "parse_version"]

_KNOWN_PREVIEWS = range(1, 9)
_VERSION = re.compile(r"1\.0\.forge(?:-preview\.([1-9][0-9]*))?")


class Dialect(Enum):
    """The form of bodies and parameters (docs/upstreams/account.md, "Differences")."""

    CURRENT = "current"
    APRIL = "april"


@dataclass(frozen=True, slots=True)
class Version:
    """A requested version and the dialect that belongs to it."""

    text: str
    dialect: Dialect

    @property
    def april(self) -> bool:
        """Whether the version has the form of April 2026."""
        return self.dialect is Dialect.APRIL


def parse_version(text: str | None, default_dialect: Dialect) -> Version:
    """Parse the version header; `default_dialect` is used for `1.0.forge`, which names no preview. Raises ApiError."""
    if not text:
        raise ApiError(
            400,
            "api_version_required",
            "The OpenMRP-Version header is required. Send for example 1.0.forge-preview.2.",
        )
    found = _VERSION.fullmatch(text)
    if found is None or (found[1] and int(found[1]) not in _KNOWN_PREVIEWS):
        supported = ", ".join(f"1.0.forge-preview.{preview}" for preview in _KNOWN_PREVIEWS)
        raise ApiError(400, "api_version_invalid", f"Invalid API version '{text}'. Supported versions: {supported}")
    if found[1] is None:
        return Version(text, default_dialect)
    return Version(text, Dialect.APRIL if found[1] == "1" else Dialect.CURRENT)
