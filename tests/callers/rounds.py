"""The rounds in which the credentials of open connections are verified again."""

import asyncio
from collections.abc import Callable

__all__ = ["CheckRounds"]


class CheckRounds:
    """Counts the rounds by what each begins with: it reads the version of the keys."""

    def __init__(self, version: Callable[[], object]) -> None:
        self._version = version
        self._begun = 0
        self._begins = asyncio.Event()

    def __call__(self) -> object:
        self._begun += 1
        self._begins.set()
        return self._version()

    async def passed(self) -> None:
        """Wait until one that began after this call is over, which it is when the next one begins."""
        awaited = self._begun + 2
        async with asyncio.timeout(20):
            while self._begun < awaited:
                self._begins.clear()
                await self._begins.wait()
