"""The keys that tokens are signed with (JWK sets), from a file or from their issuer."""

import asyncio
import logging
import time
import warnings
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import JWKRegistry, Key

from gateway.errors import SourceUnavailable
from gateway.kit.watched_file import WatchedFile

__all__ = ["FetchedKeys", "FileKeys", "KeySet", "Keys", "fetch", "read_keys"]

_LOG = logging.getLogger("gateway.callers")
_MOST_KEYS = 100


class KeySet(tuple[Key, ...]):
    """Keys to check signatures with. Another set is another object, also where its keys are the same."""

    __slots__ = ()

    def named(self, kid: str | None) -> Sequence[Key]:
        """The keys of that name; of a set of one key, that one for a token that names none."""
        if kid is None:
            return self if len(self) == 1 else ()
        return [key for key in self if key.kid == kid]


class Keys(Protocol):
    """A key set that changes now and then."""

    def current(self) -> KeySet:
        """The keys as they are known now."""

    async def having(self, kid: str | None) -> KeySet:
        """The keys, asked for anew where none of that name is known, unless that happens too often.

        Raises:
            SourceUnavailable: there are none yet.
        """


class FileKeys:
    """The keys of a file, read again when it changes.

    Raises:
        OSError: the file cannot be read at the start.
        ValueError: it is no key set.
    """

    def __init__(self, path: Path, kinds: Collection[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = WatchedFile(path, lambda content: read_keys(content, kinds), clock=clock)

    def current(self) -> KeySet:
        return self._file.current()

    async def having(self, kid: str | None) -> KeySet:  # noqa: ARG002 - the file is looked at in any case
        return self._file.current()


class FetchedKeys:
    """The keys of an issuer.

    They are fetched when they are first needed, when they are older than `ttl` seconds, and when a token names one
    that is not among them. That last a forger can bring about at will: so it happens `burst` times at once, then
    once in `pause` seconds. Whoever waits shares one fetch. A fetch that fails leaves the keys that are known in
    force, and the next one to its time; keys that are merely old stay in force while they are fetched.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        kinds: Collection[str],
        *,
        ttl: float = 300.0,
        burst: int = 5,
        pause: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._kinds = kinds
        self._ttl = ttl
        self._burst = burst
        self._pause = pause
        self._clock = clock
        self._keys = KeySet()
        self._due = clock()
        self._fetches = float(burst)  # that may be made now
        self._counted = clock()
        self._task: asyncio.Task[None] | None = None

    def current(self) -> KeySet:
        if self._keys and self._clock() >= self._due:
            self._begin()
        return self._keys

    async def having(self, kid: str | None) -> KeySet:
        keys = self.current()
        if not keys.named(kid) and (self._task is not None or self._allowed()):
            await asyncio.shield(self._begin())
        if not self._keys:
            raise SourceUnavailable("The keys that tokens are checked with cannot be had.", retry_after=1.0)
        return self._keys

    async def aclose(self) -> None:
        """End a fetch under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _begin(self) -> asyncio.Task[None]:
        if self._task is None:
            self._due = self._clock() + self._pause  # also where it fails
            self._task = asyncio.ensure_future(self._refresh())
            self._task.add_done_callback(self._end)
        return self._task

    async def _refresh(self) -> None:
        try:
            self._keys = read_keys(await self._fetch(), self._kinds)
            self._due = self._clock() + self._ttl
        except (OSError, ValueError) as error:
            _LOG.warning("the keys that tokens are checked with cannot be had, the known ones stay: %s", error)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # whoever waited was told

    def _allowed(self) -> bool:
        """Take one of the fetches that may be made now."""
        now = self._clock()
        self._fetches = min(self._burst, self._fetches + (now - self._counted) / self._pause)
        self._counted = now
        if self._fetches < 1:
            return False
        self._fetches -= 1
        return True


def read_keys(content: bytes, kinds: Collection[str]) -> KeySet:
    """The keys of a JWK set that are for signatures and of one of the kinds (`RSA`, `EC`, `OKP`, `oct`).

    What else is in it is passed over (RFC 7517, 5), so a set may hold keys that are newer than this program; so are
    keys that are too weak.

    Raises:
        ValueError: it is no JWK set, or none of its keys can be used.
    """
    told = orjson.loads(content)
    listed = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it is no JWK set")  # noqa: TRY004 - what is wrong is the content
    found = [_key(one) for one in listed[:_MOST_KEYS] if isinstance(one, dict) and str(one.get("kty")) in kinds]
    keys = KeySet(key for key in found if key is not None)
    if not keys:
        raise ValueError("none of its keys can be used here")
    return keys


def _key(told: dict[str, Any]) -> Key | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)  # how the library tells of a weak key
            key = JWKRegistry.import_key(told)
            key.check_use("sig")
    except (JoseError, SecurityWarning, ValueError, TypeError, KeyError) as error:
        _LOG.warning("a key of a JWK set is passed over: %s", type(error).__name__)
        return None
    return key


_MOST_BYTES = 256 * 1024
_PATIENCE = ClientTimeout(total=5.0)
_SUCCESS = 200


async def fetch(session: ClientSession, url: str) -> bytes:
    """What is at the address; redirects are not followed, so that it stays with the host that was named.

    Raises:
        OSError: it cannot be had: in words without the address.
    """
    try:
        async with session.get(url, timeout=_PATIENCE, allow_redirects=False) as answer:
            if answer.status != _SUCCESS:
                raise OSError(f"the issuer answered {answer.status}")
            content = await answer.content.read(_MOST_BYTES + 1)
            while not answer.content.at_eof() and len(content) <= _MOST_BYTES:
                content += await answer.content.read(_MOST_BYTES + 1 - len(content))
    except (ClientError, TimeoutError) as error:
        raise OSError(f"the issuer did not answer ({type(error).__name__})") from error
    if len(content) > _MOST_BYTES:
        raise OSError(f"the issuer answered with more than {_MOST_BYTES} bytes")
    return content
