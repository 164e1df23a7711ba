"""Ends connections and streams whose credential is no longer valid."""

import asyncio
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field

from gateway.callers.authentication import Authenticate
from gateway.errors import Forbidden, GatewayError, Unauthenticated
from gateway.kit.tasks import cancel_and_wait
from gateway.operation import Principal

__all__ = ["CREDENTIAL_HEADERS", "CredentialWatch", "OnRevoked"]

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key"})
"""The headers, in lower case, by which `Authentication` identifies a caller."""

OnRevoked = Callable[[GatewayError], None]
"""Called with Unauthenticated once the credential is no longer valid, with Forbidden each time that it loses scopes."""

_CHECK_INTERVAL = 0.25  # seconds; with that of watched files, a removed key is noticed within half a second
_CHECKS_AT_ONCE = 50  # credentials that are verified before other tasks may run; a signature takes some 0.1 ms


@dataclass(slots=True, eq=False)
class _Credential:
    """A credential that open connections and streams use, and its caller with the scopes that they began with.

    `checked` is the generation of keys with which it was verified last. `expires` is in seconds since 1970.
    """

    headers: Mapping[str, str] = field(repr=False)
    principal: Principal
    expires: float | None
    checked: int | None = None
    uses: dict[object, OnRevoked] = field(default_factory=dict)

    def report(self, error: GatewayError) -> None:
        """Report the error to all connections and streams."""
        for on_revoked in tuple(self.uses.values()):
            on_revoked(error)


class CredentialWatch:
    """Authenticates callers, and verifies the credentials of open connections and streams again.

    A request is authenticated once; a connection or stream may be open for days. While `watch` is entered, its
    credential is verified again whenever `version` returns another value, which it does when keys were added, removed
    or changed. `headers` are the names of the headers that contain credentials, in lower case. Call it inside one
    event loop.
    """

    def __init__(
        self,
        authenticate: Authenticate,
        *,
        headers: Collection[str] = CREDENTIAL_HEADERS,
        version: Callable[[], object] = lambda: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.authenticate = authenticate
        self.headers = frozenset(headers)
        self._read_version = version
        self._now = now
        self._version: object = None
        self._generation = 0
        self._credentials: dict[Hashable, _Credential] = {}
        self._task: asyncio.Task[None] | None = None
        self._checks: set[asyncio.Task[None]] = set()

    @contextmanager
    def watch(self, headers: Mapping[str, str], principal: Principal, on_revoked: OnRevoked) -> Iterator[None]:
        """Call `on_revoked` if, before the block ends, the credential in the headers is revoked.

        `principal` is the caller as it was authenticated by them. It has lost scopes as soon as it has not all those
        that it had then.
        """
        given = {name: value for name in self.headers if (value := headers.get(name)) is not None}
        key = (principal, *given.items())
        credential = self._credentials.get(key)
        if credential is None:
            credential = self._credentials[key] = _Credential(given, principal, principal.expires)
        credential.checked = None  # the keys may have changed since the principal was authenticated
        use = object()
        credential.uses[use] = on_revoked
        if self._task is None:
            # An empty context: the deadline of the present operation must not apply to the checks.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())
        try:
            yield
        finally:
            credential.uses.pop(use, None)
            if not credential.uses and self._credentials.get(key) is credential:
                del self._credentials[key]

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
            if credential.expires is not None and credential.expires <= now:
                credential.report(Unauthenticated("The credential has expired. Connect again with a new one."))
                credential.uses.clear()
            elif version is not None and credential.checked != self._generation:
                credential.checked = self._generation
                # A task, since verifying one token may wait for its issuer; no other credential waits for that.
                task = asyncio.create_task(self._check(credential))
                self._checks.add(task)
                task.add_done_callback(self._checks.discard)
                started += 1
                if started % _CHECKS_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _check(self, credential: _Credential) -> None:
        try:
            principal = await self.authenticate(credential.headers)
        except Unauthenticated:
            message = "The credential is no longer accepted. Connect again with a valid one."
            credential.report(Unauthenticated(message))
            credential.uses.clear()
        except GatewayError:  # it cannot be verified now: at the next check
            credential.checked = None
        else:
            before, credential.expires = credential.principal, principal.expires
            if principal.name != before.name or not principal.scopes >= before.scopes:
                credential.principal = principal
                credential.report(Forbidden("The caller has lost scopes since this stream began. Connect again."))
