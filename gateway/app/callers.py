"""The modes of `GATEWAY_AUTH__MODE`: how callers are told apart, made from the settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.callers.api_keys import ApiKeys
from gateway.callers.authentication import Authentication, Forwards
from gateway.operation import scopes
from gateway.settings import AuthSettings
from gateway.users.model import UserSource

__all__ = ["opened"]


@asynccontextmanager
async def opened(settings: AuthSettings, forwards: Forwards) -> AsyncIterator[Authentication]:
    """The authentication that is set, until it is left.

    Raises:
        OSError, ValueError: a file of keys cannot be read or used.
    """
    async with AsyncExitStack() as stack:
        keys = ApiKeys(settings.keys_file, scopes(UserSource)) if settings.with_keys and settings.keys_file else None
        tokens = None
        if settings.with_tokens:
            from gateway.app.tokens import tokens_of  # noqa: PLC0415 - what checks signatures is 11 MiB

            tokens = await tokens_of(settings, stack)
        yield Authentication(keys, tokens, forwards)
