"""Ends connections and streams whose credential is no longer valid."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.callers.connection import Connection
from gateway.errors import Forbidden, GatewayError, Internal, Unauthenticated
from gateway.kit.tasks import cancel_and_wait
from gateway.operation import background_context
from gateway.principal import Principal

__all__ = ["CREDENTIAL_HEADERS", "CredentialWatch", "Identify", "OnRevoked", "TryIdentify"]

_LOG = logging.getLogger("gateway.callers")

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key"})
"""The headers, in lower case, by which `Authentication` identifies a caller."""

Identify = Callable[[Connection], Awaitable[Principal]]
"""Returns the caller of a connection, or raises Unauthenticated, or another error of the gateway."""

TryIdentify = Callable[[Connection], Principal | None]
"""Does the same without waiting; None: that is impossible for this connection."""

OnRevoked = Callable[[GatewayError], None]
"""Called with Unauthenticated once the credential is no longer valid, with Forbidden each time that it loses scopes."""

_CHECK_INTERVAL = 0.25  # seconds; with that of watched files, a removed key is noticed within half a second
_EXPIRED = "The credential has expired. Connect again with a new one."
_RETRY_INTERVAL = 1.0  # seconds until a credential that could not be verified is verified again
_CHECK_TIMEOUT = 5.0  # seconds for verifying a credential that has expired
_REVOKED = 60.0  # seconds after `revoke` in which a caller may still be let in who was authenticated before it
_CHECKS_AT_ONCE = 50  # credentials that are verified before other tasks may run; a signature takes some 0.1 ms


@dataclass(slots=True, eq=False)
class _Credential:
    """A credential that open connections and streams use, and its caller with the scopes that they began with.

    `checked` is the generation of keys with which it was verified last; if that failed, it is not verified again before
    `check_after`, by the monotonic clock. `expires` is in seconds since 1970.
    """

    connection: Connection | None
    principal: Principal
    expires: float | None
    checked: int | None = None
    check_after: float = 0.0
    uses: dict[object, OnRevoked] = field(default_factory=dict)

    def report(self, error: GatewayError) -> None:
        """Report the error to all connections and streams."""
        for on_revoked in tuple(self.uses.values()):
            on_revoked(error)

    def end(self, message: str) -> None:
        """Report to all that the credential is not valid any more."""
        self.report(Unauthenticated(message))
        self.uses.clear()


class CredentialWatch:
    """Authenticates callers, and verifies the credentials of open connections and streams again.

    A request is authenticated once; a connection or stream may be open for days. While `watch` is entered, its
    credential is verified again whenever `version` returns another value, which it does when keys were added, removed
    or changed. `headers` are the names of the headers that contain credentials, in lower case. Call it inside one
    event loop.

    `by_headers`: those headers alone identify a caller. Otherwise each connection is verified as a whole, and also when
    its principal expires: a session of the embedding program may have been prolonged meanwhile.

    `try_authenticate` does the same as `authenticate` where that needs no wait, and has the same results.
    """

    def __init__(
        self,
        authenticate: Identify,
        *,
        try_authenticate: TryIdentify = lambda _connection: None,
        headers: Collection[str] = CREDENTIAL_HEADERS,
        by_headers: bool = True,
        version: Callable[[], object] = lambda: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.authenticate = authenticate
        self.try_authenticate = try_authenticate
        self.headers = frozenset(headers)
        self._by_headers = by_headers
        self._read_version = version
        self._now = now
        self._version: object = None
        self._generation = 0
        self._credentials: dict[Hashable, _Credential] = {}
        self._revoked: dict[str, float] = {}  # the names, with the time by the monotonic clock, in its order
        self._task: asyncio.Task[None] | None = None
        self._checks: set[asyncio.Task[None]] = set()

    @contextmanager
    def watch(self, connection: Connection | None, principal: Principal, on_revoked: OnRevoked) -> Iterator[None]:
        """Call `on_revoked` if, before the block ends, the credential of the connection is revoked.

        `principal` is the caller as it was authenticated by it. It has lost scopes as soon as it has not all those that
        it had then. Without a connection, the principal can only expire.
        """
        key: Hashable = (principal, connection)
        if connection is not None and self._by_headers:
            given = {name: value for name in self.headers if (value := connection.headers.get(name)) is not None}
            key = (principal, *given.items())
            connection = Connection(connection.surface, given)  # the rest need not stay in memory
        credential = self._credentials.get(key)
        if credential is None:
            credential = self._credentials[key] = _Credential(connection, principal, principal.expires)
        credential.checked = None  # the keys may have changed since the principal was authenticated
        # And so may the session have ended.
        if connection is not None and not self._by_headers and self._was_revoked(principal.name):
            credential.expires = -math.inf  # verified at the next check
        use = object()
        credential.uses[use] = on_revoked
        if self._task is None:
            # An empty context: the deadline of the present operation must not apply to the checks.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=background_context())
        try:
            yield
        finally:
            credential.uses.pop(use, None)
            if not credential.uses and self._credentials.get(key) is credential:
                del self._credentials[key]

    def revoke(self, name: str) -> None:
        """End all connections and streams of the principals of this name, also those that are just being authenticated.

        A connection of the next minute is verified once more: its session may have been read before.
        """
        self._forget_old_revocations()
        self._revoked.pop(name, None)
        self._revoked[name] = time.monotonic()
        for credential in tuple(self._credentials.values()):
            if credential.principal.name == name:
                credential.end("The credential was revoked. Connect again with a valid one.")

    def _was_revoked(self, name: str) -> bool:
        """Return whether principals of this name were revoked a short time ago."""
        self._forget_old_revocations()
        return name in self._revoked

    def _forget_old_revocations(self) -> None:
        before = time.monotonic() - _REVOKED
        while self._revoked and next(iter(self._revoked.values())) < before:
            del self._revoked[next(iter(self._revoked))]

    async def aclose(self) -> None:
        """Stop the checks."""
        tasks = [*self._checks, *([self._task] if self._task is not None else ())]
        await cancel_and_wait(*tasks)

    async def _run(self) -> None:
        """Check all credentials at an interval, while there are any."""
        try:
            while self._credentials:
                await asyncio.sleep(_CHECK_INTERVAL)
                await self._check_all()
        finally:
            self._task = None

    async def _check_all(self) -> None:
        version = self._read_version()
        if version != self._version:
            self._generation += 1
        self._version = version
        now, started = self._now(), 0
        for credential in tuple(self._credentials.values()):
            connection = credential.connection
            if credential.expires is not None and credential.expires <= now:
                if connection is None or self._by_headers:
                    credential.end(_EXPIRED)
                    continue
                credential.expires = None  # until it has been verified
                check = self._check_expired(credential, connection)
            elif connection is not None and version is not None and self._is_due(credential):
                credential.checked = self._generation
                check = self._check(credential, connection)
            else:
                continue
            # A task, since verifying one token may wait for its issuer; no other credential waits for that.
            task = asyncio.create_task(check)
            self._checks.add(task)
            task.add_done_callback(self._checks.discard)
            started += 1
            if started % _CHECKS_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _is_due(self, credential: _Credential) -> bool:
        return credential.checked != self._generation and credential.check_after <= time.monotonic()

    async def _check(self, credential: _Credential, connection: Connection) -> None:
        expires = credential.expires
        try:
            principal = await self.authenticate(connection)
        except (Unauthenticated, Forbidden):
            credential.end("The credential is no longer accepted. Connect again with a valid one.")
        except GatewayError as error:  # it cannot be verified now
            if isinstance(error, Internal) and credential.uses:
                _LOG.exception("an open connection of %s could not be verified", credential.principal.name)
            credential.checked, credential.check_after = None, time.monotonic() + _RETRY_INTERVAL
        else:
            self._verified(credential, principal, expires)

    async def _check_expired(self, credential: _Credential, connection: Connection) -> None:
        """Verify a connection whose principal has expired; where that fails, it ends."""
        expires = credential.expires
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT):
                principal = await self.authenticate(connection)
        except (GatewayError, TimeoutError) as error:
            if not isinstance(error, Unauthenticated):
                _LOG.warning(
                    "an expired connection of %s could not be verified", credential.principal.name, exc_info=error
                )
            credential.end(_EXPIRED)
        else:
            self._verified(credential, principal, expires)

    def _verified(self, credential: _Credential, principal: Principal, expires: float | None) -> None:
        """Note the result of a verification that began when the credential expired at `expires`."""
        before = credential.principal
        if credential.expires == expires:  # else `watch` has requested another verification in the meantime
            credential.expires = principal.expires
        if principal.name != before.name or not principal.scopes >= before.scopes:
            credential.principal = principal
            credential.report(Forbidden("The caller has lost scopes since this stream began. Connect again."))
