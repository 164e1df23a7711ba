"""Authentication by metadata, for unary calls and for streams."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from callers.issuing import AUDIENCE, ISSUER, Issuer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.callers.api_keys import ApiKeys, new_api_key
from gateway.callers.authentication import Authenticate, Authentication
from gateway.callers.key_sets import FileKeys
from gateway.callers.tokens import TokenRules, TokenVerifier
from gateway.principal import scopes as all_scopes
from gateway.sandbox import LANDMARKS
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import User, UserChange, UserSource

KNOWN = all_scopes(UserSource)

ACCOUNT, SOFTWAREONE, _ = UserSource
ADA = encode(Ref(Kind.USER, ACCOUNT, LANDMARKS["account"]["ada"]))


@dataclass
class Callers:
    """Known callers: API keys by name, and an issuer of tokens."""

    keys: dict[str, str]
    issuer: Issuer
    authenticate: Authenticate


@pytest.fixture
def callers(tmp_path: Path) -> Callers:
    """A reader of all sources, a reader of the account source, a writer, and an issuer of tokens."""
    scopes = {"reader": ["users:read"], "narrow": ["users:read:account"], "writer": ["users:write"], "nobody": []}
    made = {name: new_api_key(name, given, KNOWN) for name, given in scopes.items()}
    (tmp_path / "keys.toml").write_text("".join(entry.to_toml() for _, entry in made.values()))
    issuer = Issuer()
    (tmp_path / "jwks.json").write_bytes(issuer.key_set())
    tokens = TokenVerifier(TokenRules(ISSUER, (AUDIENCE,), KNOWN, leeway=0), FileKeys(tmp_path / "jwks.json", {"EC"}))
    return Callers(
        {name: key for name, (key, _) in made.items()},
        issuer,
        Authentication(ApiKeys(tmp_path / "keys.toml", KNOWN), tokens),
    )


@pytest.fixture
async def world(open_world: Any, callers: Callers) -> AsyncIterator[Any]:
    """A server for these callers."""
    async with open_world(authenticate=callers.authenticate) as world:
        yield world


async def test_without_a_valid_credential(world: Any, callers: Callers) -> None:
    """Without a credential, or with one that is not valid, every method is UNAUTHENTICATED, and no source is called."""
    await world.forget()
    forged = Issuer().token()
    for sent in ({}, {"authorization": "Bearer x"}, {"x-api-key": "x"}, {"authorization": f"Bearer {forged}"}):
        world.sent = sent
        for method, fields in (("GetUser", {"id": ADA}), ("ListUsers", {}), ("UpdateAccountUser", {"id": ADA})):
            failure = await world.fail(method, **fields)
            assert (failure.status, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await world.start("WatchUsers").read()
        assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert await world.calls() == []


async def test_by_key_and_by_token(world: Any, callers: Callers) -> None:
    """An API key in either header, and a token, are accepted."""
    for sent in (
        {"x-api-key": callers.keys["reader"]},
        {"authorization": f"Bearer {callers.keys['reader']}"},
        {"authorization": f"bearer {callers.issuer.token()}"},
    ):
        world.sent = sent
        assert (await world.get("GetUser", id=ADA)).email


async def test_scopes(world: Any, callers: Callers) -> None:
    """A caller gets what its scopes permit, and otherwise PERMISSION_DENIED with the missing scope."""
    world.sent = {"x-api-key": callers.keys["narrow"]}
    users = (await world.get("ListUsers")).users
    assert {user.source for user in users} == {1}
    denied = await world.fail("UpdateAccountUser", id=ADA, user={"name": "N"}, update_mask={"paths": ["name"]})
    assert (denied.status, denied.reason) == (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
    assert "users:write:account" in denied.message
    world.sent = {"x-api-key": callers.keys["writer"]}
    changed = await world.get("UpdateAccountUser", id=ADA, user={"name": "N"}, update_mask={"paths": ["name"]})
    assert changed.name == "N"
    assert (await world.fail("GetUser", id=ADA)).reason == "FORBIDDEN"


def an_event(source: UserSource, number: int) -> tuple[UserChange, User]:
    return UserChange.UPDATED, User(source, f"u{number}")


async def test_a_stream_is_limited_to_readable_sources(world: Any, callers: Callers) -> None:
    """A stream has events of the sources that the caller may read; requesting another source is refused."""
    world.sent = {"x-api-key": callers.keys["narrow"]}
    call = world.start("WatchUsers")
    await call.initial_metadata()
    for number, source in enumerate((SOFTWAREONE, ACCOUNT)):
        world.gateway._entered.events.publish(*an_event(source, number))
    assert (await call.read()).user.source_id == "u1"
    call.cancel()
    other = encode(Ref(Kind.USER, SOFTWAREONE, "u1"))
    for fields in ({"sources": [2]}, {"ids": [other]}, {"sources": [1, 2]}):
        assert (await _ended(world.start("WatchUsers", **fields))) is grpc.StatusCode.PERMISSION_DENIED
    world.sent = {"x-api-key": callers.keys["nobody"]}
    assert (await _ended(world.start("WatchUsers"))) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_stream_ends_with_its_token(world: Any, callers: Callers) -> None:
    """A stream ends when the token that it was started with expires."""
    world.sent = {"authorization": f"Bearer {callers.issuer.token(exp=timedelta(seconds=2))}"}
    call = world.start("WatchUsers")
    await call.initial_metadata()
    async with asyncio.timeout(30):
        assert (await _ended(call)) is grpc.StatusCode.UNAUTHENTICATED


async def test_sources_with_forwarded_credentials_are_not_streamed(open_world: Any) -> None:
    """Events of a source that is called with forwarded credentials are sent to no caller."""
    authenticate = Authentication(forwards={ACCOUNT: {"authorization": "authorization"}})
    async with open_world(authenticate=authenticate) as world:
        assert (await _ended(world.start("WatchUsers", sources=[1]))) is grpc.StatusCode.PERMISSION_DENIED
        call = world.start("WatchUsers")
        await call.initial_metadata()
        for number, source in enumerate((ACCOUNT, SOFTWAREONE)):
            world.gateway._entered.events.publish(*an_event(source, number))
        assert (await call.read()).user.source_id == "u1"
        call.cancel()


async def test_health_needs_no_credential(world: Any) -> None:
    """Health checks need no credential."""
    check = health_pb2_grpc.HealthStub(world.channel).Check
    assert (await check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING


async def _ended(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    code: grpc.StatusCode = raised.value.code()
    return code
