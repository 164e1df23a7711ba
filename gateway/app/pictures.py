"""Builds the URLs of pictures and the route that serves them."""

import secrets
from collections.abc import Mapping

from gateway.api.pictures import PictureFetcher, PictureLinks, pictures_route
from gateway.api.web.http import Route
from gateway.app.sources import ConfiguredSources, settings_of
from gateway.callers.revocation import Identify
from gateway.kit.clock import Clock
from gateway.settings import Settings
from gateway.users.model import UserSource
from gateway.users.source import PictureStore

__all__ = ["build_picture_links", "build_pictures_route"]


def build_picture_links(settings: Settings, stores: Mapping[UserSource, PictureStore], clock: Clock) -> PictureLinks:
    """Build what makes and reads the URLs of pictures."""
    return PictureLinks(
        _secret(settings),
        stores,
        lifetime=settings.pictures.lifetime,
        public_url=settings.public_url or "",
        clock=clock.time,
    )


def build_pictures_route(
    settings: Settings,
    configured: ConfiguredSources,
    links: PictureLinks,
    authenticate: Identify,
    clock: Clock,
) -> Route:
    """Build the route `/images/{token}`."""
    pictures = settings.pictures
    fetcher = PictureFetcher(
        configured.sources,
        configured.pictures,
        max_bytes=pictures.max_bytes,
        cache_bytes=pictures.cache_bytes,
        clock=clock.monotonic,
    )
    return pictures_route(
        links,
        fetcher,
        authenticate,
        forwarding=frozenset(name for name in UserSource if name in configured.forwards),
        providing=configured.providing,
        cross_origin=bool(settings.cors_origins),
        timeout=settings.request_timeout,
    )


def _secret(settings: Settings) -> bytes:
    """Return what all replicas have in common, from which the key of the URLs is derived; random if there is nothing.

    The tokens of the sources are long random texts, and no URL shows them: the derivation cannot be inverted.
    """
    for secret in (settings.pictures.secret, settings.cursor_secret):
        if secret is not None:
            return secret.get_secret_value().encode()
    tokens = [token.get_secret_value() for name in UserSource if (token := settings_of(settings, name).token)]
    return "\n".join(tokens).encode() if any(tokens) else secrets.token_bytes(32)
