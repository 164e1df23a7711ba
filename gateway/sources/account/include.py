"""Query parameters that all lists and reads of the account source have in common."""

from collections.abc import Iterable

__all__ = ["MAX_LIMIT", "include_query"]

MAX_LIMIT = 1000
"""The maximum size of a page (docs/upstreams/account.md, "Lists")."""


def include_query(names: Iterable[str]) -> str:
    """Return `include[]` parameters with bare brackets, as in docs/upstreams/account.md, "Include"."""
    return "&".join(f"include[]={name}" for name in names)
