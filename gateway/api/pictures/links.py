"""The URLs of pictures: signed, encrypted, and valid for a while.

Whoever may read a user gets the URL of the picture with it. The URL itself is the permission to load that picture,
since an `<img>` of a page sends no credential. It shows neither the id of the user nor where the source has the
picture.

The URL of a picture stays the same for half of its lifetime, so that browsers cache the picture, and becomes another
one when the picture changes.
"""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from gateway.errors import Forbidden, NotFound
from gateway.users.model import User, UserSource
from gateway.users.source import PictureStore

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

__all__ = ["PATH", "PictureLink", "PictureLinks"]

PATH = "/images/"

_FORMAT = [b"gateway.pictures", b"1"]  # authenticated with each URL: those of another format are not accepted
_MAX_LENGTH = 4096  # characters
_MAX_CHANGED = 10_000  # pictures
_CACHED_TOKENS = 4096  # of less than 1 KiB
_NO_SUCH_PICTURE = "There is no such picture: the URL was not made by this gateway."
_EXPIRED = "The URL of this picture has expired. Read the user again to get the present one."
_SELF_CONTAINED = ("https://", "http://", "data:image/")
"""The beginnings of addresses that a browser can load without the gateway."""


class PictureLink(NamedTuple):
    """What a URL permits to load.

    `location` is where the source has the picture (`PictureStore.locate`). If the source gives another address with
    each response, there is a `user_id` instead, the source id of the user, whose present address has to be read first.
    `version` distinguishes the pictures that were at one location one after the other.
    """

    source: UserSource
    location: str
    user_id: str
    version: str


class PictureLinks:
    """Makes the URLs of pictures, and reads them.

    All replicas need the same `secret`. `stores` are the pictures of each source that has any. A URL is valid for
    `lifetime` seconds at most, and for half of them at least. `public_url` is the URL of the gateway as clients reach
    it; empty: the one that the caller of `url` gives.
    """

    def __init__(
        self,
        secret: bytes,
        stores: Mapping[UserSource, PictureStore],
        *,
        lifetime: float,
        public_url: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret
        self._stores = stores
        self._window_length = lifetime / 2
        self._public_url = public_url.rstrip("/")
        self._clock = clock
        # Cached: encryption takes most of the time, and the same users are read again and again.
        self._token = lru_cache(_CACHED_TOKENS)(self._encrypted)
        self._changed: OrderedDict[str, int] = OrderedDict()  # by address, how often

    def url(self, record: Any, base_url: str = "") -> str | None:
        """Return the URL of the picture of a user, an actor or a marketplace account; None if it has no picture.

        Without `public_url` and `base_url` it is a path. A picture at a host that the gateway does not call has the URL
        that the source gave.
        """
        address = record.image_url
        if not address:
            return None
        source = record.source if isinstance(record, User) else UserSource.SOFTWAREONE
        store = self._stores.get(source)
        location = None if store is None else store.locate(address)
        if location is None:
            return address if address.startswith(_SELF_CONTAINED) else None
        # A query is a signature that expires, in an address that differs from response to response.
        user_id = record.source_id if isinstance(record, User) and "?" in address else ""
        version = record.image_version or self._changed.get(address, "")
        expires = int((self.window() + 2) * self._window_length)
        token = self._token(expires, source, "" if user_id else location, user_id, version)
        return f"{self._public_url or base_url}{PATH}{token}"

    def window(self) -> int:
        """Return the number of the present window of time, within which the URL of a picture stays the same."""
        return int(self._clock() // self._window_length)

    def read(self, token: str) -> PictureLink:
        """Return what a URL permits, given the last segment of its path.

        Raises:
            NotFound: it was not made with this secret, or its source is not configured any more.
            Forbidden: it has expired.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see `_cipher`

        try:
            content = self._cipher.decrypt(_decoded(token), _FORMAT)
        except (ValueError, InvalidTag):
            raise NotFound(_NO_SUCH_PICTURE) from None
        expires, source, *rest = orjson.loads(content)
        if expires <= self._clock():
            raise Forbidden(_EXPIRED)
        if source not in self._stores:  # it was configured when the URL was made
            raise NotFound(_NO_SUCH_PICTURE)
        return PictureLink(UserSource(source), *map(str, rest))

    def on_change(self, user: User) -> None:
        """Make another URL for the picture of a user that was changed here, if the source sends no version of it."""
        if user.image_url and user.image_version is None:
            self._changed[user.image_url] = self._changed.pop(user.image_url, 0) + 1
            if len(self._changed) > _MAX_CHANGED:
                self._changed.popitem(last=False)

    def _encrypted(self, *link: Any) -> str:
        return _encoded(self._cipher.encrypt(orjson.dumps(link), _FORMAT))

    @cached_property
    def _cipher(self) -> "AESSIV":
        """AES-SIV (RFC 5297): equal pictures have equal URLs in one window, as they need for the cache of a browser."""
        # Imported where it is used first: it takes 9 MiB, and most gateways that embed this one load no picture.
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415 - see above
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - see above
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - see above

        return AESSIV(HKDF(SHA256(), length=64, salt=None, info=b"gateway.pictures").derive(self._secret))


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(token: str) -> bytes:
    """Return the decoded bytes.

    Raises:
        ValueError: the text is not base64 in its one canonical spelling; the decoder would ignore foreign characters.
    """
    content = urlsafe_b64decode(token[:_MAX_LENGTH] + "=" * (-len(token) % 4))
    if _encoded(content) != token:
        raise ValueError
    return content
