"""The verification of tokens as the settings configure it. Only imported where tokens are accepted."""

from contextlib import AsyncExitStack
from functools import partial

from aiohttp import ClientSession

from gateway.app.setting_errors import named_setting
from gateway.callers.key_sets import FetchedKeys, FileKeys, KeyProvider, fetch_key_set
from gateway.callers.tokens import KEY_TYPES, TokenRules, TokenVerifier
from gateway.kit.clock import Clock
from gateway.principal import scopes
from gateway.settings import AuthSettings
from gateway.users.model import UserSource

__all__ = ["open_token_verifier"]


async def open_token_verifier(settings: AuthSettings, stack: AsyncExitStack, clock: Clock) -> TokenVerifier:
    """Open the configured verifier of tokens; `stack` closes what it needs.

    Raises:
        OSError, ValueError: the file of the JWK set cannot be read or is not valid.
    """
    rules = TokenRules(
        settings.issuer,
        settings.audience,
        scopes(UserSource),
        settings.algorithms,
        leeway=settings.leeway,
        scope_claim=settings.scope_claim,
        subject_claim=settings.subject_claim,
        max_length=settings.max_token_length,
    )
    return TokenVerifier(rules, await _open_keys(settings, stack, clock), now=clock.time)


async def _open_keys(settings: AuthSettings, stack: AsyncExitStack, clock: Clock) -> KeyProvider:
    kinds = frozenset(KEY_TYPES[name[:2]] for name in settings.algorithms)
    if settings.jwks_file is not None:
        with named_setting("auth", "jwks_file"):
            return FileKeys(settings.jwks_file, kinds)
    session = await stack.enter_async_context(ClientSession())
    fetch = partial(fetch_key_set, session, str(settings.jwks_url))
    keys = FetchedKeys(fetch, kinds, ttl=settings.jwks_ttl, clock=clock.monotonic)
    stack.push_async_callback(keys.aclose)
    return keys
