"""Who is told the same: it is too little where it costs, and too much where it leaks."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse

from gateway.api.graphql.execution.prepared import Prepared
from gateway.api.graphql.execution.reception import IncomingFactory
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.api.graphql.live.answers import LiveAnswer
from gateway.api.graphql.live.feed import CatchingUp, Feed
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.options import LiveOptions, LiveTraffic, unobserved
from gateway.api.graphql.live.sharing import Sharing, sharing
from gateway.callers.authentication import anyone
from gateway.operation import ANYONE, Action, Principal
from gateway.users.model import UserSource

QUERY = "subscription($after: String, $ids: [ID!]) { userChanged(after: $after, ids: $ids) { id } }"
KIM = Principal("kim", frozenset({Action.READ}))


def prepared(text: str) -> Prepared:
    """The operation of a document."""
    document = parse(text)
    [operation] = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return Prepared(document, operation, None, None, None, 0, ())  # type: ignore[arg-type]  # the price is not asked


def shares(of: Prepared, principal: Principal = ANYONE, **variables: Any) -> Sharing:
    """What it shares."""
    return sharing(of, GraphQLRequest("", variables), principal)


def test_the_place_is_no_difference() -> None:
    """Those who resume at different places are told of an event alike, and who does not resume as well."""
    query = prepared(QUERY)
    one, two, other = shares(query, after="e1"), shares(query, after="e2"), shares(query)
    assert one.alike == two.alike == other.alike
    assert (one.resumes, two.resumes, other.resumes) == (True, True, False)
    assert not shares(query, after=None).resumes
    assert shares(query, ids=["a"]).alike != other.alike


@pytest.mark.parametrize(
    ("text", "resumes"),
    [
        ('subscription { userChanged(after: "e1") { id } }', True),
        ("subscription { userChanged(after: null) { id } }", False),
        ('subscription($after: String = "e1") { userChanged(after: $after) { id } }', True),
        ("subscription($after: String = null) { userChanged(after: $after) { id } }", False),
        ('subscription { ...F } fragment F on Subscription { userChanged(after: "e1") { id } }', True),
    ],
)
def test_a_place_in_the_document(text: str, *, resumes: bool) -> None:
    """A place is found wherever the document says it."""
    assert shares(prepared(text)).resumes is resumes


def test_a_place_that_is_used_for_more() -> None:
    """A variable that says something else, too, keeps those apart who give it differently."""
    query = prepared("subscription($after: ID!) { userChanged(after: $after, ids: [$after]) { id } }")
    assert shares(query, after="a").alike != shares(query, after="b").alike


def test_callers() -> None:
    """Nobody is told what another caller may see: name, scopes, forwarded credentials and expiry keep them apart."""
    query = prepared(QUERY)
    others = [
        ANYONE,
        KIM,
        Principal("lee", frozenset({Action.READ})),
        Principal("kim", frozenset({Action.READ.within(UserSource.ACCOUNT)})),
        Principal("kim", frozenset({Action.READ}), {UserSource.ACCOUNT: {"authorization": "a"}}),
        Principal("", frozenset(Action)),
        Principal("kim", frozenset({Action.READ}), expires=1.0),  # else the first one's end would be the others'
    ]
    assert len({shares(query, one).alike for one in others}) == len(others)
    assert shares(query, KIM).alike == shares(query, Principal("kim", frozenset({Action.READ}))).alike


async def test_who_comes_as_a_feed_ends(here: Any) -> None:
    """Who subscribes between a feed's last answer and its end has a feed of its own, and not a bare end."""
    feeds = Feeds(here.gateway._executor, LiveOptions(), LiveTraffic(), unobserved)
    incoming = await IncomingFactory(here.gateway.users, here.events, anyone, 5).receive({}, "r1")
    asked = GraphQLRequest("subscription { userChanged { user { name } } }")
    async with feeds.follow(asked, incoming) as answers:
        await here.followed()
        await here.happen(*map(str, range(1000)))  # more than may wait for a reader of the log
        assert "Events came faster" in str((await anext(answers)).errors)
        async with feeds.follow(asked, incoming) as later:
            await here.until(lambda: (len(feeds._running), here.events.subscribers) == (1, 1) or later.has_ended)
            await here.happen("later")
            assert '"later"' in (await anext(later)).text
    await feeds.aclose()


async def test_who_has_caught_up_as_a_feed_ends() -> None:
    """Who is level with a shared feed after its last answer goes on alone."""
    shared: dict[Any, Feed] = {}
    merged: list[Feed] = []
    catching_up = CatchingUp(shared, lambda feed, _: merged.append(feed))

    def feed(*told: LiveAnswer, is_shared: bool) -> Feed:
        async def answers() -> AsyncGenerator[LiveAnswer]:
            for one in told:
                yield one

        options: dict[str, Any] = {"queue": 10, "slow": lambda: told[-1], "told": catching_up.told}
        return Feed(answers(), shared=is_shared, alike="kind", **options)

    event, end = LiveAnswer("{}", event="e1"), LiveAnswer("{}", "[]")
    shared["kind"] = feed(event, end, is_shared=True)
    await shared["kind"].run()
    await feed(event, is_shared=False).run()
    assert merged == []
