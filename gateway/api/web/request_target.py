"""Splits the target of a request line."""

from urllib.parse import unquote, urlsplit

__all__ = ["split_target"]


def split_target(target: str) -> tuple[str, str]:
    """Return the path without percent-encoding and the query with it (RFC 9112, 3.2).

    Raises:
        ValueError: the target is neither a path, nor a URL with a host, nor `*`.
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
    if not parts.hostname:
        raise ValueError("there is no host in the target")
    _ = parts.port  # a ValueError where it is no number
    return f"{parts.path or '/'}?{parts.query}"
