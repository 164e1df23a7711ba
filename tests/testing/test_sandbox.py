"""The sandbox as a program that embeds the gateway uses it in its tests."""

import asyncio
import math
import threading
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
import pytest
from still_clock import StillClock

from gateway import Gateway
from gateway.errors import SourceCredentials, SourceError
from gateway.models import UserSource, UserStatus
from gateway.testing import (
    LANDMARKS,
    AccountDepartment,
    AccountRole,
    AccountUser,
    ResellerOrganization,
    ResellerUser,
    Sandbox,
    SoftwareOneUser,
)

ADA = "acus_adalovelace1"
BORN = datetime(2024, 2, 29, 12, 0, 0, 250_000, tzinfo=UTC)


async def test_reads_what_was_seeded(sandbox: Sandbox) -> None:
    """Each record gets a global id, by which the gateway reads it as it was given."""
    role = sandbox.seed(AccountRole(name="Dyer", permissions=("departments:read",)))
    department = sandbox.seed(AccountDepartment(name="Dye house", hourly_rate="21.50"))
    organization = sandbox.seed(ResellerOrganization(name="Wool & Co", country="NL"))
    eve = sandbox.seed(AccountUser(name="Eve", email="eve@example.com", role=role, department=department))
    station = sandbox.seed(AccountUser(username="station-9", status="disabled"))
    bob = sandbox.seed(SoftwareOneUser(first_name="Bob", last_name="Ross", created_at=BORN))
    mia = sandbox.seed(ResellerUser(first_name="Mia", organization=organization))
    async with Gateway(sandbox.settings()) as gateway:
        users = [await gateway.users.get_user(user_id) for user_id in (eve, station, bob, mia)]
        assert [user and user.name for user in users] == ["Eve", "Person 5", "Bob Ross", "Mia 7"]
        read_eve, read_station, read_bob, read_mia = users
        assert read_eve
        assert read_eve.role
        assert read_eve.department
        assert (read_eve.email, read_eve.role.name, read_eve.department.name) == (
            "eve@example.com",
            "Dyer",
            "Dye house",
        )
        assert read_station
        assert (read_station.email, read_station.status) == (None, UserStatus.DISABLED)
        assert read_bob
        assert read_bob.created_at.startswith("2024-02-29T12:00:00.25")
        assert read_mia
        assert read_mia.organization
        assert read_mia.organization.name == "Wool & Co"
        read_role = await gateway.users.get_role(role)
        assert read_role
        assert read_role.permissions == ("departments:read",)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (AccountUser(email="ada.lovelace@example.com"), "another record has the same email"),
        (AccountUser(role="Pilot"), "There is no role with the id or the name 'Pilot'."),
        (AccountUser(status="gone"), r"Invalid enum value 'gone' - at `\$.status`"),
        (SoftwareOneUser(id="USR-0000-0001"), "another record has the same id"),
        (SoftwareOneUser(accounts=("ACC-9",)), "There is no account with the id or the name 'ACC-9'."),
        ("Eve", "str cannot be added to the sandbox; use one of AccountUser, "),
    ],
)
def test_refuses_what_cannot_be_stored(sandbox: Sandbox, record: Any, reason: str) -> None:
    """A record that cannot be stored is refused with the reason, and nothing of it stays."""
    before = sandbox.stored(ADA, "account")
    with pytest.raises(ValueError, match=reason):
        sandbox.seed(record)
    assert sandbox.stored(ADA, "account") == before
    assert sandbox.seed(AccountUser(email="new@example.com"))


async def test_fails_as_planned(sandbox: Sandbox) -> None:
    """A fault is for the calls that it names, as often as it says, until it is forgotten."""
    async with Gateway(sandbox.settings(account={"max_attempts": 1})) as gateway:
        sandbox.fail("account", status=401, path=f"{ADA}$")
        with pytest.raises(SourceCredentials):
            await gateway.users.get_user(ADA, UserSource.ACCOUNT)
        assert await gateway.users.get_user(ADA, UserSource.ACCOUNT)
        sandbox.fail(UserSource.ACCOUNT, "garbage", times=None)
        for _ in range(2):
            with pytest.raises(SourceError):
                await gateway.users.get_user(ADA, UserSource.ACCOUNT)
        sandbox.stop_failing()
        assert await gateway.users.get_user(ADA, UserSource.ACCOUNT)
    with pytest.raises(ValueError, match="'delay' must be a number from 0 to 600"):
        sandbox.fail("account", "slow", delay=-1)


async def test_records_calls(sandbox: Sandbox) -> None:
    """Calls are recorded with what was sent and the status of the response, until they are cleared."""
    async with Gateway(sandbox.settings()) as gateway:
        await gateway.users.update_account_user(ADA, {"name": "Ada King"})
        update = next(call for call in sandbox.calls if call.method == "PATCH")
        assert (update.source, update.path, update.status) == ("account", f"/v1/identity/account-users/{ADA}", 200)
        assert update.json == {"name": "Ada King"}
        assert update.headers["openmrp-account"]
        assert update.headers["authorization"] not in repr(sandbox.calls)
        assert sandbox.calls.to("account") == sandbox.calls
        assert sandbox.calls.to("reseller") == []
        with pytest.raises(ValueError, match="must be one of account, softwareone, reseller, webhooks"):
            sandbox.calls.to("acount")  # type: ignore[arg-type] # what a type checker would find
        sandbox.calls.clear()
        assert len(sandbox.calls) == 0
        await gateway.users.list_users(filter={"sources": [UserSource.ACCOUNT]}, first=2)
        assert sandbox.calls[0].parameters["limit"]


@pytest.mark.parametrize("dialect", ["current", "april"])
async def test_changes_past_the_gateway(dialect: Literal["current", "april"]) -> None:
    """Users are changed and removed in each source as by another program, which no call is recorded for."""
    with Sandbox(dialect=dialect) as sandbox:
        await _change_past_the_gateway(sandbox)


async def _change_past_the_gateway(sandbox: Sandbox) -> None:
    ids = {source: LANDMARKS[source]["ada"] for source in ("account", "softwareone", "reseller")}
    sandbox.update(ids["account"], "account", name="Ada K.")
    sandbox.update(ids["softwareone"], "softwareone", lastName="K.")
    sandbox.update(ids["reseller"], "reseller", lastName="K.")
    async with Gateway(sandbox.settings()) as gateway:
        assert len(sandbox.calls) == 0
        for source, user_id in ids.items():
            user = await gateway.users.get_user(user_id, UserSource(source))
            assert user
            assert user.name == "Ada K."
        sandbox.remove(ids["reseller"], "reseller")
        assert await gateway.users.get_user(ids["reseller"], UserSource.RESELLER) is None
        assert sandbox.stored(ids["reseller"], "reseller") is None
        sandbox.remove(ids["account"], "account")
        removed = await gateway.users.get_user(ids["account"], UserSource.ACCOUNT)
        assert removed
        assert removed.status is UserStatus.REMOVED
    with pytest.raises(ValueError, match=r"The source responded with 400: .*Did you mean 'name'\?"):
        sandbox.update(ids["account"], "account", nmae="Ada")


async def test_tokens(sandbox: Sandbox) -> None:
    """A source accepts the tokens that the test names, and no other; the test itself can still change users."""
    sandbox.accept_token("softwareone", "idt:TKN-0000-0002:another")
    sandbox.refuse_token("softwareone", sandbox.settings().softwareone.token.get_secret_value())
    invited = LANDMARKS["softwareone"]["invited"]
    async with Gateway(sandbox.settings()) as gateway:
        with pytest.raises(SourceCredentials):
            await gateway.users.get_user(invited, UserSource.SOFTWAREONE)
    sandbox.update(invited, "softwareone", lastName="Coleman")
    async with Gateway(sandbox.settings(softwareone={"token": "idt:TKN-0000-0002:another"})) as gateway:
        user = await gateway.users.get_user(invited, UserSource.SOFTWAREONE)
        assert user
        assert user.name == "Katherine Coleman"


def test_settings_of_the_test_alone(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment changes no setting; what is given is merged with what the sources need."""
    monkeypatch.setenv("GATEWAY_ACCOUNT__TIMEOUT", "3")
    monkeypatch.setenv("GATEWAY_MISSPELT", "1")
    settings = sandbox.settings(account={"max_attempts": 1}, reseller=None, request_timeout=5)
    assert (settings.account.timeout, settings.account.max_attempts, settings.request_timeout) == (10, 1, 5)
    assert settings.account.configured
    assert settings.softwareone.configured
    assert not settings.reseller.configured
    with pytest.raises(ValueError, match="max_attempts"):
        sandbox.settings(account={"max_atempts": 1})


@pytest.mark.parametrize("rate_limits", [False, True])
async def test_pacing(*, rate_limits: bool) -> None:
    """Calls are paced by the rate limits of the sources, where the sandbox has these."""
    with Sandbox(rate_limits=rate_limits) as sandbox:
        users = [sandbox.seed(AccountUser()) for _ in range(25)]
        async with Gateway(sandbox.settings()) as gateway:
            await asyncio.gather(*(gateway.users.get_user(user_id) for user_id in users))
            labels = {"source": "account"}
            waited = gateway.metrics.registry.get_sample_value("gateway_pacing_wait_seconds_sum", labels)
        assert bool(waited) is rate_limits


async def test_webhooks(sandbox: Sandbox) -> None:
    """A webhook is sent on demand, late, twice or forged, or is given to the test to be posted."""
    mia = sandbox.seed(ResellerUser(first_name="Mia"))
    with pytest.raises(RuntimeError, match="call `send_webhooks_to"):
        sandbox.send_webhook(mia)
    async with Gateway(sandbox.settings()) as gateway:
        server = await gateway.serve_http(grace=1)
        try:
            url = f"http://127.0.0.1:{server.address[1]}/webhooks/reseller"
            sandbox.send_webhooks_to(url)
            sandbox.update(mia, lastName="Wong")
            await sandbox.webhooks_sent()
            sandbox.send_webhook(mia, times=2, delay=0.01)
            sandbox.send_webhook(mia, "deleted", forged=True)
            await sandbox.webhooks_sent()
            assert sorted(call.status or 0 for call in sandbox.calls.to("webhooks")) == [200, 200, 200, 401]
            webhook = sandbox.webhook(mia, "created")
            async with (
                aiohttp.ClientSession() as session,
                session.post(url, data=webhook.body, headers=webhook.headers) as response,
            ):
                assert response.status == 200
        finally:
            await server.stop()


async def test_time_of_the_sources(sandbox: Sandbox) -> None:
    """What the sources store has the advanced time, and so has the date of their responses."""
    sandbox.advance(365 * 86_400)
    stored = sandbox.stored(sandbox.seed(AccountUser()))
    assert stored
    assert stored["created_at"] / 1e6 == pytest.approx(sandbox.clock.time(), abs=60)
    for seconds, reason in ((-1, "not be negative"), (math.nan, "not be negative"), (math.inf, "9999"), (1e12, "9999")):
        with pytest.raises(ValueError, match=reason):
            sandbox.advance(seconds)
    assert sandbox.clock.advanced == 365 * 86_400


async def test_time_of_the_gateway(sandbox: Sandbox) -> None:
    """A gateway with the clock of the sandbox reads again what it has kept, when the time for that is over."""
    viewer = LANDMARKS["account"]["disabled"]
    async with Gateway(sandbox.settings(reference_ttl=30), clock=sandbox.clock) as gateway:
        for seconds, roles in ((0, 1), (20, 1), (20, 2)):
            sandbox.advance(seconds)
            user = await gateway.users.get_user(viewer, UserSource.ACCOUNT)
            assert user
            assert user.role
            await gateway.users.get_role(user.role.source_id)
            assert len([call for call in sandbox.calls if "/roles" in call.path]) == roles


async def test_rate_limits_end_with_time() -> None:
    """With rate limits a source refuses calls until the time has passed."""
    url = "/v1/identity/account-users/none"
    with Sandbox(rate_limits=True, clock=StillClock()) as sandbox:
        async with aiohttp.ClientSession(sandbox.account_url.removesuffix("/account")) as session:

            async def status() -> int:
                async with session.get(f"/account{url}") as response:
                    return response.status

            assert set(await asyncio.gather(*(status() for _ in range(25)))) == {401, 429}
            sandbox.advance(1)
            assert await status() == 401


async def test_clock_wakes_sleepers(sandbox: Sandbox) -> None:
    """Whoever sleeps by the clock goes on when it is advanced, from any thread."""
    sleeper = asyncio.create_task(sandbox.clock.sleep(3600))
    await asyncio.sleep(0.01)
    assert not sleeper.done()
    sandbox.advance(1800)
    await asyncio.sleep(0.01)
    assert not sleeper.done()
    thread = threading.Thread(target=sandbox.advance, args=(1800,))
    thread.start()
    await asyncio.wait_for(sleeper, 30)
    thread.join()


async def test_outside_its_block() -> None:
    """Before and after its block the sandbox refuses use with a sentence; it can be entered again."""
    sandbox = Sandbox(users=0)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="not running"):
            sandbox.settings()
        async with sandbox:
            assert sandbox.seed(AccountUser())
            with pytest.raises(RuntimeError, match="running already"):
                sandbox.start()
    assert not [thread for thread in threading.enumerate() if thread.name == "gateway sandbox"]


async def test_a_file_that_cannot_be_used(tmp_path: Any) -> None:
    """What prevents the start is raised where the sandbox is entered."""
    (tmp_path / "data").write_text("no database, but longer than the header of one" * 9)
    with pytest.raises(Exception, match="not a database"):
        async with Sandbox(data=tmp_path / "data"):
            pass
