"""Splits the target of a request line."""

from urllib.parse import unquote, urlsplit

__all__ = ["split_target"]


def split_target(target: str) -> tuple[str, str]:
    """Return the path without percent-encoding and the query with it (RFC 9112, 3.2).

    Raises:
        ValueError: the target is not a URL.
    """
    if target[:1] != "/":
        target = _without_origin(target)
    path, _, query = target.partition("#")[0].partition("?")
    return unquote(path) if "%" in path else path, query


def _without_origin(target: str) -> str:
    """Return a target in absolute form, as clients send it to proxies, without the origin (RFC 9112, 3.2.2)."""
    if target == "*":
        return target
    parts = urlsplit(target)
    return f"{parts.path or '/'}?{parts.query}"
