"""Authentication by the embedding program, or as the settings configure it (`GATEWAY_AUTH__MODE`)."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.app.setting_errors import named_setting
from gateway.callers.api_keys import ApiKeys
from gateway.callers.authentication import Authenticate, Authentication, Forwards
from gateway.callers.connection import Connection
from gateway.callers.given import GivenAuthentication
from gateway.callers.revocation import CREDENTIAL_HEADERS, CredentialWatch, Identify
from gateway.kit.clock import REAL_CLOCK, Clock
from gateway.kit.extras import require_extra
from gateway.principal import Principal, scopes
from gateway.settings import AuthMode, AuthSettings
from gateway.users.model import UserSource

__all__ = ["open_authentication", "open_credentials"]


@asynccontextmanager
async def open_credentials(
    settings: AuthSettings,
    forwards: Forwards,
    clock: Clock,
    authenticate: Authenticate | None = None,
    *,
    max_seconds: float,
    bind: Callable[[Principal], Principal] | None = None,
) -> AsyncIterator[CredentialWatch]:
    """Open the authentication, with the checks of open connections; both are closed when the block ends.

    `authenticate` of the embedding program identifies callers, each within `max_seconds`. Those whom it does not
    know, and without it all, are authenticated as the settings configure it.

    `bind` adds to a principal the keys of the credentials that are provided for it; None: there are none.

    Raises:
        OSError, ValueError: as `open_authentication`.
    """
    forwarded = (header for headers in forwards.values() for header in headers)
    async with open_authentication(settings, forwards, clock) as configured:
        identify: Authentication | GivenAuthentication = configured
        if authenticate is not None:
            fallback = None if settings.mode is AuthMode.NONE else configured
            identify = GivenAuthentication(authenticate, fallback, forwards, timeout=max_seconds, now=clock.time)
        credentials = CredentialWatch(
            identify if bind is None else _binding(identify, bind),
            try_authenticate=_never if authenticate is not None or bind is not None else configured.try_authenticate,
            headers=CREDENTIAL_HEADERS.union(forwarded),
            by_headers=authenticate is None,
            version=identify.version,
            now=clock.time,
        )
        try:
            yield credentials
        finally:
            await credentials.aclose()


def _binding(identify: Identify, bind: Callable[[Principal], Principal]) -> Identify:
    async def identify_and_bind(connection: Connection) -> Principal:
        return bind(await identify(connection))

    return identify_and_bind


def _never(_connection: Connection) -> None:
    """Return None: the code of the embedding program may wait."""


@asynccontextmanager
async def open_authentication(
    settings: AuthSettings, forwards: Forwards, clock: Clock = REAL_CLOCK
) -> AsyncIterator[Authentication]:
    """Open the configured authentication; its connections and tasks are closed when the block ends.

    Raises:
        OSError, ValueError: a file of keys cannot be read or is not valid.
    """
    async with AsyncExitStack() as stack:
        keys = None
        if settings.with_keys and settings.keys_file:
            with named_setting("auth", "keys_file"):
                keys = ApiKeys(settings.keys_file, scopes(UserSource), now=clock.time)
        tokens = None
        if settings.with_tokens:
            require_extra("jwt", "GATEWAY_AUTH__MODE with jwt")
            from gateway.app.tokens import open_token_verifier  # noqa: PLC0415 - the JWT library takes 11 MiB

            tokens = await open_token_verifier(settings, stack, clock)
        yield Authentication(keys, tokens, forwards)
