"""The modes of `GATEWAY_AUTH__MODE`: how callers are told apart, made from the settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from aiohttp import ClientSession

from gateway.callers.api_keys import ApiKeys
from gateway.callers.authentication import Authentication, Forwards
from gateway.callers.fetching import fetch
from gateway.callers.key_sets import FetchedKeys, FileKeys, Keys
from gateway.callers.tokens import KINDS, TokenRules, Tokens
from gateway.settings import AuthSettings

__all__ = ["opened"]


@asynccontextmanager
async def opened(settings: AuthSettings, forwards: Forwards) -> AsyncIterator[Authentication]:
    """The authentication that is set, until it is left.

    Raises:
        OSError, ValueError: a file of keys cannot be read or used.
    """
    async with AsyncExitStack() as stack:
        keys = ApiKeys(settings.keys_file) if settings.with_keys and settings.keys_file else None
        tokens = None
        if settings.with_tokens:
            tokens = Tokens(_rules(settings), await _keys(settings, stack))
        yield Authentication(keys, tokens, forwards)


def _rules(settings: AuthSettings) -> TokenRules:
    return TokenRules(
        settings.issuer,
        settings.audience,
        settings.algorithms,
        leeway=settings.leeway,
        scopes=settings.scope_claim,
        subject=settings.subject_claim,
        longest=settings.max_token_length,
    )


async def _keys(settings: AuthSettings, stack: AsyncExitStack) -> Keys:
    kinds = frozenset(KINDS[name[:2]] for name in settings.algorithms)
    if settings.jwks_file is not None:
        return FileKeys(settings.jwks_file, kinds)
    session = await stack.enter_async_context(ClientSession())
    keys = FetchedKeys(partial(fetch, session, str(settings.jwks_url)), kinds, ttl=settings.jwks_ttl)
    stack.push_async_callback(keys.aclose)
    return keys
