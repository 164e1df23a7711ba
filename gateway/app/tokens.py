"""Tokens by the settings: the rules that they are checked by, and the keys."""

from contextlib import AsyncExitStack
from functools import partial

from aiohttp import ClientSession

from gateway.callers.key_sets import FetchedKeys, FileKeys, Keys, fetch
from gateway.callers.tokens import KINDS, TokenRules, TokenVerifier
from gateway.operation import scopes
from gateway.settings import AuthSettings
from gateway.users.model import UserSource

__all__ = ["tokens_of"]


async def tokens_of(settings: AuthSettings, stack: AsyncExitStack) -> TokenVerifier:
    """The tokens that are set; what it opens is closed by the stack.

    Raises:
        OSError, ValueError: a file of keys cannot be read or used.
    """
    rules = TokenRules(
        settings.issuer,
        settings.audience,
        scopes(UserSource),
        settings.algorithms,
        leeway=settings.leeway,
        scopes=settings.scope_claim,
        subject=settings.subject_claim,
        longest=settings.max_token_length,
    )
    return TokenVerifier(rules, await _keys(settings, stack))


async def _keys(settings: AuthSettings, stack: AsyncExitStack) -> Keys:
    kinds = frozenset(KINDS[name[:2]] for name in settings.algorithms)
    if settings.jwks_file is not None:
        return FileKeys(settings.jwks_file, kinds)
    session = await stack.enter_async_context(ClientSession())
    keys = FetchedKeys(partial(fetch, session, str(settings.jwks_url)), kinds, ttl=settings.jwks_ttl)
    stack.push_async_callback(keys.aclose)
    return keys
