import asyncio
from typing import Any

import pytest
from sources.http.steps.fakes import OK, Source, call
from sources.http.steps.virtual import clock, run

from gateway.errors import Unauthenticated
from gateway.operation import ANYONE, Principal, acting_as
from gateway.sources.http.bucket import Rate
from gateway.sources.http.exchange import Request, Response, pipeline
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.retry import RetryBudget
from gateway.sources.http.steps import StepSettings, steps
from gateway.users.model import UserSource

ACCOUNT, SOFTWAREONE, _ = UserSource
STEP = Forwarding(ACCOUNT, ["authorization", "x-own"])


def bringing(**headers: str) -> Principal:
    return Principal("key:a", forwarded={ACCOUNT: headers, SOFTWAREONE: {"authorization": "another system's"}})


async def sent_by(principal: Principal, **configured: str) -> dict[str, str]:
    sent: list[Request] = []

    async def wire(request: Request) -> Response:
        sent.append(request)
        return OK

    with acting_as(principal):
        await STEP(call(**configured), wire)
    return dict(sent[0].headers)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
async def test_in_place_of_the_configured_one(name: str) -> None:
    """The caller's own credential takes the place of the gateway's, however either is written; the rest stays."""
    headers = await sent_by(bringing(authorization="Bearer own"), **{name: "Bearer ours", "OpenMRP-Account": "ac_1"})
    assert headers == {"authorization": "Bearer own", "OpenMRP-Account": "ac_1"}


async def test_by_another_header() -> None:
    """The gateway's credential is not sent along with another header either; one that both have is the caller's."""
    headers = await sent_by(
        bringing(**{"x-own": "key", "openmrp-account": "ac_2"}), **{"Authorization": "ours", "OpenMRP-Account": "ac_1"}
    )
    assert headers == {"x-own": "key", "openmrp-account": "ac_2"}


async def test_the_program_itself() -> None:
    """The program around the gateway is served with the configured credential."""
    assert await sent_by(ANYONE, Authorization="Bearer ours") == {"Authorization": "Bearer ours"}


@pytest.mark.parametrize("principal", [bringing(), Principal("key:a"), Principal("")])
async def test_without(principal: Principal) -> None:
    """A caller who brings none is told what to send, and nothing is sent for them, least of all our credential."""
    with pytest.raises(Unauthenticated, match="authorization or x-own"):
        await sent_by(principal, Authorization="Bearer ours")


def test_paced_by_the_callers_credential() -> None:
    """The rate limit of a system is each forwarded credential's own, whoever brings it."""

    async def scenario() -> None:
        source, begun = Source(), clock()
        settings = StepSettings(rate=Rate(1, 1.0, margin=0.0), share=False, forwarding=STEP)
        send: Any = pipeline(Transport(source), steps(settings, budget=RetryBudget(clock=clock), clock=clock))

        async def ask(name: str, credential: str) -> None:
            with acting_as(Principal(name, forwarded={ACCOUNT: {"authorization": credential}})):
                await send(call(authorization="ours"))

        callers = (("key:a", "1"), ("key:b", "2"), ("key:c", "2"))
        await asyncio.gather(*(ask(*one) for one in callers))
        assert [round(at - begun, 2) for at, _ in source.sent] == [0, 0, 1]

    run(scenario())


class Transport:
    """A wire that is a source in memory."""

    def __init__(self, source: Source) -> None:
        self.source = source

    async def send(self, request: Request) -> Response:
        return await self.source(request)

    async def aclose(self) -> None:
        """Nothing is open."""
