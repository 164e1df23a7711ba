import asyncio
from typing import Any

import pytest
from sources.http.steps.fakes import OK, Source, call
from sources.http.steps.virtual import clock, run

from gateway.errors import Unauthenticated
from gateway.operation import acting_as
from gateway.principal import ANYONE, Principal
from gateway.sources.http.bucket import Rate
from gateway.sources.http.exchange import Request, Response, pipeline
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.retry import RetryBudget
from gateway.sources.http.steps import StepSettings, steps
from gateway.users.model import UserSource

ACCOUNT, SOFTWAREONE, _ = UserSource
STEP = Forwarding(ACCOUNT, ["authorization", "x-key"])


def principal_with(**headers: str) -> Principal:
    return Principal("key:a", forwarded={ACCOUNT: headers, SOFTWAREONE: {"authorization": "for another source"}})


async def sent_by(principal: Principal, **configured: str) -> dict[str, str]:
    sent: list[Request] = []

    async def transport(request: Request) -> Response:
        sent.append(request)
        return OK

    with acting_as(principal):
        await STEP(call(**configured), transport)
    return dict(sent[0].headers)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
async def test_replaces_the_configured_credential(name: str) -> None:
    """The forwarded credential replaces the configured one, in any spelling; the other headers stay."""
    headers = await sent_by(
        principal_with(authorization="Bearer caller"), **{name: "Bearer configured", "OpenMRP-Account": "ac_1"}
    )
    assert headers == {"authorization": "Bearer caller", "OpenMRP-Account": "ac_1"}


async def test_another_header() -> None:
    """With a credential in another header the configured one is not sent; a header of both is the caller's."""
    headers = await sent_by(
        principal_with(**{"x-key": "key", "openmrp-account": "ac_2"}),
        **{"Authorization": "configured", "OpenMRP-Account": "ac_1"},
    )
    assert headers == {"x-key": "key", "openmrp-account": "ac_2"}


async def test_embedding_program() -> None:
    """Calls of the embedding program use the configured credential."""
    assert await sent_by(ANYONE, Authorization="Bearer configured") == {"Authorization": "Bearer configured"}


@pytest.mark.parametrize("principal", [principal_with(), Principal("key:a"), Principal("")])
async def test_no_credential(principal: Principal) -> None:
    """A caller without a credential gets an error that names the headers, and nothing is sent."""
    with pytest.raises(Unauthenticated, match="authorization or x-key"):
        await sent_by(principal, Authorization="Bearer configured")


def test_paced_by_the_forwarded_credential() -> None:
    """Each forwarded credential has a rate limit, whoever sends it."""

    async def scenario() -> None:
        source, started = Source(), clock()
        settings = StepSettings(rate=Rate(1, 1.0, margin=0.0), single_flight=False, forwarding=STEP)
        send: Any = pipeline(Transport(source), steps(settings, budget=RetryBudget(clock=clock), clock=clock))

        async def send_as(name: str, credential: str) -> None:
            with acting_as(Principal(name, forwarded={ACCOUNT: {"authorization": credential}})):
                await send(call(authorization="configured"))

        callers = (("key:a", "1"), ("key:b", "2"), ("key:c", "2"))
        await asyncio.gather(*(send_as(*caller) for caller in callers))
        assert [round(at - started, 2) for at, _ in source.sent] == [0, 0, 1]

    run(scenario())


class Transport:
    """A transport to a source in memory."""

    def __init__(self, source: Source) -> None:
        self.source = source

    async def send(self, request: Request) -> Response:
        return await self.source(request)

    async def aclose(self) -> None:
        """Do nothing."""
