"""Users that webhooks report: whose they are, and what the webhooks leave out."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gateway.errors import GatewayError, RateLimited, SourceCredentials, SourceInvalidResponse, SourceUnavailable
from gateway.sources.http.exchange import Request, Response
from gateway.sources.reseller import ResellerSource
from gateway.sources.reseller.known import KnownUsers
from gateway.sources.reseller.reported import ReportedUsers
from gateway.sources.reseller.webhook import read_webhook
from gateway.users.changes import UpdateResellerUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import User, UserChange, UserSource
from gateway.users.source import ReportedChange

USER = {
    "id": "u-1",
    "name": "Ada Lovelace",
    "firstName": "Ada",
    "lastName": "Lovelace",
    "email": "ada@example.com",
    "role": "user",
    "company": None,
    "twoFactorEnabled": True,
    "googleSsoEnabled": False,
    "lastLoginAt": None,
    "organizationId": None,
    "organization": None,
    "createdAt": "2026-01-01T00:00:00.0000000Z",
    "updatedAt": "2026-01-02T00:00:00.0000000Z",
}
MISSING = ({"message": "No such user."}, 404)


def reported(change: UserChange = UserChange.UPDATED, **user: Any) -> ReportedChange:
    """Return the change that a webhook reports; a field of the user that is given as ... is left out."""
    data = {name: value for name, value in (USER | user).items() if value is not ...}
    found = read_webhook(orjson.dumps({"event": f"reseller.user.{change}", "data": data}), "t1")
    assert found is not None
    return found


@pytest.fixture
def users(source: Any) -> ReportedUsers:
    """The reported users of the configured reseller, t1."""
    return ReportedUsers(source(UserSource.RESELLER))


async def test_a_user_of_the_reseller(users: ReportedUsers, fake: Any) -> None:
    """A user is read once; then it is known, and its changes take no further call."""
    fake.respond(USER)
    for company in ("A", "B"):
        change = reported(company=company)
        assert await users.complete(change) == change
    assert [request.url for request in fake.requests] == ["https://proxy.test/reseller/v3/resellers/t1/users/u-1"]


async def test_a_user_that_the_gateway_changed(source: Any, fake: Any) -> None:
    """The webhook about a change of this gateway takes no call: the user was at the reseller just now."""
    reseller = source(UserSource.RESELLER)
    fake.respond(USER)
    await reseller.update_user(Ref(Kind.USER, UserSource.RESELLER, "U-1", "t1"), UpdateResellerUser(company="A"), "k")
    change = reported(company="A")
    assert await ReportedUsers(reseller).complete(change) == change
    assert len(fake.requests) == 1


async def test_users_are_known_for_an_hour() -> None:
    """A user is known for an hour after it was seen last; of very many, the latest are known."""
    now = 0.0
    known = KnownUsers(clock=lambda: now)
    refs = [Ref(Kind.USER, UserSource.RESELLER, f"u-{number}", "t1") for number in range(10_001)]
    known.add(refs[0])
    now = 3599.0
    assert refs[0] in known
    assert Ref(Kind.USER, UserSource.RESELLER, "u-0", "t2") not in known
    now = 3601.0
    assert refs[0] not in known
    for ref in refs:
        known.add(ref)
    assert [ref in known for ref in (refs[0], refs[1], refs[-1])] == [False, True, True]


@pytest.mark.parametrize("change", [UserChange.CREATED, UserChange.UPDATED])
async def test_a_user_of_another_reseller(users: ReportedUsers, fake: Any, change: UserChange) -> None:
    """A user that the configured reseller does not have is ignored, and so is one whose webhook names another one."""
    fake.respond(*MISSING)
    assert await users.complete(reported(change)) is None
    assert await users.complete(reported(change, resellerId="t2")) is None
    assert len(fake.requests) == 1


async def test_fields_that_are_left_out(users: ReportedUsers, fake: Any) -> None:
    """A field that the webhook leaves out is read; one that is null stays null, and one that is given is kept."""
    fake.respond(USER | {"company": "Read", "firstName": "Read", "lastName": "Read"})
    left_out = dict.fromkeys(("updatedAt", "firstName", "twoFactorEnabled", "role", "createdAt"), ...)
    completed = await users.complete(reported(lastName="Webhook", company=None, **left_out))
    assert completed is not None
    user = completed.user
    assert (user.first_name, user.last_name, user.company) == ("Read", "Webhook", None)
    assert (user.updated_at, user.created_at) == (USER["updatedAt"], USER["createdAt"])
    assert (user.two_factor_enabled, user.role and user.role.name) == (True, "user")
    assert completed.absent == frozenset()


async def test_a_known_user_with_a_field_left_out(users: ReportedUsers, fake: Any) -> None:
    """A field that is left out is read although the user is known."""
    fake.respond(USER)
    fake.respond(USER | {"company": "Now"})
    await users.complete(reported())
    completed = await users.complete(reported(company=...))
    assert completed is not None
    assert (completed.user.company, len(fake.requests)) == ("Now", 2)


async def test_the_deletion_of_a_known_user(users: ReportedUsers, fake: Any) -> None:
    """The deletion of a user that was read before needs no call; a second one is decided anew."""
    fake.respond(USER)
    fake.respond(*MISSING)
    await users.complete(reported())
    deletion = reported(UserChange.DELETED)
    assert await users.complete(deletion) == deletion
    assert len(fake.requests) == 1
    again = await users.complete(deletion)
    assert again is not None
    assert again.user == User(UserSource.RESELLER, "u-1", "t1")


@pytest.mark.parametrize("status", [200, 404])
async def test_a_deletion_is_decided_by_the_organization(users: ReportedUsers, fake: Any, status: int) -> None:
    """A deleted user belongs to the reseller that has its organization."""
    fake.respond({"id": "o1"} if status == 200 else {"message": "No such organization."}, status)
    deletion = reported(UserChange.DELETED, organizationId="o1")
    assert await users.complete(deletion) == (deletion if status == 200 else None)
    assert [request.url.rpartition("/t1/")[2] for request in fake.requests] == ["organizations/o1"]


async def test_a_deletion_that_cannot_be_decided(users: ReportedUsers, fake: Any) -> None:
    """The event of a deleted user that nothing is known of has its id only."""
    fake.respond(*MISSING)
    completed = await users.complete(reported(UserChange.DELETED))
    assert completed is not None
    assert (completed.change, completed.user) == (UserChange.DELETED, User(UserSource.RESELLER, "u-1", "t1"))


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"message": "Slow down."}, 429, RateLimited),
        ({"message": "No."}, 401, SourceCredentials),
        (b"", 503, SourceUnavailable),
        (USER | {"id": "u-2"}, 200, SourceInvalidResponse),
        (b"<html>", 200, SourceInvalidResponse),
    ],
)
async def test_the_source_does_not_answer(
    users: ReportedUsers, fake: Any, body: Any, status: int, kind: type[GatewayError]
) -> None:
    """A user that cannot be read is not ignored: the error lets the sender repeat the webhook."""
    fake.respond(body, status)
    with pytest.raises(kind):
        await users.complete(reported())


async def test_reads_are_bounded(source: Callable[..., ResellerSource], fake: Any) -> None:
    """Many webhooks at once make few calls at a time, so that callers keep most of the rate limit."""
    running = most = 0

    async def send(request: Request) -> Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return Response(200, {}, orjson.dumps(USER | {"id": request.url.rpartition("/")[2]}))

    fake.send = send
    users = ReportedUsers(source(UserSource.RESELLER))
    completed = await asyncio.gather(*(users.complete(reported(id=f"u-{number}")) for number in range(50)))
    assert None not in completed
    assert most <= 8
