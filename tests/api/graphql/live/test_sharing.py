"""Which subscriptions share a feed: sharing too little costs calls, sharing too much discloses data."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from api.graphql.defaults import live_options
from graphql import OperationDefinitionNode, parse

from gateway import Gateway, Settings
from gateway.api.gate import Overloaded
from gateway.api.graphql.execution.incoming import IncomingFactory
from gateway.api.graphql.execution.prepared import Prepared, prepare_operation
from gateway.api.graphql.execution.request import GraphQLRequest
from gateway.api.graphql.live.feed import Feed, ResumedFeeds
from gateway.api.graphql.live.feeds import Feeds
from gateway.api.graphql.live.options import LiveTraffic, unobserved
from gateway.api.graphql.live.responses import LiveResponse
from gateway.api.graphql.live.sharing import Sharing, sharing_of
from gateway.callers.authentication import anyone
from gateway.callers.connection import Connection
from gateway.callers.revocation import CredentialWatch
from gateway.errors import RateLimited
from gateway.principal import ANYONE, Action, Principal
from gateway.sandbox import RESELLER_ID
from gateway.telemetry.report import RequestReport
from gateway.users.model import User, UserChange, UserSource

QUERY = "subscription($after: String, $ids: [ID!]) { userChanged(after: $after, ids: $ids) { id } }"
KIM = Principal("kim", frozenset({Action.READ}))


def prepared(text: str) -> Prepared:
    """Return the operation of a document."""
    document = parse(text)
    [operation] = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return prepare_operation(document, operation, None, None)  # type: ignore[arg-type]  # no price is computed


def shares(of: Prepared, principal: Principal = ANYONE, **variables: Any) -> Sharing:
    """Return how far a subscription with these variables can be shared."""
    return sharing_of(of, GraphQLRequest("", variables), principal)


def test_the_resume_position_makes_no_difference() -> None:
    """Subscriptions that resume at different positions, or do not resume, give the same response to an event."""
    query = prepared(QUERY)
    one, two, other = shares(query, after="e1"), shares(query, after="e2"), shares(query)
    assert one.key == two.key == other.key
    assert (one.resumes, two.resumes, other.resumes) == (True, True, False)
    assert not shares(query, after=None).resumes
    assert shares(query, ids=["a"]).key != other.key


def test_variables_that_are_not_declared() -> None:
    """Variables that the operation does not declare make no difference."""
    query = prepared(QUERY)
    assert shares(query, other=1).key == shares(query, other=2, more="x").key == shares(query).key


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
def test_a_resume_position_in_the_document(text: str, *, resumes: bool) -> None:
    """The resume position is found wherever the document states it."""
    assert shares(prepared(text)).resumes is resumes


def test_a_variable_that_is_used_elsewhere_too() -> None:
    """If the variable of the resume position is used elsewhere too, its value makes subscriptions different."""
    query = prepared("subscription($after: ID!) { userChanged(after: $after, ids: [$after]) { id } }")
    assert shares(query, after="a").key != shares(query, after="b").key


def test_callers_that_may_not_share() -> None:
    """Callers with another name, other scopes or forwarded credentials do not share a feed."""
    query = prepared(QUERY)
    others = [
        ANYONE,
        KIM,
        Principal("lee", frozenset({Action.READ})),
        Principal("kim", frozenset({Action.READ.within(UserSource.ACCOUNT)})),
        Principal("kim", frozenset({Action.READ}), {UserSource.ACCOUNT: {"authorization": "a"}}),
        Principal("", frozenset(Action)),
    ]
    assert len({shares(query, one).key for one in others}) == len(others)
    renewed = Principal("kim", frozenset({Action.READ}), expires=1.0)  # each subscription ends when its credential does
    assert shares(query, KIM).key == shares(query, renewed).key


async def test_a_subscription_that_starts_as_a_feed_ends(server: Any) -> None:
    """A subscription that starts between the last response of a feed and its end gets a new feed."""
    feeds = Feeds(server.gateway._parts.executor, live_options(), LiveTraffic(), unobserved)
    incoming = await IncomingFactory(server.gateway._parts.users, server.event_log, CredentialWatch(anyone), 5).create(
        Connection("http", {}), RequestReport(request_id="r1")
    )
    request = GraphQLRequest("subscription { userChanged { user { name } } }")
    async with feeds.follow(request, incoming) as responses:
        await server.wait_for_subscribers()
        await server.publish(*map(str, range(1000)))  # more than the queue of a subscription holds
        assert "Events arrived faster" in str((await anext(responses)).errors)
        async with feeds.follow(request, incoming) as later:
            await server.wait_until(
                lambda: (len(feeds._running), server.event_log.subscribers) == (1, 1) or later.is_closed
            )
            await server.publish("later")
            assert '"later"' in (await anext(later)).text
    await feeds.aclose()


async def test_the_maximum_of_one_caller(server: Any) -> None:
    """A caller cannot have more operations than its share, nor more different subscriptions, others still can."""
    options = live_options(operations=8, share=0.5, subscriptions=2)
    feeds = Feeds(server.gateway._parts.executor, options, LiveTraffic(), unobserved)

    async def incoming_of(principal: Principal) -> Any:
        async def authenticate(_connection: Any) -> Principal:
            return principal

        return await IncomingFactory(
            server.gateway._parts.users, server.event_log, CredentialWatch(authenticate), 5
        ).create(Connection("http", {}), RequestReport(request_id="r1"))

    kim, lee, unnamed = [
        await incoming_of(principal) for principal in (KIM, Principal("lee", frozenset({Action.READ})), ANYONE)
    ]
    texts = [f"subscription {{ userChanged {{ a{number}: id }} }}" for number in range(4)]
    async with AsyncExitStack() as stack:

        async def follow(incoming: Any, text: str) -> None:
            await stack.enter_async_context(feeds.follow(GraphQLRequest(text), incoming))

        for number in (0, 1, 0):
            await follow(kim, texts[number])
        with pytest.raises(RateLimited, match="2 different subscriptions"):
            await follow(kim, texts[2])
        with pytest.raises(RateLimited, match="2 different subscriptions"):
            await follow(kim, 'subscription { userChanged(after: "x") { id } }')
        await follow(kim, texts[0])
        with pytest.raises(RateLimited, match="4 operations"):
            await follow(kim, texts[0])
        await follow(lee, texts[2])
        for text in texts[:3]:
            await follow(unnamed, text)
        with pytest.raises(Overloaded):
            await follow(lee, texts[2])
    await server.wait_until(lambda: not feeds._running)
    async with feeds.follow(GraphQLRequest(texts[2]), kim), feeds.follow(GraphQLRequest(texts[3]), kim):
        pass  # the ended ones no longer count
    await feeds.aclose()


async def test_each_event_is_charged() -> None:
    """A subscription is charged for its start and for each event, and ends when the allowance does not suffice."""
    reseller = {"base_url": "http://127.0.0.1:1", "token": "token", "reseller_id": RESELLER_ID}
    settings = Settings(rate_limit={"cost": 40, "window": 600}, reseller=reseller)
    async with Gateway(settings) as gateway:
        executor = gateway._parts.executor
        assert executor is not None
        feeds = Feeds(executor, live_options(), LiveTraffic(), unobserved)
        factory = IncomingFactory(gateway._parts.users, gateway._entered.events, CredentialWatch(anyone), 5)
        incoming = await factory.create(Connection("http", {}), RequestReport(request_id="r1"))
        request = GraphQLRequest("subscription { userChanged { id user { name } } }")
        received = []
        async with feeds.follow(request, incoming) as first, feeds.follow(request, incoming):
            while gateway._entered.events.subscribers == 0:  # noqa: ASYNC110 - the log sets no event
                await asyncio.sleep(0)
            for number in range(40):
                gateway._entered.events.publish(
                    UserChange.UPDATED, User(UserSource.RESELLER, "x", name=f"name {number}")
                )
                response = await anext(first, None)
                if response is None:
                    break
                received.append(response)
        price = executor.preparation._documents.prepare(request.query).price()
        assert len(received) == 1 + (40 - 20 - 2 * price) // price  # 20: preparing it; the start of two
        assert "RATE_LIMITED" in str(received[-1].errors)
        await feeds.aclose()


async def test_many_different_subscriptions(server: Any) -> None:
    """An event that a thousand different subscriptions receive is executed in many steps, between which others run."""
    feeds = Feeds(server.gateway._parts.executor, live_options(), LiveTraffic(), unobserved)
    incoming = await IncomingFactory(server.gateway._parts.users, server.event_log, CredentialWatch(anyone), 5).create(
        Connection("http", {}), RequestReport(request_id="r1")
    )
    async with AsyncExitStack() as stack:
        mailboxes = [
            await stack.enter_async_context(
                feeds.follow(
                    GraphQLRequest(f"subscription {{ userChanged {{ a{number}: id user {{ name }} }} }}"), incoming
                )
            )
            for number in range(1000)
        ]
        await server.wait_for_subscribers(1000)
        steps = 0

        async def count_steps() -> None:
            nonlocal steps
            while True:
                await asyncio.sleep(0)
                steps += 1

        counting = asyncio.create_task(count_steps())
        await server.publish("Ada")
        for mailbox in mailboxes:
            assert '"Ada"' in (await anext(mailbox)).text
        counting.cancel()
        # It was fewer than ten while all subscriptions were executed in one step of the event loop.
        assert steps > 1000 / 32
    await feeds.aclose()


async def test_catching_up_as_a_feed_ends() -> None:
    """A separate feed that catches up with a shared one after its last response is not merged into it."""
    shared: dict[Any, Feed] = {}
    merged: list[Feed] = []
    resumed = ResumedFeeds(shared, lambda feed, _: merged.append(feed))

    def feed(*sent: LiveResponse, is_shared: bool) -> Feed:
        async def responses() -> AsyncGenerator[LiveResponse]:
            for response in sent:
                yield response

        options: dict[str, Any] = {"queue": 10, "slow_reader": lambda: sent[-1], "on_event": resumed.compare}
        return Feed(responses(), shared=is_shared, key="key", **options)

    event, end = LiveResponse("{}", event_id="e1"), LiveResponse("{}", "[]")
    shared["key"] = feed(event, end, is_shared=True)
    await shared["key"].run()
    await feed(event, is_shared=False).run()
    assert merged == []


async def test_nothing_is_kept_of_a_client_that_has_left(start_server: Any) -> None:
    """A feed that goes on for other clients does not keep the request of the client that it was started for."""
    requests = []

    async def recording(connection: Connection) -> Principal:
        requests.append(weakref.ref(connection.request))
        return KIM

    server = await start_server(recording)
    async with server.socket() as staying:
        async with server.socket() as leaving:
            await leaving.subscribe()
            await server.wait_for_subscribers()
            await staying.subscribe()
            await server.wait_until(lambda: len(requests) == 4)
            await server.publish("one")
            assert await leaving.next_name() == await staying.next_name() == "one"
        await server.wait_until(lambda: server.live.traffic.connections == 1)
        await server.publish("two")
        assert await staying.next_name() == "two"
        gc.collect()
        assert [request() is not None for request in requests] == [True, False, False, True]
