"""The texts of automatic persisted queries, in memory."""

from collections import OrderedDict

__all__ = ["MemoryDocuments"]

_OVERHEAD = 256  # approximate bytes of an entry besides its text


class MemoryDocuments:
    """Texts under their SHA-256, within `max_bytes`; the least recently used are dropped first."""

    def __init__(self, max_bytes: int = 16 * 1024 * 1024) -> None:
        self._max_bytes = max_bytes
        self._texts: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def bytes_held(self) -> int:
        """The approximate size of all entries; at most `max_bytes`."""
        return self._bytes

    async def get(self, sha256: str) -> str | None:
        text = self._texts.get(sha256)
        if text is None:
            return None
        self._texts.move_to_end(sha256)
        return text.decode(errors="surrogatepass")

    async def put(self, sha256: str, text: str) -> None:
        """Store the text, unless it is larger than the whole store."""
        content = text.encode(errors="surrogatepass")
        size = len(content) + _OVERHEAD
        if size > self._max_bytes:
            return
        if (previous := self._texts.pop(sha256, None)) is not None:
            self._bytes -= len(previous) + _OVERHEAD
        self._texts[sha256] = content
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, oldest = self._texts.popitem(last=False)
            self._bytes -= len(oldest) + _OVERHEAD
