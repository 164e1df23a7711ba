"""Versions of the account API: the form of April 2026 and the current one."""

import re
from dataclasses import dataclass
from enum import Enum

from gateway.sandbox.account.errors import ApiError

__all__ = ["Dialect", "Version", "parse_version"]

_KNOWN_PREVIEWS = range(1, 9)
_VERSION = re.compile(r"1\.0\.forge-preview\.([1-9][0-9]*)")
_FIRST_WITH_DAY = 5


class Dialect(Enum):
    """The generation of the server (docs/upstreams/account.md, "Differences")."""

    CURRENT = "current"
    APRIL = "april"


@dataclass(frozen=True, slots=True)
class Version:
    """A requested version, the number of its preview, and the dialect of the server."""

    text: str
    preview: int
    dialect: Dialect

    @property
    def april(self) -> bool:
        """Whether bodies and parameters have the form of April 2026."""
        return self.dialect is Dialect.APRIL

    @property
    def hoists_profiles(self) -> bool:
        """Whether a current server moves the profile to the account user: the only thing it converts for preview.1."""
        return self.preview == 1 and not self.april

    @property
    def searches_one_day(self) -> bool:
        """Whether a list of audit events without a start covers 24 hours."""
        return self.preview >= _FIRST_WITH_DAY


def parse_version(text: str | None, dialect: Dialect) -> Version:
    """Parse the version header. Raises ApiError: a server of April 2026 knows the first preview only."""
    if not text:
        raise ApiError(
            400,
            "api_version_required",
            "The OpenMRP-Version header is required. Send for example 1.0.forge-preview.2.",
        )
    known = _KNOWN_PREVIEWS if dialect is Dialect.CURRENT else range(1, 2)
    found = _VERSION.fullmatch(text)
    if found is None or int(found[1]) not in known:
        supported = ", ".join(f"1.0.forge-preview.{preview}" for preview in known)
        raise ApiError(400, "api_version_invalid", f"Invalid API version '{text}'. Supported versions: {supported}")
    return Version(text, int(found[1]), dialect)
