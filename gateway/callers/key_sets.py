"""The public keys that tokens are verified with (JWK sets), from a file or from their issuer."""

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

__all__ = ["FetchedKeys", "FileKeys", "KeyProvider", "KeySet", "fetch_key_set", "parse_key_set"]

_LOG = logging.getLogger("gateway.callers")
_MAX_KEYS = 100


class KeySet(tuple[Key, ...]):
    """The keys that verify signatures. After each change it is another object, even where the keys are the same."""

    __slots__ = ()

    def matching(self, kid: str | None) -> Sequence[Key]:
        """Return the keys with that id; for a token without a key id, the only key of a set that has one."""
        if kid is None:
            return self if len(self) == 1 else ()
        return [key for key in self if key.kid == kid]


class KeyProvider(Protocol):
    """Provides a key set that changes from time to time."""

    def current(self) -> KeySet:
        """Return the keys that are known now."""

    async def get(self, kid: str | None) -> KeySet:
        """Return the keys, fetched anew if none has that id, unless that happens too often.

        Raises:
            SourceUnavailable: no keys have been fetched yet.
        """


class FileKeys:
    """The keys of a file, which is read again when it changes. `key_types` is as for `parse_key_set`.

    Raises:
        OSError: the file cannot be read at the start.
        ValueError: it is not a usable key set.
    """

    def __init__(self, path: Path, key_types: Collection[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = WatchedFile(path, lambda content: parse_key_set(content, key_types), clock=clock)

    def current(self) -> KeySet:
        return self._file.current()

    async def get(self, kid: str | None) -> KeySet:  # noqa: ARG002 - the file is checked for changes in any case
        return self._file.current()


class FetchedKeys:
    """The keys of an issuer. `key_types` is as for `parse_key_set`.

    They are fetched when they are first needed, when they are older than `ttl` seconds, and when a token has a key id
    that is not among them. An attacker can cause the latter: so it happens `burst` times at once, then once in `pause`
    seconds. All callers that wait use one fetch. After a failed fetch the known keys stay in use, and the next fetch
    waits for its time; old keys stay in use while they are fetched.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        key_types: Collection[str],
        *,
        ttl: float = 300.0,
        burst: int = 5,
        pause: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._key_types = key_types
        self._ttl = ttl
        self._burst = burst
        self._pause = pause
        self._clock = clock
        self._keys = KeySet()
        self._content = b""
        self._failing = False  # the last fetch failed, which is logged once
        self._refresh_at = clock()
        self._allowed_fetches = float(burst)  # for unknown key ids, as of `_counted_at`
        self._counted_at = clock()
        self._task: asyncio.Task[None] | None = None

    def current(self) -> KeySet:
        if self._keys and self._clock() >= self._refresh_at:
            self._start_refresh()
        return self._keys

    async def get(self, kid: str | None) -> KeySet:
        keys = self.current()
        if not keys.matching(kid) and (self._task is not None or self._take_fetch()):
            await asyncio.shield(self._start_refresh())
        if not self._keys:
            raise SourceUnavailable("The keys that verify tokens are not available. Retry later.", retry_after=1.0)
        return self._keys

    async def aclose(self) -> None:
        """Cancel a running fetch."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _start_refresh(self) -> asyncio.Task[None]:
        if self._task is None:
            self._refresh_at = self._clock() + self._pause  # also if it fails
            self._task = asyncio.ensure_future(self._refresh())
            self._task.add_done_callback(self._end_refresh)
        return self._task

    async def _refresh(self) -> None:
        try:
            content = await self._fetch()
            if content != self._content:  # else the same object, so that no token has to be verified again
                self._keys = parse_key_set(content, self._key_types)
                self._content = content
            self._refresh_at = self._clock() + self._ttl
        except (OSError, ValueError) as error:
            if not self._failing:
                _LOG.warning("the key set of the issuer could not be fetched, the known keys stay in use: %s", error)
            self._failing = True
        else:
            if self._failing:
                _LOG.info("the key set of the issuer was fetched again")
            self._failing = False

    def _end_refresh(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # the callers that waited have got it

    def _take_fetch(self) -> bool:
        """Take one of the allowed fetches; return False where there is none."""
        now = self._clock()
        self._allowed_fetches = min(self._burst, self._allowed_fetches + (now - self._counted_at) / self._pause)
        self._counted_at = now
        if self._allowed_fetches < 1:
            return False
        self._allowed_fetches -= 1
        return True


def parse_key_set(content: bytes, key_types: Collection[str]) -> KeySet:
    """Return the keys of a JWK set that are for signatures and of one of the types (`RSA`, `EC`, `OKP`, `oct`).

    All else in the set is ignored (RFC 7517, section 5), so that it may contain keys that are newer than this program;
    so are keys that are too weak.

    Raises:
        ValueError: the content is not a JWK set, or none of its keys is usable.
    """
    document = orjson.loads(content)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a JWK set")  # noqa: TRY004 - what is wrong is the content
    parsed = [_key(jwk) for jwk in listed[:_MAX_KEYS] if isinstance(jwk, dict) and str(jwk.get("kty")) in key_types]
    keys = KeySet(key for key in parsed if key is not None)
    if not keys:
        raise ValueError("the JWK set has no usable key")
    return keys


def _key(jwk: dict[str, Any]) -> Key | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)  # the library warns of a weak key by it
            key = JWKRegistry.import_key(jwk)
            key.check_use("sig")
    except (JoseError, SecurityWarning, ValueError, TypeError, KeyError) as error:
        _LOG.warning(
            "a key of the JWK set was ignored, it is invalid, too weak or not for signatures: %s", type(error).__name__
        )
        return None
    return key


_MAX_BYTES = 256 * 1024
_TIMEOUT = ClientTimeout(total=5.0)
_SUCCESS = 200


async def fetch_key_set(session: ClientSession, url: str) -> bytes:
    """Return the content of the URL. Redirects are not followed: only the configured host is trusted.

    Raises:
        OSError: the fetch failed; the message does not contain the URL.
    """
    try:
        async with session.get(url, timeout=_TIMEOUT, allow_redirects=False) as response:
            if response.status != _SUCCESS:
                raise OSError(f"the issuer responded with status {response.status}")
            content = await response.content.read(_MAX_BYTES + 1)
            while not response.content.at_eof() and len(content) <= _MAX_BYTES:
                content += await response.content.read(_MAX_BYTES + 1 - len(content))
    except (ClientError, TimeoutError) as error:
        raise OSError(f"the issuer did not respond ({type(error).__name__})") from error
    if len(content) > _MAX_BYTES:
        raise OSError(f"the response of the issuer is larger than {_MAX_BYTES} bytes")
    return content
