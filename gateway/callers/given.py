"""Authentication by the program that embeds the gateway."""

import asyncio
import logging
import time
from collections.abc import Callable

from gateway.callers.authentication import Authenticate, Authentication, Forwards, with_forwarded
from gateway.callers.connection import Connection
from gateway.errors import GatewayError, Internal, SourceUnavailable, Unauthenticated
from gateway.kit.tasks import CalleeCancelledError, callee_result
from gateway.principal import Principal

__all__ = ["GivenAuthentication"]

_LOG = logging.getLogger("gateway.callers")


class GivenAuthentication:
    """Calls `authenticate` of the embedding program, and checks what it returns.

    A caller for whom it returns None is authenticated as `configured`, and refused where that is None. `timeout` is for
    one call of it, in seconds. The headers in `forwards` are added for sources that are called with forwarded
    credentials.
    """

    def __init__(
        self,
        authenticate: Authenticate,
        configured: Authentication | None = None,
        forwards: Forwards | None = None,
        *,
        timeout: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._authenticate = authenticate
        self._configured = configured
        self._forwards = forwards or {}
        self._timeout = timeout
        self._now = now
        self._read_version = getattr(authenticate, "version", None)
        self._last_version: object = None
        self._version_failed = False

    def version(self) -> object:
        """Return another value after each change with which callers that were accepted may not be accepted any more."""
        configured = None if self._configured is None else self._configured.version()
        if self._read_version is None:
            return configured
        try:
            self._last_version = self._read_version()
            self._version_failed = False
        except Exception:  # noqa: BLE001 - whatever it is, the other checks go on
            if not self._version_failed:  # it is called several times a second
                _LOG.exception("`version` of the embedding program's `authenticate` failed")
            self._version_failed = True
        return self._last_version, configured

    async def __call__(self, connection: Connection) -> Principal:
        """Return the caller.

        Raises:
            GatewayError: the caller is refused.
        """
        try:
            async with asyncio.timeout(self._timeout) as limit:
                principal = await callee_result(self._authenticate(connection))
        except GatewayError:
            raise
        except CalleeCancelledError as error:
            raise Internal("`authenticate` of the embedding program was cancelled.") from error
        except Exception as error:
            if limit.expired():
                _LOG.warning("`authenticate` of the embedding program took more than %g s", self._timeout)
                message = "The caller could not be authenticated in time. Retry after 1 s."
                raise SourceUnavailable(message, retry_after=1.0) from error
            raise Internal("`authenticate` of the embedding program failed.") from error
        if principal is None:
            if self._configured is None:
                raise Unauthenticated("Authentication required.")
            return await self._configured(connection)
        _check(principal)
        if principal.expires is not None and principal.expires <= self._now():
            raise Unauthenticated("The credential has expired.")
        return with_forwarded(principal, connection.headers, self._forwards) if self._forwards else principal


def _check(principal: object) -> None:
    """Check what a type checker would have reported.

    Raises:
        Internal: it is no principal, or none that can be used.
    """
    if not isinstance(principal, Principal):
        found = type(principal).__name__
        raise Internal(f"`authenticate` of the embedding program returned {found}: return a Principal or None.")
    if not isinstance(principal.expires, float | int | None):
        found = type(principal.expires).__name__
        raise Internal(f"`expires` of the embedding program's principal is {found}: give seconds since 1970.")
