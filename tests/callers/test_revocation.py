"""Credentials of open connections: when they are verified again, and what is reported."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest
from callers.rounds import CheckRounds

from gateway.callers.connection import Connection
from gateway.callers.revocation import CredentialWatch
from gateway.errors import GatewayError, SourceUnavailable, Unauthenticated
from gateway.principal import Principal

READER = frozenset({"users:read"})
BOTH = frozenset({"users:read", "users:write"})


class Callers:
    """The callers that are known, by their keys; a change of them is another version."""

    def __init__(self, **scopes: frozenset[str]) -> None:
        self.scopes = scopes
        self.expires: dict[str, float] = {}
        self.blocked: dict[str, asyncio.Event] = {}
        self.unavailable = False
        self.checks = 0

    async def __call__(self, connection: Connection) -> Principal:
        self.checks += 1
        name = connection.headers["x-api-key"]
        if name in self.blocked:
            await self.blocked[name].wait()
        if self.unavailable:
            raise SourceUnavailable("The keys are not available.")
        if name not in self.scopes:
            raise Unauthenticated("The API key was not accepted.")
        return Principal(name, self.scopes[name], expires=self.expires.get(name))

    def version(self) -> object:
        return dict(self.scopes), dict(self.expires)


class Uses:
    """Open connections of callers, and what was reported to each."""

    def __init__(self, credentials: CredentialWatch, rounds: CheckRounds) -> None:
        self._credentials = credentials
        self._rounds = rounds
        self._stack = ExitStack()
        self.reported: dict[str, list[str]] = {}

    async def open(self, name: str) -> None:
        """Authenticate a caller and open a connection."""
        connection = Connection("http", {"x-api-key": name, "x-other": "text"})
        self.watch(connection, await self._credentials.authenticate(connection))

    def watch(self, connection: Connection, principal: Principal) -> None:
        received = self.reported.setdefault(principal.name, [])

        def on_revoked(reason: GatewayError) -> None:
            received.append(reason.code.value)

        self._stack.enter_context(self._credentials.watch(connection, principal, on_revoked))

    def close(self) -> None:
        self._stack.close()

    async def until(self, **reported: list[str]) -> None:
        """Wait until exactly this has been reported, and nothing to the others; then that it stays so in a round."""
        wanted = {name: reported.get(name, []) for name in self.reported}
        async with asyncio.timeout(20):
            while self.reported != wanted:  # noqa: ASYNC110 - the checks set no event
                await asyncio.sleep(0.02)
        await self._rounds.passed()
        assert self.reported == wanted


@pytest.fixture
def callers() -> Callers:
    """Two callers."""
    return Callers(ada=BOTH, grace=BOTH)


@pytest.fixture
async def uses(callers: Callers, clock: Any) -> AsyncIterator[Uses]:
    """No open connections yet."""
    rounds = CheckRounds(callers.version)
    credentials = CredentialWatch(callers, version=rounds, now=clock)
    uses = Uses(credentials, rounds)
    yield uses
    uses.close()
    await credentials.aclose()


async def test_removed(callers: Callers, uses: Uses) -> None:
    """A caller that is removed is reported once to each of its connections, and no other caller."""
    for name in ("ada", "ada", "grace"):
        await uses.open(name)
    del callers.scopes["ada"]
    await uses.until(ada=["UNAUTHENTICATED"] * 2)


async def test_scopes_lost(callers: Callers, uses: Uses) -> None:
    """Each loss of a scope that a connection began with is reported; a scope that is added is not."""
    callers.scopes["grace"] = READER
    await uses.open("ada")
    await uses.open("grace")
    callers.scopes["grace"] = BOTH
    await uses.until()
    callers.scopes |= {"ada": READER, "grace": READER}
    await uses.until(ada=["FORBIDDEN"])
    callers.scopes["ada"] = frozenset()
    await uses.until(ada=["FORBIDDEN", "FORBIDDEN"])
    callers.scopes.clear()
    await uses.until(ada=["FORBIDDEN", "FORBIDDEN", "UNAUTHENTICATED"], grace=["UNAUTHENTICATED"])


async def test_a_key_that_becomes_another_callers(callers: Callers, uses: Uses) -> None:
    """A connection of a key that now has another name gets FORBIDDEN."""
    await uses.open("ada")
    uses.watch(Connection("http", {"x-api-key": "ada"}), Principal("old name", READER))
    await uses.until(**{"old name": ["FORBIDDEN"]})


async def test_a_change_since_the_authentication(callers: Callers, uses: Uses) -> None:
    """A caller that was removed after its authentication and before its connection was watched is reported too."""
    await uses.open("grace")
    principal = Principal("ada", BOTH)
    del callers.scopes["ada"]
    await uses.until()
    uses.watch(Connection("http", {"x-api-key": "ada"}), principal)
    await uses.until(ada=["UNAUTHENTICATED"])


async def test_expired(callers: Callers, uses: Uses, clock: Any) -> None:
    """A credential is reported when it expires; the time may be moved in both directions while it is in use."""
    callers.expires = {"ada": 2000, "grace": 2000}
    await uses.open("ada")
    await uses.open("grace")
    callers.expires = {"ada": 1500, "grace": 3000}
    clock.now = 1499
    await uses.until()
    clock.now = 2500
    await uses.until(ada=["UNAUTHENTICATED"])
    clock.now = 3000
    await uses.until(ada=["UNAUTHENTICATED"], grace=["UNAUTHENTICATED"])


async def test_no_needless_checks(callers: Callers, uses: Uses) -> None:
    """A credential is verified once for all its connections, and again only after a change."""
    for _ in range(100):
        await uses.open("ada")
    before = callers.checks
    await uses.until()
    assert callers.checks == before + 1
    callers.scopes["lee"] = READER
    await uses.until()
    assert callers.checks == before + 2


async def test_a_check_that_waits(callers: Callers, uses: Uses) -> None:
    """While one credential cannot be verified, for example since its issuer does not respond, the others are."""
    await uses.open("ada")
    await uses.open("grace")
    await uses.until()
    callers.blocked["ada"] = asyncio.Event()
    callers.scopes = {}
    await uses.until(grace=["UNAUTHENTICATED"])
    callers.blocked["ada"].set()
    await uses.until(ada=["UNAUTHENTICATED"], grace=["UNAUTHENTICATED"])


async def test_keys_that_are_not_available(callers: Callers, uses: Uses) -> None:
    """A credential that cannot be verified stays in use until it can be."""
    await uses.open("ada")
    callers.unavailable = True
    callers.scopes = {}
    await uses.until()
    callers.unavailable = False
    await uses.until(ada=["UNAUTHENTICATED"])


async def test_nothing_is_left(callers: Callers, uses: Uses) -> None:
    """After the last connection nothing is verified any more, and no task is left."""
    before = asyncio.all_tasks()
    await uses.open("ada")
    uses.close()
    async with asyncio.timeout(20):
        while asyncio.all_tasks() != before:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    await uses.open("ada")
    del callers.scopes["ada"]
    await uses.until(ada=["UNAUTHENTICATED"])
