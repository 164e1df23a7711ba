"""Tests of programs whose gateway keeps users: time that passes, and changes made elsewhere."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from still_clock import StillClock

from gateway import Gateway
from gateway.errors import SourceUnavailable
from gateway.models import UserSource
from gateway.testing import LANDMARKS, AccountUser, Sandbox

ADA = LANDMARKS["account"]["ada"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox whose time passes only where a test advances it."""
    with Sandbox(clock=StillClock()) as sandbox:
        yield sandbox


async def name_of(gateway: Gateway, user_id: str) -> str | None:
    """Return the name of an account user."""
    user = await gateway.users.get_user(user_id, UserSource.ACCOUNT)
    return user and user.name


async def test_without_polling(sandbox: Sandbox) -> None:
    """A user is kept for 5 s on the clock of the sandbox, where nobody reports its changes."""
    settings = sandbox.settings(keep_mode="on")
    async with Gateway(settings, clock=sandbox.clock) as gateway:
        for _ in range(2):
            assert await name_of(gateway, ADA) == "Ada Lovelace"
        sandbox.update(ADA, "account", name="Ada King")
        sandbox.advance(4)
        assert await name_of(gateway, ADA) == "Ada Lovelace"
        assert len(sandbox.calls) == 1
        sandbox.advance(2)
        assert await name_of(gateway, ADA) == "Ada King"


async def test_with_polling(sandbox: Sandbox) -> None:
    """With polling it is kept until a poll reports its change: after its interval, the next one is made."""
    eve = sandbox.seed(AccountUser(id="acus_eve", name="Eve"))
    settings = sandbox.settings(keep_mode="on", account={"poll_interval": 60})
    first_poll = "gateway_polls_total", {"source": "account", "result": "nothing"}
    async with Gateway(settings, clock=sandbox.clock) as gateway, asyncio.timeout(20):
        while not gateway.metrics.registry.get_sample_value(*first_poll):  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.01)
        events = gateway.users.subscribe(ids=[eve])
        async with aclosing(events):
            reported = asyncio.ensure_future(anext(events))
            assert await name_of(gateway, "acus_eve") == "Eve"
            sandbox.update(eve, name="Eve King")
            sandbox.advance(60)
            await reported
        assert await name_of(gateway, "acus_eve") == "Eve King"
        sandbox.calls.clear()
        sandbox.advance(50)
        assert await name_of(gateway, "acus_eve") == "Eve King"
        assert [call.path for call in sandbox.calls if "account-users" in call.path] == []


async def test_a_failing_source(sandbox: Sandbox) -> None:
    """What is kept is given while the source fails, for five minutes, and after that its error."""
    settings = sandbox.settings(keep_mode="on", account={"max_attempts": 1})
    async with Gateway(settings, clock=sandbox.clock) as gateway:
        assert await name_of(gateway, ADA) == "Ada Lovelace"
        sandbox.fail("account", status=503, times=None)
        sandbox.advance(200)
        assert await name_of(gateway, ADA) == "Ada Lovelace"
        sandbox.advance(200)
        with pytest.raises(SourceUnavailable):
            await name_of(gateway, ADA)
