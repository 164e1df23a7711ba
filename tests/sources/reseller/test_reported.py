"""Users that webhooks report: whose they are, and what the webhooks leave out."""

import asyncio
import re
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
from gateway.users.source_changes import ReportedChange

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


async def test_an_undocumented_404_for_another_reseller(users: ReportedUsers, fake: Any) -> None:
    """A source whose 404 has no documented body does not let the webhooks of other resellers fail for ever."""
    fake.respond(USER)
    fake.respond(b"", 404)
    fake.respond([])
    assert await users.complete(reported()) is not None  # so the path exists
    assert await users.complete(reported(id="u-2")) is None


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


class Reseller:
    """Answers for users by their ids; `filters` is how it treats a list of ids. It counts calls and those under way."""

    def __init__(self, filters: str = "yes") -> None:
        self.filters = filters
        self.urls: list[str] = []
        self.running = self.most = 0

    async def send(self, request: Request) -> Response:
        """Answer one request."""
        self.urls.append(request.url)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.001)
        self.running -= 1
        path, _, query = request.url.partition("?")
        if not query:
            user_id = path.rpartition("/")[2]
            return _json({"message": "None."}, 404) if user_id.startswith("f") else _json(USER | {"id": user_id})
        ids = re.findall(r"id\[in\]\[\]=([^&]+)", query)
        if self.filters == "refused":
            return _json({"message": "Unknown operator."}, 400)
        if self.filters == "ignored":
            return _json([USER | {"id": "another"}])
        return _json([USER | {"id": user_id.upper()} for user_id in ids if not user_id.startswith("f")])


def _json(document: Any, status: int = 200) -> Response:
    return Response(status, {}, orjson.dumps(document))


async def complete_all(source: Callable[..., ResellerSource], fake: Any, reseller: Reseller, ids: list[str]) -> Any:
    """Report a change of each user at the same time; return what becomes of them."""
    fake.send = reseller.send
    users = ReportedUsers(source(UserSource.RESELLER))
    return await asyncio.gather(*(users.complete(reported(id=user_id)) for user_id in ids), return_exceptions=True)


async def test_many_webhooks_take_few_calls(source: Callable[..., ResellerSource], fake: Any) -> None:
    """The users of many webhooks are read by lists of up to 50, so that the rate limit does not delay them."""
    reseller = Reseller()
    completed = await complete_all(source, fake, reseller, [f"u-{number}" for number in range(300)])
    assert [change.user.source_id for change in completed] == [f"u-{number}" for number in range(300)]
    assert (len(reseller.urls), reseller.most) == (7, 1)  # the first one comes alone


async def test_one_user_of_many_webhooks(source: Callable[..., ResellerSource], fake: Any) -> None:
    """Webhooks about one user that arrive together share reads; none shares one that began before it arrived."""
    reseller = Reseller()
    completed = await complete_all(source, fake, reseller, ["u-1"] * 50)
    assert None not in completed
    assert len(reseller.urls) == 2


@pytest.mark.parametrize("filters", ["refused", "ignored"])
async def test_a_source_that_does_not_filter_by_ids(
    source: Callable[..., ResellerSource], fake: Any, filters: str
) -> None:
    """If the list is not filtered by ids, users are read one by one, a few at a time."""
    reseller = Reseller(filters)
    completed = await complete_all(source, fake, reseller, [f"u-{number}" for number in range(60)])
    assert None not in completed
    assert len(reseller.urls) == 61
    assert reseller.most <= 4


async def test_users_of_other_resellers_among_many(source: Callable[..., ResellerSource], fake: Any) -> None:
    """A user that the list lacks is read by itself before it is ignored."""
    reseller = Reseller()
    completed = await complete_all(source, fake, reseller, ["u-0", "u-1", "u-2", "f-1", "u-3", "f-2"])
    assert [change and change.user.source_id for change in completed] == ["u-0", "u-1", "u-2", None, "u-3", None]
    assert reseller.most <= 4


async def test_a_read_that_is_cancelled(source: Callable[..., ResellerSource], fake: Any) -> None:
    """If the webhook that reads for others is cancelled, these fail, so that their senders repeat them; none hangs."""
    reseller = Reseller()
    fake.send = reseller.send
    users = ReportedUsers(source(UserSource.RESELLER))
    tasks = [asyncio.create_task(users.complete(reported(id=f"u-{number}"))) for number in range(10)]
    await asyncio.sleep(0)
    for task in tasks[:3]:
        task.cancel()
    async with asyncio.timeout(20):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, ReportedChange | asyncio.CancelledError | SourceUnavailable) for result in results)
    assert await users.complete(reported(id="u-99")) is not None
