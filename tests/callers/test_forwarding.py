"""The credential of a caller, forwarded to a source over real sockets."""

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from callers.credential_echo import ACCOUNT

from gateway.app.sources import build
from gateway.callers.authentication import Authentication
from gateway.callers.connection import Connection
from gateway.errors import Code, SourceCredentials, Unauthenticated
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, LANDMARKS, SOFTWAREONE_TOKEN, SandboxOptions, SandboxServer
from gateway.settings import Settings
from gateway.sources.http.aiohttp_transport import AiohttpTransport
from gateway.sources.http.exchange import TransportLimits, pipeline
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.retry import RetryBudget
from gateway.sources.http.steps import StepSettings, steps
from gateway.users.model import UserSource
from gateway.users.service import UserService
from gateway.users.source import Sources

SOFTWAREONE = UserSource.SOFTWAREONE
ADA = LANDMARKS["account"]["ada"]
FORWARDS = {ACCOUNT: {"x-account-authorization": "authorization"}}


def via(headers: Mapping[str, str]) -> Connection:
    return Connection("http", headers)


@pytest.fixture
async def service() -> AsyncIterator[UserService]:
    """The service over the sandbox; its account source needs forwarded credentials, the configured one is wrong."""
    async with SandboxServer(SandboxOptions(users=8, rate_limits=False)) as sandbox:
        settings = Settings(
            account={"base_url": sandbox.account_url, "token": "c0nfigured", "account_id": ACCOUNT_ID},
            softwareone={"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
        )
        transport = AiohttpTransport(TransportLimits())
        forwarding = {ACCOUNT: Forwarding(ACCOUNT, FORWARDS[ACCOUNT]), SOFTWAREONE: None}
        sources = [
            build(name, settings, pipeline(transport, steps(StepSettings(forwarding=step), budget=RetryBudget())))
            for name, step in forwarding.items()
        ]
        try:
            yield UserService(Sources(sources))
        finally:
            await transport.aclose()


async def test_forwarded(service: UserService, caplog: Any) -> None:
    """The source is called with the caller's credential, which no log contains; without it, it is not called."""
    authenticate = Authentication(forwards=FORWARDS)
    with caplog.at_level(logging.DEBUG):
        forwarding = service.by(await authenticate(via({"x-account-authorization": f"Bearer {ACCOUNT_TOKEN}"})))
        user = await forwarding.get_user(ADA, ACCOUNT)
        assert user is not None
        assert (await forwarding.update_account_user(ADA, {"name": "New"})).name == "New"
        with pytest.raises(SourceCredentials):
            await service.by(await authenticate(via({"x-account-authorization": "Bearer wr0ng"}))).get_user(
                ADA, ACCOUNT
            )
        with pytest.raises(Unauthenticated, match="x-account-authorization"):
            await service.by(await authenticate(via({"authorization": f"Bearer {ACCOUNT_TOKEN}"}))).get_user(
                ADA, ACCOUNT
            )
    assert all(secret not in caplog.text for secret in (ACCOUNT_TOKEN, "wr0ng", "c0nfigured"))


async def test_one_source_of_a_list(service: UserService) -> None:
    """A list names the source for which the caller sent no credential as unavailable, with the reason."""
    page = await service.by(await Authentication(forwards=FORWARDS)(via({}))).list_users()
    assert {edge.node.source for edge in page.edges} == {SOFTWAREONE}
    assert [(missing.source, missing.code) for missing in page.unavailable] == [(ACCOUNT, Code.UNAUTHENTICATED)]
