"""The host and port of a URL, as telemetry names the server of a call."""

from functools import lru_cache
from urllib.parse import urlsplit

__all__ = ["server_address", "url_origin"]

_PORTS = {"http": 80, "https": 443}
_AFTER_SCHEME = len("https://")


def server_address(url: str) -> tuple[str, int]:
    """Return the host and port of an absolute http or https URL; the port is the one of the scheme if it has none."""
    return _parse(url_origin(url))


def url_origin(url: str) -> str:
    """Return what an absolute http or https URL has before its path."""
    end = url.find("/", _AFTER_SCHEME)
    return url if end < 0 else url[:end]


@lru_cache(maxsize=64)  # the sources and the hosts of their pictures
def _parse(origin: str) -> tuple[str, int]:
    parts = urlsplit(origin)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
