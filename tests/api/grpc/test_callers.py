"""Who calls, over gRPC: by metadata, for unary calls and for the stream."""

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
from gateway.operation import scopes as all_scopes
from gateway.sandbox import LANDMARKS
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import User, UserChange, UserSource

KNOWN = all_scopes(UserSource)

ACCOUNT, SOFTWAREONE, _ = UserSource
ADA = encode(Ref(Kind.USER, ACCOUNT, LANDMARKS["account"]["ada"]))


@dataclass
class Callers:
    """Those who may come: keys by name, and an issuer of tokens."""

    keys: dict[str, str]
    issuer: Issuer
    authenticate: Authenticate


@pytest.fixture
def callers(tmp_path: Path) -> Callers:
    """A reader of all systems, one of the account system, a writer, and tokens."""
    scopes = {"reader": ["users:read"], "narrow": ["users:read:account"], "writer": ["users:write"], "nobody": []}
    made = {name: new_api_key(name, given, KNOWN) for name, given in scopes.items()}
    (tmp_path / "keys.toml").write_text("".join(entry.text() for _, entry in made.values()))
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
    """A server for those callers."""
    async with open_world(authenticate=callers.authenticate) as world:
        yield world


async def test_nobody(world: Any, callers: Callers) -> None:
    """Without a credential, with a wrong one or a forged one, no method answers, and no system is called."""
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
    """A key by either header, and a token, let their callers in."""
    for sent in (
        {"x-api-key": callers.keys["reader"]},
        {"authorization": f"Bearer {callers.keys['reader']}"},
        {"authorization": f"bearer {callers.issuer.token()}"},
    ):
        world.sent = sent
        assert (await world.get("GetUser", id=ADA)).email


async def test_scopes(world: Any, callers: Callers) -> None:
    """A caller gets what its scopes allow, and PERMISSION_DENIED with the missing scope for the rest."""
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


def happened(source: UserSource, number: int) -> tuple[UserChange, User]:
    return UserChange.UPDATED, User(source, f"u{number}")


async def test_a_watch_is_narrowed(world: Any, callers: Callers) -> None:
    """A watcher hears of the systems that it may read; one that it names and may not is refused."""
    world.sent = {"x-api-key": callers.keys["narrow"]}
    call = world.start("WatchUsers")
    await call.initial_metadata()
    for number, source in enumerate((SOFTWAREONE, ACCOUNT)):
        world.gateway.events.publish(*happened(source, number))
    assert (await call.read()).user.source_id == "u1"
    call.cancel()
    other = encode(Ref(Kind.USER, SOFTWAREONE, "u1"))
    for fields in ({"sources": [2]}, {"ids": [other]}, {"sources": [1, 2]}):
        assert (await _ended(world.start("WatchUsers", **fields))) is grpc.StatusCode.PERMISSION_DENIED
    world.sent = {"x-api-key": callers.keys["nobody"]}
    assert (await _ended(world.start("WatchUsers"))) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_watch_ends_with_its_token(world: Any, callers: Callers) -> None:
    """A watch goes on no longer than the token is good that it began with."""
    world.sent = {"authorization": f"Bearer {callers.issuer.token(exp=timedelta(seconds=2))}"}
    call = world.start("WatchUsers")
    await call.initial_metadata()
    async with asyncio.timeout(10):
        assert (await _ended(call)) is grpc.StatusCode.UNAUTHENTICATED


async def test_nobody_watches_what_each_sees_by_their_own_credential(open_world: Any) -> None:
    """Changes of a system that is called with its callers' own credentials are streamed to no caller."""
    authenticate = Authentication(forwards={ACCOUNT: {"authorization": "authorization"}})
    async with open_world(authenticate=authenticate) as world:
        assert (await _ended(world.start("WatchUsers", sources=[1]))) is grpc.StatusCode.PERMISSION_DENIED
        call = world.start("WatchUsers")
        await call.initial_metadata()
        for number, source in enumerate((ACCOUNT, SOFTWAREONE)):
            world.gateway.events.publish(*happened(source, number))
        assert (await call.read()).user.source_id == "u1"
        call.cancel()


async def test_health_is_for_anybody(world: Any) -> None:
    """Health answers without a credential."""
    check = health_pb2_grpc.HealthStub(world.channel).Check
    assert (await check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING


async def _ended(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    code: grpc.StatusCode = raised.value.code()
    return code
