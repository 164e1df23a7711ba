"""Whether this process is one of several."""

from contextlib import AsyncExitStack

from gateway.app.observed import Observed
from gateway.app.shared import Shared
from gateway.settings import Settings

__all__ = ["shared_of"]


def shared_of(settings: Settings, open: AsyncExitStack, observed: Observed) -> Shared:
    """What the settings have of the two."""
    if settings.redis_url is None:
        return Shared(settings, open, observed)
    from gateway.app.replicated import Replicated  # noqa: PLC0415 - the Redis client is 6 MiB that few need

    return Replicated(settings.redis_url.get_secret_value(), settings, open, observed)
