"""What the replicas know of each other."""

from typing import Protocol

__all__ = ["Replicas"]


class Replicas(Protocol):
    """The replicas that have their state in common, as each has described itself."""

    async def descriptions(self) -> list[bytes]:
        """Return the descriptions of all, the one of this process among them.

        Raises:
            SourceUnavailable: the common state cannot be reached.
        """
