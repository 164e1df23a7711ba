"""Documents that clients sent once and name by their hash afterwards (automatic persisted queries), in memory."""

from collections import OrderedDict

__all__ = ["MemoryDocuments"]

_OVERHEAD = 256  # bytes that an entry takes beside its text, roughly


class MemoryDocuments:
    """Texts under their SHA-256, within so many bytes: the least recently used goes first."""

    def __init__(self, total_bytes: int = 16 * 1024 * 1024) -> None:
        self._total_bytes = total_bytes
        self._texts: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def bytes_held(self) -> int:
        """What the texts take, roughly: never more than the bound."""
        return self._bytes

    async def get(self, sha256: str) -> str | None:
        text = self._texts.get(sha256)
        if text is None:
            return None
        self._texts.move_to_end(sha256)
        return text.decode(errors="surrogatepass")

    async def put(self, sha256: str, text: str) -> None:
        """Keep the text; one larger than the whole bound is not kept."""
        content = text.encode(errors="surrogatepass")
        size = len(content) + _OVERHEAD
        if size > self._total_bytes:
            return
        if (known := self._texts.pop(sha256, None)) is not None:
            self._bytes -= len(known) + _OVERHEAD
        self._texts[sha256] = content
        self._bytes += size
        while self._bytes > self._total_bytes:
            _, oldest = self._texts.popitem(last=False)
            self._bytes -= len(oldest) + _OVERHEAD
