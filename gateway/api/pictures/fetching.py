"""Fetches pictures from their sources, a few at once, and keeps them for a minute."""

import asyncio
import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from gateway.api.gate import Gate
from gateway.api.pictures.links import PictureLink
from gateway.errors import Origin, SourceInvalidResponse
from gateway.kit.image_types import image_type
from gateway.kit.segmented_cache import SegmentedCache
from gateway.kit.source_titles import titled
from gateway.operation import acting_as
from gateway.principal import Principal
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource
from gateway.users.source import PictureStore, Sources

__all__ = ["Picture", "PictureFetcher"]

_AT_ONCE = 16  # pictures: they take from the rate limits that the users need too
_SHARE = 0.5  # of them for one source, so that a slow one leaves room for the other
_QUEUE = 256
_MAX_WAIT = 10.0  # seconds
_KEPT = 60.0  # seconds
_ENTRY_BYTES = 1_000  # of an entry of the cache, without the picture
_ETAG_BYTES = 16
_BEGINNING = 64 * 1024  # bytes: by them the type is recognised
_PROFILE = frozenset({"profile"})


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture; `content_type` is what its content shows, whatever the source states."""

    content: bytes = field(repr=False)
    content_type: str
    etag: str

    @classmethod
    def of(cls, content: bytes, source: UserSource) -> "Picture":
        """Recognise the type of a picture.

        Raises:
            SourceInvalidResponse: it is none, or of a type that is not served.
        """
        content_type = image_type(content[:_BEGINNING])
        if content_type is None:
            message = f"The {titled(source)} source has something at the address of a picture that is none."
            raise SourceInvalidResponse(message, origin=Origin(source=source))
        digest = hashlib.sha256(content).digest()[:_ETAG_BYTES]
        return cls(content, content_type, f'"{urlsafe_b64encode(digest).decode().rstrip("=")}"')


class PictureFetcher:
    """Fetches pictures of at most `max_bytes`, and keeps up to `cache_bytes` of them."""

    def __init__(
        self,
        sources: Sources,
        stores: Mapping[UserSource, PictureStore],
        *,
        max_bytes: int,
        cache_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = sources
        self._stores = stores
        self._max_bytes = max_bytes
        self._clock = clock
        self._gate = Gate(_AT_ONCE, queue=_QUEUE, max_wait=_MAX_WAIT, share=_SHARE)
        self._cache: SegmentedCache[Hashable, tuple[Picture | None]] = SegmentedCache(cache_bytes)
        self._under_way: dict[Hashable, asyncio.Task[Picture | None]] = {}

    async def fetch(self, link: PictureLink, principal: Principal) -> Picture | None:
        """Return a picture, or None if there is none any more. The source is called on behalf of a principal.

        Raises:
            GatewayError: the source cannot be called, has no valid picture, or too many pictures are being fetched.
        """
        # The time is a part of the key, so an entry that is too old is not found any more, and evicted later.
        key = (link, principal.credential(link.source), self._clock() // _KEPT)
        kept = self._cache.get(key)
        if kept is not None:
            return kept[0]
        # Before the gate: however often a slow picture is requested, it takes one slot, and leaves the others free.
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.get_running_loop().create_task(self._fetch_one(key, link, principal))
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    async def _fetch_one(self, key: Hashable, link: PictureLink, principal: Principal) -> Picture | None:
        async with self._gate.slot(link.source):
            with acting_as(principal):
                picture = await self._fetch(link)
        self._cache.put(key, (picture,), _ENTRY_BYTES + (len(picture.content) if picture else 0))
        return picture

    def _ended(self, key: Hashable, task: "asyncio.Task[Picture | None]") -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # it is not logged where all clients have disconnected

    async def _fetch(self, link: PictureLink) -> Picture | None:
        store, location = self._stores[link.source], link.location or None
        if link.user_id:
            # From the source, not from what is kept: the address contains a signature that expires.
            ref = Ref(Kind.USER, link.source, link.user_id)
            user = await self._sources.named(link.source).fetch_user(ref, _PROFILE)
            location = store.locate(user.image_url) if user is not None and user.image_url else None
        content = await store.fetch(location, self._max_bytes) if location else None
        return Picture.of(content, link.source) if content else None
