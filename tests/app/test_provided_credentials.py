"""The credentials for the sources that the embedding program provides for each caller."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from aiohttp import ClientSession
from still_clock import StillClock

from gateway import Gateway, Settings
from gateway.auth import ANYONE, Credential, Principal
from gateway.errors import (
    Forbidden,
    GatewayError,
    Outcome,
    SourceCredentials,
    SourceTimeout,
    SourceUnavailable,
    Unauthenticated,
)
from gateway.models import UserSource
from gateway.sandbox import ACCOUNT_TOKEN, SandboxServer
from gateway.sources import Request, Response, Transport

ACCOUNT = UserSource.ACCOUNT
SCOPES = frozenset({"users:read", "users:write"})
ANN, BEN = Principal("ann", SCOPES), Principal("ben", SCOPES)
ADA = "acus_adalovelace1"
CONFIGURED = "Bearer configured-token"


@dataclass
class EchoApi:
    """An account API in memory whose records have the credential of the call as their name.

    `refused` are the credentials that it refuses with 401, in the form that it documents or, if not `documented`, as a
    proxy does. `calls` has (method, path, credential).
    """

    refused: set[str] = field(default_factory=set)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    documented: bool = True
    before: Callable[[], Awaitable[object]] | None = None

    def __call__(self, *_: object) -> Transport:
        return self

    async def send(self, request: Request) -> Response:
        if request.on_write is not None:
            request.on_write()
        if self.before is not None:
            await self.before()
        headers = {name.lower(): value for name, value in request.headers.items()}
        path, credential = urlsplit(request.url).path, headers.get("authorization", "")
        self.calls.append((request.method, path, credential))
        self.headers.append(dict(request.headers))
        if credential in self.refused:
            error = {"error": {"code": "invalid_credentials", "message": f"no {credential}", "request_id": credential}}
            return Response(401, {}, orjson.dumps(error) if self.documented else b"<html>no</html>")
        last = path.rpartition("/")[2]
        rows = [{"id": f"{last[0]}{number}", "name": credential} for number in range(2)]
        body = {"data": rows, "page_info": {}} if last.endswith("s") else {"id": last, "name": credential}
        return Response(200, {}, orjson.dumps(body))

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    @property
    def used(self) -> list[str]:
        """The credentials of the calls."""
        return [credential for _, _, credential in self.calls]


class Tokens:
    """A provider: `ann-1` for Ann, then `ann-2`; None for the embedding program."""

    def __init__(self, lifetime: float | None = None, now: Callable[[], float] = time.time) -> None:
        self.lifetime = lifetime
        self._now = now
        self.obtained: Counter[str] = Counter()
        self.before: Callable[[], Awaitable[object]] | None = None

    async def __call__(self, source: str, principal: Principal) -> Credential | None:
        assert source == "account"
        if principal is ANYONE:
            return None
        self.obtained[principal.name] += 1
        number = self.obtained[principal.name]
        if self.before is not None:
            await self.before()
        expires = None if self.lifetime is None else self._now() + self.lifetime
        return Credential({"Authorization": f"Bearer {principal.name}-{number}"}, expires)


class TenantTokens(Tokens):
    """A provider with one credential for each tenant, the part of a caller's name before the slash."""

    def credential_key(self, source: str, principal: Principal) -> str | None:
        assert source == "account"
        return principal.name.partition("/")[0] or None

    async def __call__(self, source: str, principal: Principal) -> Credential | None:
        return await super().__call__(source, Principal(principal.name.partition("/")[0]))


def _settings(**account: Any) -> Settings:
    given = {"base_url": "https://account.test", "token": CONFIGURED.removeprefix("Bearer ")} | account
    return Settings(account=given, softwareone={}, reseller={})


async def _name(gateway: Gateway, principal: Principal, user: str = "u") -> str | None:
    found = await gateway.users.by(principal).get_user(user, ACCOUNT)
    assert found is not None
    return found.name


async def _error(awaitable: Awaitable[object]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await awaitable
    return caught.value


async def test_each_caller() -> None:
    """Each caller has its credential, obtained once; the embedding program, for which there is none, the token."""
    api, tokens = EchoApi(), Tokens()
    async with Gateway(_settings(), transport=api, credentials=tokens) as gateway:
        for _ in range(2):
            assert await _name(gateway, ANN) == "Bearer ann-1"
            assert await _name(gateway, BEN) == "Bearer ben-1"
            assert await _name(gateway, ANYONE) == CONFIGURED
        assert (await gateway.users.by(ANN).update_account_user("u", {"name": "x"})).name == "Bearer ann-1"
    assert tokens.obtained == {"ann": 1, "ben": 1}


async def test_nothing_is_shared_between_callers() -> None:
    """Calls and reference data of callers with different credentials are not shared, also at the same time."""
    api = EchoApi()
    async with Gateway(_settings(), transport=api, credentials=Tokens()) as gateway:

        async def read(principal: Principal) -> set[str | None]:
            users = gateway.users.by(principal)
            roles = await users.list_roles()
            department = await users.get_department("d")
            assert department is not None
            listed = await users.list_users(first=1)
            rest = await users.list_users(first=1, after=listed.end_cursor)
            return {department.name, *(found.name for found in (*roles.roles, *listed.users, *rest.users))}

        for _ in range(2):
            found = await asyncio.gather(*(read(principal) for principal in (ANN, BEN, ANYONE)))
            assert found == [{"Bearer ann-1"}, {"Bearer ben-1"}, {CONFIGURED}]


async def test_idempotency_keys_of_callers() -> None:
    """Two callers may use one idempotency key; a change is replayed although the credential was renewed."""
    api, tokens = EchoApi(), Tokens(lifetime=-1)
    async with Gateway(_settings(), transport=api, credentials=tokens) as gateway:

        async def change(principal: Principal) -> str | None:
            users = gateway.users.by(principal)
            return (await users.update_account_user("u", {"name": "x"}, idempotency_key="one")).name

        found = [await change(principal) for principal in (ANN, BEN, ANN)]
        assert found == ["Bearer ann-1", "Bearer ben-1", "Bearer ann-1"]
    assert len(api.calls) == 2


async def test_one_request_for_all_that_wait() -> None:
    """Calls that need a credential at the same time wait for one request of the provider."""
    tokens, opened = Tokens(), asyncio.Event()
    tokens.before = opened.wait
    async with Gateway(_settings(), transport=EchoApi(), credentials=tokens) as gateway:
        reading = [asyncio.create_task(_name(gateway, ANN, f"u{number}")) for number in range(20)]
        cancelled = asyncio.create_task(_name(gateway, ANN))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        reading[0].cancel()  # the call that came first
        opened.set()
        found = await asyncio.gather(*reading[1:])
    assert set(found) == {"Bearer ann-1"}
    assert tokens.obtained == {"ann": 1}


async def test_nobody_waits_any_more() -> None:
    """A request of the provider that nobody waits for any more is cancelled, and the next call makes a new one."""
    tokens, began, ended = Tokens(), asyncio.Event(), []

    async def hang() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    tokens.before = hang
    async with Gateway(_settings(), transport=EchoApi(), credentials=tokens) as gateway:
        reading = asyncio.create_task(gateway.users.by(ANN).list_roles())
        async with asyncio.timeout(20):
            await began.wait()
        reading.cancel()
        await asyncio.wait([reading])
        tokens.before = None
        assert await _name(gateway, ANN) == "Bearer ann-2"
        assert ended


async def test_expiry() -> None:
    """A credential that has expired is renewed; one that had expired when it was provided is used for one call."""
    for lifetime, obtained in ((3600, 1), (-1, 3), (0.05, 2)):
        tokens = Tokens(lifetime)
        async with Gateway(_settings(), transport=EchoApi(), credentials=tokens) as gateway:
            await _name(gateway, ANN)
            if lifetime == 0.05:
                await asyncio.sleep(0.06)
                tokens.lifetime = 3600
            assert await _name(gateway, ANN) == f"Bearer ann-{min(obtained, 2)}"
            await _name(gateway, ANN)
        assert tokens.obtained["ann"] == obtained


async def test_renewed_before_it_expires() -> None:
    """A credential is used until half a minute before it expires, by the clock of the gateway."""
    clock = StillClock()
    tokens = Tokens(3600, clock.time)
    async with Gateway(_settings(), transport=EchoApi(), credentials=tokens, clock=clock) as gateway:
        for seconds, name in ((0, "Bearer ann-1"), (3560, "Bearer ann-1"), (15, "Bearer ann-2")):
            clock.advance(seconds)
            assert await _name(gateway, ANN) == name


@pytest.mark.parametrize("change", [False, True])
async def test_refused_with_401(change: Any) -> None:
    """After a 401 the credential is renewed once for all, and each call is sent once more."""
    api, tokens = EchoApi({"Bearer ann-1"}), Tokens()
    arrived = asyncio.Barrier(5)

    async def all_sent() -> None:
        if len(api.calls) < 5:
            await arrived.wait()

    async with Gateway(_settings(), transport=api, credentials=tokens) as gateway:
        api.before = all_sent

        async def call(number: int) -> str | None:
            if change:
                return (await gateway.users.by(ANN).update_account_user(f"u{number}", {"name": "x"})).name
            return await _name(gateway, ANN, f"u{number}")

        assert set(await asyncio.gather(*map(call, range(5)))) == {"Bearer ann-2"}
        assert Counter(api.used) == {"Bearer ann-1": 5, "Bearer ann-2": 5}
        api.before = None
        assert await call(9) == "Bearer ann-2"
    assert tokens.obtained == {"ann": 2}


async def test_refused_twice() -> None:
    """A call is repeated once: a second refusal is the caller's error, and nothing for operators to correct."""
    api, tokens = EchoApi({"Bearer ann-1", "Bearer ann-2", "Bearer ann-3", "Bearer ann-4"}), Tokens()
    async with Gateway(_settings(), transport=api, credentials=tokens) as gateway:
        error = await _error(_name(gateway, ANN))
        assert isinstance(error, SourceCredentials)
        assert (error.origin.source, error.origin.http_status) == ("account", 401)
        assert error.failed_call is not None
        assert "Gateway(credentials=…)" in error.failed_call.advice
        assert api.used == ["Bearer ann-1", "Bearer ann-2"]
        assert gateway._states.active_count == 0
        api.refused.clear()
        assert await _name(gateway, ANN) == "Bearer ann-3"


async def test_the_same_credential_again() -> None:
    """If the provider has no other credential, a refused call is not repeated."""
    api = EchoApi({"Bearer same"})

    async def same(source: str, principal: Principal) -> Credential:
        return Credential({"Authorization": "Bearer same"})

    async with Gateway(_settings(), transport=api, credentials=same) as gateway:
        assert isinstance(await _error(_name(gateway, ANN)), SourceCredentials)
        assert api.used == ["Bearer same"]
        api.refused.clear()
        assert await _name(gateway, ANN) == "Bearer same"


@pytest.mark.parametrize("source", ["account", "softwareone"])
async def test_a_401_of_something_on_the_way(source: str) -> None:
    """A change is not repeated after a 401 that is not as the source documents it: it may have been executed."""
    api, tokens = EchoApi({"Bearer ann-1"}, documented=False), Tokens()
    settings = Settings(
        **{"account": {}, "softwareone": {}, "reseller": {}, source: {"base_url": "https://source.test"}}
    )

    async def provide(source: str, principal: Principal) -> Credential | None:
        return await tokens("account", principal)

    async with Gateway(settings, transport=api, credentials=provide) as gateway:
        users = gateway.users.by(ANN)
        if source == "account":
            error = await _error(users.update_account_user("u", {"name": "x"}))
        else:
            error = await _error(users.update_software_one_user("u", {"first_name": "x"}))
        assert isinstance(error, SourceCredentials)
        assert error.outcome is Outcome.UNKNOWN
        assert api.used == ["Bearer ann-1"]


async def test_through_the_sandbox(sandbox: SandboxServer, sandbox_settings: Callable[..., Settings]) -> None:
    """A source without a token is called with provided credentials; a refused change is executed once, over sockets."""
    answers = ["stale", ACCOUNT_TOKEN]

    async def provide(source: str, principal: Principal) -> Credential | None:
        if source == "account":
            return Credential({"authorization": f"Bearer {answers.pop(0)}"})
        return None

    async with ClientSession() as session:
        async with Gateway(sandbox_settings(account={"token": None}), credentials=provide) as gateway:
            created = await gateway.users.by(ANN).create_account_user({"email": "new@example.com"})
            page = await gateway.users.by(ANN).list_users(first=50)
            assert {user.source for user in page.users} == set(UserSource)
            assert created.email == "new@example.com"
        async with session.get(f"{sandbox.control_url}/calls") as response:
            calls = await response.json()
    assert [call["status"] for call in calls if call["method"] == "POST"] == [401, 201]


async def test_other_headers() -> None:
    """A provided header replaces the configured one of its name in any case; the token is never sent beside it."""
    api = EchoApi()

    async def provide(source: str, principal: Principal) -> Credential:
        return Credential({"x-session": "s-1", "openmrp-account": "ac_2"})

    async with Gateway(_settings(account_id="ac_1"), transport=api, credentials=provide) as gateway:
        await _name(gateway, ANN)
    [headers] = api.headers
    assert {name.lower(): value for name, value in headers.items() if name.lower() != "openmrp-version"} == {
        "x-session": "s-1",
        "openmrp-account": "ac_2",
    }


async def test_no_credential_at_all() -> None:
    """Without a provided credential and a token nothing is sent."""
    api = EchoApi()
    async with Gateway(_settings(token=None), transport=api, credentials=Tokens()) as gateway:
        assert await _name(gateway, ANN) == "Bearer ann-1"
        error = await _error(_name(gateway, ANYONE))
        assert isinstance(error, SourceCredentials)
        assert error.failed_call is not None
        assert error.failed_call.cause.startswith("not sent: ")
    assert api.used == ["Bearer ann-1"]


@pytest.mark.parametrize(
    ("result", "kind", "cause"),
    [
        (RuntimeError("s3cret"), SourceCredentials, "raised RuntimeError"),
        (asyncio.CancelledError(), SourceCredentials, "was cancelled"),
        (TimeoutError("s3cret"), SourceCredentials, "raised TimeoutError"),
        (Unauthenticated("Log in again."), Unauthenticated, None),
        (SourceUnavailable("The token service is down."), SourceUnavailable, None),
        ("Bearer s3cret", SourceCredentials, "raised TypeError"),
        (Credential({"Authorization": "Bearer s3cret\r\nX: y"}), SourceCredentials, "raised ValueError"),
        (Credential({"Authorization": "Bearer s3crét"}), SourceCredentials, "raised ValueError"),
        (Credential({"Content-Length": "1"}), SourceCredentials, "raised ValueError"),
        (Credential({}), SourceCredentials, "raised ValueError"),  # it would be the configured token
        (Credential({"a b": "s3cret"}), SourceCredentials, "raised ValueError"),
    ],
)
async def test_a_provider_that_fails(result: Any, kind: type, cause: str | None, caplog: Any) -> None:
    """A failure of the provider is SOURCE_CREDENTIALS, or what it raised of `gateway.errors`; nothing is sent."""
    api = EchoApi()

    async def provide(source: str, principal: Principal) -> Any:
        if isinstance(result, BaseException):
            raise result
        return result

    async with Gateway(_settings(), transport=api, credentials=provide) as gateway:
        with caplog.at_level(logging.DEBUG):
            for operation in (
                _name(gateway, ANN),
                gateway.users.by(ANN).update_account_user("u", {"name": "x"}),
            ):
                error = await _error(operation)
                assert type(error) is kind
                assert error.outcome is None
                assert cause is None or (error.failed_call and cause in error.failed_call.cause)
                assert "s3cr" not in repr((error.message, error.failed_call))
            failed = await gateway.execute('{ user(id: "u", source: ACCOUNT) { name } }')
            assert failed.errors
            assert (failed.errors[0].extensions or {})["code"] == kind.code  # type: ignore[attr-defined]  # an error class
        assert "s3cr" not in caplog.text
    assert api.calls == []


async def test_one_source_of_a_list(sandbox_settings: Callable[..., Settings]) -> None:
    """A list leaves out the source for which there is no credential, with the reason."""

    async def provide(source: str, _: Principal) -> Credential | None:
        if source == "account":
            raise Unauthenticated("Log in again.")
        return None

    async with Gateway(sandbox_settings(), credentials=provide) as gateway:
        page = await gateway.users.by(ANN).list_users(first=50)
        assert {user.source for user in page.users} == set(UserSource) - {ACCOUNT}
        assert [(each.source, each.code, each.message) for each in page.unavailable] == [
            (ACCOUNT, "UNAUTHENTICATED", "Log in again.")
        ]


async def test_a_provider_that_hangs() -> None:
    """The deadline of the operation and the timeout of the source apply to the provider as well."""
    api, tokens = EchoApi(), Tokens()
    tokens.before = asyncio.Event().wait
    async with Gateway(_settings(timeout=0.1), transport=api, credentials=tokens) as gateway:
        error = await _error(gateway.users.by(ANN).update_account_user("u", {"name": "x"}))
        assert isinstance(error, SourceTimeout)
        assert (error.origin.source, error.outcome) == ("account", None)
        assert "credential" in error.message
        assert gateway._states.active_count == 0
        tokens.before = None
        assert await _name(gateway, ANN) == "Bearer ann-2"
    assert api.used == ["Bearer ann-2"]


async def test_the_number_of_kept_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bounded number of credentials is kept: that which was not used for the longest time is obtained again."""
    monkeypatch.setattr("gateway.sources.http.provided._MAX_KEPT", 3)
    tokens = Tokens()
    async with Gateway(_settings(), transport=EchoApi(), credentials=tokens) as gateway:
        for name in ("a", "b", "c", "a", "d", "a", "b"):
            await _name(gateway, Principal(name, SCOPES))
    assert tokens.obtained == {"a": 1, "b": 2, "c": 1, "d": 1}


async def test_a_source_with_forwarded_credentials() -> None:
    """A source that is called with forwarded credentials has those, and nothing is obtained for it."""
    api, tokens = EchoApi(), Tokens()
    ann = Principal("ann", SCOPES, forwarded={"account": {"authorization": "Bearer of-ann"}})
    async with Gateway(_settings(credentials="forward"), transport=api, credentials=tokens) as gateway:
        assert await _name(gateway, ann) == "Bearer of-ann"
        assert await _name(gateway, ANYONE) == CONFIGURED
    assert not tokens.obtained


async def test_rate_limits() -> None:
    """Each credential has its own bucket of the rate limit, which stays when it is renewed."""
    tokens = Tokens(lifetime=-1)

    async def provide(_: str, principal: Principal) -> Credential | None:
        return await tokens("account", principal)

    settings = Settings(account={}, softwareone={"base_url": "https://market.test", "rate_limit": 50}, reseller={})
    async with Gateway(settings, transport=EchoApi(), credentials=provide) as gateway:
        for principal in (ANN, BEN, ANN):
            await gateway.users.by(principal).get_user("u", UserSource.SOFTWAREONE)
        assert len(gateway._entered.sources._pacings[UserSource.SOFTWAREONE]._queues) == 2
    assert tokens.obtained == {"ann": 2, "ben": 1}


async def test_callers_with_the_same_credential() -> None:
    """Callers with one key share the credential and reference data; those without a key have the token."""
    api, tokens = EchoApi(), TenantTokens()
    ann, ben, eve = (Principal(name, SCOPES) for name in ("north/ann", "north/ben", "south/eve"))
    async with Gateway(_settings(), transport=api, credentials=tokens) as gateway:

        async def department(principal: Principal) -> str | None:
            found = await gateway.users.by(principal).get_department("d")
            assert found is not None
            return found.name

        found = [await department(each) for each in (ann, ben, eve, Principal("", SCOPES), ANYONE, ann)]
        assert found == ["Bearer north-1", "Bearer north-1", "Bearer south-1", CONFIGURED, CONFIGURED, "Bearer north-1"]
    assert tokens.obtained == {"north": 1, "south": 1}
    assert len(api.calls) == 4


class ServiceToken(Tokens):
    """A provider with one credential for everything, as of an OAuth client."""

    def credential_key(self, source: str, _: Principal) -> str:
        return source

    async def __call__(self, source: str, _: Principal) -> Credential | None:
        return await super().__call__(source, Principal("service"))


async def test_one_credential_for_all() -> None:
    """A credential that all have in common is that of the gateway itself: it is no caller's, and data is shared."""
    api, tokens = EchoApi({"Bearer service-1"}), ServiceToken()
    async with Gateway(_settings(token=None), transport=api, credentials=tokens) as gateway:
        for principal in (ANN, BEN):
            found = await gateway.users.by(principal).get_department("d")
            assert found is not None
            assert found.name == "Bearer service-2"
        assert await _name(gateway, ANYONE) == "Bearer service-2"
    assert tokens.obtained == {"service": 2}
    assert len(api.calls) == 3


class NamedTenants(Tokens):
    """A provider with a credential for each tenant: `tenants` by the names of callers, empty for the program."""

    def __init__(self, **tenants: str) -> None:
        super().__init__()
        self.tenants = {"": "main"} | tenants

    def credential_key(self, source: str, principal: Principal) -> str | None:
        assert source == "account"
        return self.tenants.get(principal.name)

    async def __call__(self, source: str, principal: Principal) -> Credential | None:
        tenant = self.credential_key(source, principal)
        return None if tenant is None else Credential({"Authorization": f"Bearer {tenant}"})


async def test_the_token_beside_a_credential_of_the_program() -> None:
    """Callers with the credential of the program share nothing with those for whom the token is used."""
    api = EchoApi()
    async with Gateway(_settings(), transport=api, credentials=NamedTenants(ann="main")) as gateway:
        for principal, expected in ((ANN, "Bearer main"), (BEN, CONFIGURED), (ANYONE, "Bearer main")):
            found = await gateway.users.by(principal).get_department("d")
            assert found is not None
            assert found.name == expected
        with pytest.raises(Forbidden, match="credential of this caller"):  # the program polls with another one
            await anext(aiter(gateway.users.by(BEN).subscribe(sources=[ACCOUNT])))


async def test_a_key_that_changes() -> None:
    """What is read with another credential than the caller had at the beginning is not kept for that one's callers."""
    api, tenants = EchoApi(), NamedTenants(ann="north", ben="north")
    async with Gateway(_settings(), transport=api, credentials=tenants) as gateway:
        north = gateway._entered.users.by(ANN)
        tenants.tenants["ann"] = "south"
        for _ in range(2):
            assert isinstance(await _error(north.get_department("d")), SourceCredentials)
        assert api.calls == []
        for principal, expected in ((BEN, "Bearer north"), (ANN, "Bearer south")):
            found = await gateway.users.by(principal).get_department("d")
            assert found is not None
            assert found.name == expected


async def test_watching() -> None:
    """Users of a source that is called with a credential of the caller cannot be watched by it, only by the program."""
    async with Gateway(_settings(), transport=EchoApi(), credentials=Tokens()) as gateway:
        query = "subscription { userChanged(sources: [ACCOUNT]) { user { name } } }"
        [result] = [result async for result in gateway.subscribe(query, principal=ANN)]
        assert result.errors
        assert (result.errors[0].extensions or {})["code"] == "FORBIDDEN"
        assert "credential of this caller" in result.errors[0].message
        with pytest.raises(Forbidden, match="credential of this caller"):
            await anext(aiter(gateway.users.by(ANN).subscribe(sources=[ACCOUNT])))


async def test_a_key_that_fails() -> None:
    """If the provider cannot name the key of a caller, its calls to that source fail, and nothing is sent."""

    class Failing(Tokens):
        def credential_key(self, source: str, principal: Principal) -> str | None:
            raise KeyError(source, principal.name)

    api = EchoApi()
    async with Gateway(_settings(), transport=api, credentials=Failing()) as gateway:
        for principal in (ANN, ANYONE):
            result = await gateway.execute('{ user(id: "u", source: ACCOUNT) { name } }', principal=principal)
            assert result.errors
            assert (result.errors[0].extensions or {})["code"] == "SOURCE_CREDENTIALS"
    assert api.calls == []


async def test_what_is_never_shown(caplog: Any) -> None:
    """A credential is in no repr, no log and no error, not even where the source returns it in an error."""
    api = EchoApi({f"Bearer ann-{number}" for number in range(9)})
    tokens = Tokens()
    assert "ann-1" not in repr(Credential({"Authorization": "Bearer ann-1"}))
    with caplog.at_level(logging.DEBUG):
        async with Gateway(_settings(), transport=api, credentials=tokens) as gateway:
            error = await _error(_name(gateway, ANN))
            assert "ann-" not in repr((error.message, error.origin, error.failed_call))
            assert "ann-" not in repr(gateway._parts)
    assert "ann-" not in caplog.text
