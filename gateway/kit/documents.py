"""The interface of the cache for automatic persisted queries."""

from typing import Protocol

__all__ = ["DocumentStore"]


class DocumentStore(Protocol):
    """A cache of documents by their SHA-256. A client sends a document again that is not found. It raises no errors."""

    async def get(self, sha256: str) -> str | None:
        """Return a document, or None where it is not found."""

    async def put(self, sha256: str, text: str) -> None:
        """Store a document, which may be dropped at any time."""
