"""Authentication by the embedding program: what it is given, and what becomes of what it returns."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from callers.conftest import Clock
from callers.rounds import CheckRounds

from gateway import Gateway, Settings
from gateway.auth import Authenticate, Connection, Principal
from gateway.callers.authentication import Authentication
from gateway.callers.given import GivenAuthentication
from gateway.callers.revocation import CredentialWatch
from gateway.errors import Code, Forbidden, GatewayError, SourceUnavailable, Unauthenticated

ADA = Principal("ada", frozenset({"users:read"}))
REQUEST = Connection("http", {"cookie": "session=1"})


def returning(value: Any) -> Callable[[Connection], Any]:
    async def authenticate(connection: Connection) -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    return authenticate


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=x=y;  c = 3 ;d=;e", {"a": "1", "b": "x=y", "c": "3", "d": ""}),
        ("a=long path; a=short path", {"a": "long path"}),
        (r'a="1\054 \"2\""; b=""; c="', {"a": '1, "2"', "b": "", "c": '"'}),
    ],
)
def test_cookies(header: str, cookies: Mapping[str, str]) -> None:
    """Cookies are read by RFC 6265, with the quotation marks and escapes of Python's `http.cookies`."""
    assert Connection("http", {"cookie": header} if header else {}).cookies == cookies


def test_secrets_are_not_shown() -> None:
    """The representation of a connection contains no credential."""
    connection = Connection("websocket", {"authorization": "s3cret"}, {"token": "s3cret"}, "192.0.2.1", {"s": "s3cret"})
    assert repr(connection) == "Connection('websocket')"


async def test_a_caller() -> None:
    """The caller is the one that the embedding program returns."""
    authenticate: Authenticate = returning(ADA)
    assert await GivenAuthentication(authenticate, timeout=60)(REQUEST) is ADA


@pytest.mark.parametrize(
    ("returned", "code"),
    [
        (None, Code.UNAUTHENTICATED),
        (Principal("ada", expires=time.time() - 1), Code.UNAUTHENTICATED),
        (Unauthenticated("Log in."), Code.UNAUTHENTICATED),
        (Forbidden("Your account is locked."), Code.FORBIDDEN),
        (SourceUnavailable("The sessions are not available."), Code.SOURCE_UNAVAILABLE),
        (KeyError("s3cret"), Code.INTERNAL),
        (TimeoutError("s3cret"), Code.INTERNAL),
        (asyncio.CancelledError(), Code.INTERNAL),  # of something that the program awaited
        (Principal("ada", expires=datetime.now(UTC)), Code.INTERNAL),  # type: ignore[arg-type]  # as without a type checker
        ("ada", Code.INTERNAL),
    ],
    ids=repr,
)
async def test_refused(returned: object, code: Code) -> None:
    """Errors of the gateway pass as they are; all others are INTERNAL, with the cause for the log alone."""
    with pytest.raises(GatewayError) as refused:
        await GivenAuthentication(returning(returned), timeout=60)(REQUEST)
    assert refused.value.code is code
    assert "s3cret" not in str(refused.value)
    if isinstance(returned, GatewayError):
        assert refused.value is returned
    elif isinstance(returned, Exception):
        assert refused.value.__cause__ is returned


async def test_a_session_store_that_hangs() -> None:
    """A caller that cannot be authenticated in time gets SOURCE_UNAVAILABLE, and may try again."""

    async def hang(connection: Connection) -> Principal:
        await asyncio.sleep(60)
        return ADA

    with pytest.raises(SourceUnavailable, match="in time") as refused:
        await GivenAuthentication(hang, timeout=0.01)(REQUEST)
    assert refused.value.retryable


async def test_callers_of_the_settings() -> None:
    """A caller whom the embedding program does not know is authenticated as the settings configure it."""

    class Keys:
        version = 1

        def principal(self, key: str) -> Principal:
            if key != "k":
                raise Unauthenticated("The API key was not accepted.")
            return Principal("key:billing")

    authenticate = GivenAuthentication(returning(None), Authentication(Keys()), timeout=60)  # type: ignore[arg-type]  # what it needs
    assert (await authenticate(Connection("http", {"x-api-key": "k"}))).name == "key:billing"
    with pytest.raises(Unauthenticated, match="not accepted"):
        await authenticate(Connection("http", {"x-api-key": "x"}))
    assert await GivenAuthentication(returning(ADA), Authentication(Keys()), timeout=60)(REQUEST) is ADA  # type: ignore[arg-type]  # as above


async def test_forwarded_credentials() -> None:
    """A caller of the embedding program has the headers that are forwarded, unless it has others for the source."""
    forwards = {"account": {"x-account": "authorization"}, "reseller": {"x-reseller": "authorization"}}
    returned = Principal("ada", forwarded={"reseller": {"authorization": "from the session"}})
    authenticate = GivenAuthentication(returning(returned), forwards=forwards, timeout=60)
    principal = await authenticate(Connection("http", {"x-account": "sent", "x-reseller": "sent"}))
    assert principal.forwarded == {
        "account": {"authorization": "sent"},
        "reseller": {"authorization": "from the session"},
    }


class Sessions:
    """Sessions by their cookie, with the number of their changes as `version`."""

    def __init__(self, **principals: Principal) -> None:
        self.principals = principals
        self.changes = 0
        self.failure: Exception | None = None
        self.checks = 0

    async def __call__(self, connection: Connection) -> Principal | None:
        self.checks += 1
        if self.failure is not None:
            raise self.failure
        return self.principals.get(connection.cookies["session"])

    def version(self) -> int:
        if self.changes < 0:
            raise ZeroDivisionError
        return self.changes


async def watched(sessions: Authenticate, clock: Clock, *, meanwhile: Callable[[], None]) -> list[GatewayError]:
    """Watch a connection during a change of the sessions; return what was reported."""
    given = GivenAuthentication(sessions, timeout=60, now=clock)
    rounds = CheckRounds(given.version)
    credentials = CredentialWatch(given, by_headers=False, version=rounds, now=clock)
    connection = Connection("websocket", {"cookie": "session=1"})
    reported: list[GatewayError] = []
    try:
        with credentials.watch(connection, await credentials.authenticate(connection), reported.append):
            meanwhile()
            await rounds.passed()
    finally:
        await credentials.aclose()
    return reported


async def test_the_end_of_a_session(clock: Clock) -> None:
    """An open connection ends when `version` changes and its session is not known any more."""
    sessions = Sessions(**{"1": ADA})

    def log_out() -> None:
        sessions.principals.clear()
        sessions.changes += 1

    [reason] = await watched(sessions, clock, meanwhile=log_out)
    assert isinstance(reason, Unauthenticated)


async def test_a_session_that_is_prolonged(clock: Clock) -> None:
    """When the principal of an open connection expires, it is authenticated again, and goes on."""
    sessions = Sessions(**{"1": Principal("ada", expires=clock.now + 100)})

    def prolong() -> None:
        sessions.principals["1"] = Principal("ada", expires=clock.now + 1000)
        clock.now += 100

    assert await watched(sessions, clock, meanwhile=prolong) == []
    assert sessions.checks >= 2


@pytest.mark.parametrize("failure", [None, ZeroDivisionError(), SourceUnavailable("Not now.")], ids=repr)
async def test_a_session_that_expires(clock: Clock, failure: Exception | None) -> None:
    """It ends if it is not prolonged, or that cannot be found out."""
    sessions = Sessions(**{"1": Principal("ada", expires=clock.now + 100)})

    def fail() -> None:
        sessions.failure = failure
        clock.now += 100

    [reason] = await watched(sessions, clock, meanwhile=fail)
    assert isinstance(reason, Unauthenticated)


@pytest.mark.parametrize("is_logged_out", [True, False])
async def test_revoked_while_it_was_authenticated(*, is_logged_out: bool) -> None:
    """A connection whose session was read before `revoke` ends, unless its session is valid."""
    sessions = Sessions(**{"1": ADA})
    credentials = CredentialWatch(GivenAuthentication(sessions, timeout=60), by_headers=False)
    principal = await credentials.authenticate(REQUEST)
    if is_logged_out:
        sessions.principals.clear()
    credentials.revoke("ada")
    reported: list[GatewayError] = []
    try:
        with credentials.watch(REQUEST, principal, reported.append):
            async with asyncio.timeout(20):
                while sessions.checks < 2:  # noqa: ASYNC110 - the checks set no event
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0)
        assert [error.code for error in reported] == [Code.UNAUTHENTICATED] * is_logged_out
    finally:
        await credentials.aclose()


async def test_revoked_while_a_session_is_prolonged() -> None:
    """A connection that begins after `revoke` is verified although a verification from before it ends meanwhile."""
    sessions, resumed = Sessions(**{"1": Principal("ada", expires=time.time() - 1)}), asyncio.Event()
    given = GivenAuthentication(sessions, timeout=60)

    async def authenticate(connection: Connection) -> Principal:
        principal = await given(connection)
        await resumed.wait()
        return principal

    credentials = CredentialWatch(authenticate, by_headers=False)
    reported: list[GatewayError] = []
    expired = sessions.principals["1"]
    sessions.principals["1"] = Principal("ada", expires=time.time() + 60)
    try:
        with credentials.watch(REQUEST, expired, lambda _: None):
            await checked(sessions, 1)
            credentials.revoke("ada")
            with credentials.watch(REQUEST, expired, reported.append):
                sessions.principals.clear()
                resumed.set()
                await checked(sessions, 2)
                await asyncio.sleep(0)
        assert [error.code for error in reported] == [Code.UNAUTHENTICATED]
    finally:
        await credentials.aclose()


async def checked(sessions: Sessions, times: int) -> None:
    """Wait until the sessions were read so many times."""
    async with asyncio.timeout(20):
        while sessions.checks < times:  # noqa: ASYNC110 - the checks set no event
            await asyncio.sleep(0.02)


async def test_a_subscription_after_a_revocation() -> None:
    """A principal that was given without a connection may begin again at once: there is nothing to verify."""
    given = GivenAuthentication(Sessions(), timeout=60)
    rounds = CheckRounds(given.version)
    credentials = CredentialWatch(given, by_headers=False, version=rounds)
    reported: list[GatewayError] = []
    try:
        credentials.revoke("ada")
        with credentials.watch(None, ADA, reported.append):
            await rounds.passed()
        assert reported == []
    finally:
        await credentials.aclose()


async def test_failures_of_the_embedding_program(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A connection whose session cannot be verified now stays open; each failure is logged, and not too often."""
    sessions = Sessions(**{"1": ADA})

    def fail() -> None:
        sessions.failure = KeyError("database")
        sessions.changes += 1

    assert await watched(sessions, clock, meanwhile=fail) == []
    assert caplog.text.count("could not be verified") == 1
    sessions = Sessions(**{"1": ADA})

    def break_version() -> None:
        sessions.changes = -1

    assert await watched(sessions, clock, meanwhile=break_version) == []
    assert caplog.text.count("`version`") == 1


def test_production() -> None:
    """In production a gateway starts with `authenticate` or with a mode of authentication, and not without both."""
    settings = Settings(environment="production")  # type: ignore[arg-type]  # pydantic reads the text
    Gateway(settings, authenticate=returning(ADA))
    with pytest.raises(ValueError, match=r"GATEWAY_ENVIRONMENT: production requires GATEWAY_AUTH__MODE"):
        Gateway(settings)
