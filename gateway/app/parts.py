"""The parts of a gateway, built out of the settings, and closed in reverse."""

import logging
import secrets
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gateway.api.capacity import Capacity
from gateway.api.connect.routes import Connect
from gateway.api.gate import Gate
from gateway.api.graphql.execution.executor import Executor
from gateway.api.graphql.execution.incoming import IncomingFactory
from gateway.api.graphql.live.live import Live
from gateway.api.graphql.live.options import LiveOptions
from gateway.api.pictures import PictureLinks
from gateway.api.web.cors import Cors
from gateway.app.callers import open_credentials
from gateway.app.change_intake import drop_changed, poll_intervals, report_altered, start_polling
from gateway.app.graphql import build_executor
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.metrics_reading import read_metrics
from gateway.app.overrides import Overrides
from gateway.app.pictures import build_picture_links
from gateway.app.secret_files import watch_secret_files
from gateway.app.sources import ConfiguredSources, settings_of
from gateway.app.stores import Stores
from gateway.callers.revocation import CredentialWatch
from gateway.events.feeds import ChangeFeeds
from gateway.events.log import EventLog
from gateway.kit.clock import REAL_CLOCK, Clock
from gateway.kit.extras import require_extra
from gateway.kit.source_titles import titled
from gateway.settings import Settings
from gateway.settings.keeping import keep_notes
from gateway.state.memory.state import MemoryState
from gateway.state.once import IdempotentChanges
from gateway.state.state import State
from gateway.telemetry.loop_lag import LoopLag
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.telemetry import Telemetry
from gateway.users.kept.lifetimes import UNPROVEN_LIFETIME, KeepRule, Lifetimes
from gateway.users.kept.records import KeptRecords
from gateway.users.kept.staleness import BackgroundReads
from gateway.users.listing.cursor import Cursors
from gateway.users.model import User, UserChange, UserSource
from gateway.users.reading import KeepMode, UserReader
from gateway.users.reference import ReferenceData
from gateway.users.service import UserService

if TYPE_CHECKING:
    from gateway.api.connect.endpoint import ConnectEndpoint

__all__ = ["Parts", "open_parts"]

_LOG = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the surfaces of one gateway have in common; it exists from when the gateway is entered on."""

    clock: Clock
    stores: Stores
    sources: ConfiguredSources
    credentials: CredentialWatch
    events: EventLog
    feeds: ChangeFeeds
    records: KeptRecords
    users: UserService
    pictures: PictureLinks
    capacity: Capacity
    executor: Executor
    incoming: IncomingFactory
    live: Live
    connect: Connect


async def open_parts(
    settings: Settings,
    stack: AsyncExitStack,
    overrides: Overrides,
    *,
    observer: MetricsObserver,
    metrics: Metrics,
    telemetry: Telemetry,
    cors: Cors,
) -> Parts:
    """Build the parts in such an order that closing `stack`, in reverse, closes the intake of changes first.

    The service, which finishes the changes, is closed after that, and the connections at the end.
    """
    watch_secret_files(settings, stack)
    clock = overrides.clock
    given = overrides.state
    common = _configured_state(settings, observer, clock) if given is None else given
    stores = Stores(common, settings, stack, observer, clock, is_given=given is not None)
    await stores.start()
    configured = ConfiguredSources(settings, stack, observer, overrides)
    sources = configured.sources
    credentials = await stack.enter_async_context(
        open_credentials(
            settings.auth,
            configured.forwards,
            clock,
            overrides.authenticate,
            max_seconds=settings.request_timeout,
            bind=configured.bind if configured.providing else None,
        )
    )
    events = stores.events()
    pictures = build_picture_links(settings, configured.pictures, clock)
    secret = settings.cursor_secret
    sleep = None if clock is REAL_CLOCK else clock.sleep
    once = IdempotentChanges(stores.idempotency(), observe=observer.idempotency, sleep=sleep)
    stack.push_async_callback(once.aclose)
    mode = KeepMode(settings.keep_mode)
    feeds = ChangeFeeds(poll_intervals(settings), clock.monotonic)
    records = KeptRecords(max_bytes=settings.keep_max_bytes, clock=clock.monotonic, observe_stale=observer.stale)
    lifetimes = Lifetimes(
        {source.name: _keep_rule(settings, source.name, mode) for source in sources},
        reference=settings.reference_ttl,
        is_reported=feeds.is_reported,
        known_until=feeds.known_until,
    )
    background = BackgroundReads(trace=telemetry.reading_again)
    for name, note in keep_notes(settings, UNPROVEN_LIFETIME).items():
        _LOG.info("%s: %s", titled(name), note, extra={"source": name})
    if mode is KeepMode.SHADOW:
        observer.expect_comparisons(source.name for source in sources)
    reads = UserReader(
        sources,
        records,
        lifetimes,
        mode=mode,
        catch_up=events.catch_up,
        observe_shadow=observer.compared,
        now=clock.time,
        background=background,
    )
    reference = ReferenceData(sources, records, lifetimes, observe=observer.batch, background=background)

    async def publish_traced(change: UserChange, user: User, change_id: str, *, repeated: bool) -> None:
        with telemetry.publishing(user.source):
            published = events.publish_and_wait(change, user, change_id, repeated=repeated)
            if published is not None:
                await published

    def publish(
        change: UserChange, user: User, change_id: str = "", *, repeated: bool = False
    ) -> Awaitable[None] | None:
        """Publish the event of a change that was made here."""
        pictures.on_change(user)
        publish = events.publish_and_wait if telemetry.tracing is None else publish_traced
        return publish(change, user, change_id, repeated=repeated)

    users = UserService(
        sources,
        reads=reads,
        reference=reference,
        cursors=Cursors(secret.get_secret_value().encode() if secret else secrets.token_bytes(32)),
        execute_once=once,
        publish=publish,
        require_publishable=events.require_writable,
        report_altered=partial(report_altered, events),
        clock=clock.monotonic,
    )

    drop_changed(events, users, configured.separate_reads)
    configured.on_refused(users.credential_refused)
    stack.push_async_callback(users.drain)
    capacity = _build_capacity(settings, stores, observer)
    executor = build_executor(settings, stores, stack, observer, capacity)
    incoming = IncomingFactory(users, events, credentials, settings.request_timeout, pictures, telemetry)
    options = LiveOptions(**settings.live.model_dump(), message=settings.max_body_bytes)
    live = Live(executor, incoming, options, admits=cors.admits_socket, observe=observer.live)
    stack.push_async_callback(live.drain)
    connect = Connect(
        partial(
            _build_connect,
            settings,
            users,
            events=events,
            credentials=credentials,
            capacity=capacity,
            pictures=pictures,
        )
    )
    stack.push_async_callback(connect.drain)
    start_polling(
        settings, sources, events, stores, feeds, stack=stack, observer=observer, telemetry=telemetry, clock=clock
    )
    read_metrics(
        metrics,
        observer=observer,
        telemetry=telemetry,
        sources=configured,
        records=records,
        feeds=feeds,
        live=live,
        events=events,
    )
    await stack.enter_async_context(LoopLag(observer.loop_lag))
    return Parts(
        clock=clock,
        stores=stores,
        sources=configured,
        credentials=credentials,
        events=events,
        feeds=feeds,
        records=records,
        users=users,
        pictures=pictures,
        capacity=capacity,
        executor=executor,
        incoming=incoming,
        live=live,
        connect=connect,
    )


def _build_connect(
    settings: Settings,
    users: UserService,
    *,
    events: EventLog,
    credentials: CredentialWatch,
    capacity: Capacity,
    pictures: PictureLinks,
) -> "ConnectEndpoint":
    from gateway.api.connect.endpoint import ConnectEndpoint  # noqa: PLC0415 - protobuf takes 4 MiB
    from gateway.api.grpc.admission import RpcOptions  # noqa: PLC0415 - the same

    options = RpcOptions(
        icon_bytes=settings.softwareone.icon_bytes,
        max_calls=settings.grpc_calls,
        max_calls_each=settings.grpc_calls_each,
        request_timeout=settings.request_timeout,
    )
    return ConnectEndpoint(users, options, events, credentials, capacity, pictures=pictures)


def _keep_rule(settings: Settings, source: UserSource, mode: KeepMode) -> KeepRule:
    configured = settings_of(settings, source)
    # Otherwise the older reference data would be given to callers of a gateway that keeps no users, which is unasked.
    return KeepRule(configured.keep, configured.keep_if_error if mode is KeepMode.ON else 0.0)


def _configured_state(settings: Settings, observer: MetricsObserver, clock: Clock) -> State:
    """Build the state in memory or, if a URL is set, in Redis."""
    if settings.redis_url is None:
        return MemoryState(clock)
    require_extra("redis", "GATEWAY_REDIS_URL", ", or unset GATEWAY_REDIS_URL")
    from gateway.app.state_redis import RedisState  # noqa: PLC0415 - the Redis client takes 6 MiB

    return RedisState(settings.redis_url.get_secret_value(), observer.redis_event)


def _build_capacity(settings: Settings, stores: Stores, observer: MetricsObserver) -> Capacity:
    """Build the capacity that all surfaces have in common."""
    configured = settings.gate
    gate = Gate(
        configured.at_once,
        queue=configured.queue,
        max_wait=configured.patience,
        share=configured.share,
        observe=observer.gate,
    )
    return Capacity(rates=stores.rates(), gate=gate)
