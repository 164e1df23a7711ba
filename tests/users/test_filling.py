"""Lookups of fields that a source did not send along."""

import asyncio
import logging
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.grpc.errors import partial_errors
from gateway.api.grpc.messages import Messages
from gateway.api.grpc.read_mask import read_plan_of_user
from gateway.errors import SourceUnavailable
from gateway.users.filling import Filler
from gateway.users.ids import Kind, Ref
from gateway.users.model import Organization, Role, User, UserSource
from gateway.users.planning import Plan
from usergateway.v1 import users_pb2


@dataclass
class FakeLoaders:
    """Loaders that return records from a table, each in a separate task; `requested` has the references."""

    plan: Plan
    table: dict[str, Any]
    requested: list[Ref] = field(default_factory=list)

    def load(self, ref: Ref) -> "asyncio.Future[Any]":
        self.requested.append(ref)
        return asyncio.ensure_future(self._fetch(ref))

    async def _fetch(self, ref: Ref) -> Any:
        await asyncio.sleep(0)
        found = self.table[ref.source_id]
        if isinstance(found, Exception):
            raise found
        return found


message_of = Messages(attrgetter("image_url")).of
READ_PLAN = read_plan_of_user(users_pb2.VIEW_FULL, FieldMask())
WITH_ORGANIZATION = User(UserSource.RESELLER, "u1", "r1", organization=Organization("r1", "o1"))


async def test_a_bare_reference_is_looked_up() -> None:
    """An organization that is a bare reference is looked up and replaced by the whole record."""
    whole = Organization("r1", "o1", name="Engines", allowed_users=-1)
    loaders: Any = FakeLoaders(READ_PLAN.plan, {"o1": whole})
    filled = await Filler(loaders).fill(WITH_ORGANIZATION, READ_PLAN.lookups)
    assert filled.organization is whole
    assert loaders.requested == [Ref(Kind.ORGANIZATION, UserSource.RESELLER, "o1", "r1")]
    assert message_of(filled).organization.allowed_users == -1
    assert not message_of(WITH_ORGANIZATION).organization.HasField("name")


async def test_failed_lookups() -> None:
    """The field of a failed lookup is unset and has an error; the other users of a list are returned."""
    role = Role(UserSource.ACCOUNT, "r1", "Admin")
    users = (WITH_ORGANIZATION, User(UserSource.ACCOUNT, "u2", role=role), User(UserSource.ACCOUNT, "u3"))
    down = SourceUnavailable("Down.")
    loaders: Any = FakeLoaders(READ_PLAN.plan, {"o1": down, "r1": down})
    filler = Filler(loaders)
    first, second, third = await filler.fill(users, READ_PLAN.lookups, "users")
    assert not message_of(first).HasField("organization")
    assert message_of(second).role.name == "Admin"
    assert third is users[2]
    [error] = partial_errors(filler.failures, "r-1", "ListUsers")
    assert sorted(error.paths) == ["users[0].organization", "users[1].role.owner", "users[1].role.permissions"]


async def test_a_defect_in_a_lookup_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception in a lookup is INTERNAL at its path, and is logged with the request id."""
    loaders: Any = FakeLoaders(READ_PLAN.plan, {"o1": RuntimeError("secret")})
    filler = Filler(loaders)
    await filler.fill(WITH_ORGANIZATION, READ_PLAN.lookups)
    with caplog.at_level(logging.ERROR, "gateway.grpc"):
        [error] = partial_errors(filler.failures, "r-9", "GetUser")
    assert error.status.code == 13
    assert "secret" not in error.status.message
    assert "r-9" in caplog.text


async def test_no_lookups_in_the_basic_view() -> None:
    """In the basic view a record is returned as the source sent it."""
    read_plan = read_plan_of_user(users_pb2.VIEW_BASIC, FieldMask())
    loaders: Any = FakeLoaders(read_plan.plan, {})
    assert await Filler(loaders).fill(WITH_ORGANIZATION, read_plan.lookups) is WITH_ORGANIZATION
    assert loaders.requested == []
