"""The change intake: webhooks of the reseller API, and polling of the sources that send none."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

from gateway.api.web.webhooks import ResellerWebhooks
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.sources import BUILDERS, settings_of
from gateway.app.stores import Stores
from gateway.errors import SourceUnavailable
from gateway.events.feeds import ChangeFeeds
from gateway.events.log import EventLog, UnknownChanges, UserEvent
from gateway.events.polling import Poller
from gateway.kit.clock import Clock
from gateway.kit.source_titles import titled
from gateway.settings import CredentialMode, Settings
from gateway.sources.reseller.client import ResellerSource
from gateway.sources.reseller.reported import ReportedUsers
from gateway.sources.reseller.webhook import read_webhook
from gateway.telemetry.telemetry import Telemetry
from gateway.users.ids import Ref
from gateway.users.model import User, UserSource
from gateway.users.service import UserService
from gateway.users.source import Sources
from gateway.users.source_changes import PolledSource

__all__ = ["build_webhooks", "drop_changed", "poll_intervals", "report_altered", "start_polling"]

_LOG = logging.getLogger("gateway.events")


def build_webhooks(
    settings: Settings, sources: Sources, events: EventLog, observer: MetricsObserver, clock: Clock
) -> ResellerWebhooks:
    """Build the endpoint for the webhooks of the reseller API; without a token and a reseller id it accepts none.

    The body of a webhook does not name the reseller, so that its user is read. A gateway that has no credential for
    that takes every user for one of the configured reseller.
    """
    reseller = settings.reseller
    secret = reseller.webhook_token if reseller.reseller_id else None

    def tokens() -> Sequence[str]:
        """Return the present tokens: those in a file may change."""
        return secret.get_secret_value().split() if secret else ()

    read = partial(read_webhook, tenant=reseller.reseller_id)
    complete = None
    if reseller.credentials is CredentialMode.CONFIGURED:
        complete = next(
            (ReportedUsers(source).complete for source in sources if isinstance(source, ResellerSource)), None
        )
    if tokens():
        observer.feeds.expect(UserSource.RESELLER)
    # A webhook is recognised as repeated for so long only: after that, it would be a new event.
    tolerance = min(reseller.webhook_tolerance, settings.events_window)
    return ResellerWebhooks(
        tokens, read, events, tolerance=tolerance, complete=complete, observe=observer.webhook, clock=clock.time
    )


def drop_changed(events: EventLog, users: UserService, separate_reads: Callable[[UserSource | None], None]) -> None:
    """Let nothing be used that was read before a change in the event log, also by a call that is under way.

    `separate_reads` lets later reads of a source, None for all, share no call from before the change.
    """

    def on_change(change: UserEvent | UnknownChanges) -> None:
        if isinstance(change, UserEvent):
            users.user_changed(change.user, change.change)
            separate_reads(change.user.source)
        elif change.user is not None:
            users.user_reported(change.user, change.fingerprint)
            separate_reads(change.user.source)
        else:
            users.source_changed(change.source)
            separate_reads(change.source)

    events.on_change(on_change)


async def report_altered(events: EventLog, target: Ref, *, is_gone: bool) -> None:
    """Let all replicas drop a user that may have been changed, and how is not known, or that `is_gone`."""
    try:
        # SoftwareOne accepts an e-mail address as an id, and others keep the user by its own.
        if "@" in target.source_id and not is_gone:
            await events.append_unknown(target.source)
        else:
            await events.append_altered([User(target.source, target.source_id, target.tenant)])
    except SourceUnavailable:
        _LOG.warning("a user of %s may have been changed, and the replicas do not know of it", titled(target.source))


def poll_intervals(settings: Settings) -> dict[UserSource, float]:
    """Return the intervals in seconds of the sources that are polled."""
    intervals = {name: settings_of(settings, name).poll_interval for name in BUILDERS}
    return {name: interval for name, interval in intervals.items() if interval is not None}


def start_polling(
    settings: Settings,
    sources: Sources,
    events: EventLog,
    stores: Stores,
    feeds: ChangeFeeds,
    *,
    stack: AsyncExitStack,
    observer: MetricsObserver,
    telemetry: Telemetry,
    clock: Clock,
) -> None:
    """Start to poll each source for which an interval is set, waiting by `clock`; `stack` stops it."""
    intervals = poll_intervals(settings)
    for source in sources:
        interval = intervals.get(source.name)
        if interval is None or not isinstance(source, PolledSource):
            continue
        lock = stores.polling_lock(f"polling:{source.name}", interval)
        poller = Poller(
            source,
            events,
            lock,
            interval=interval,
            observe=observer.poll,
            complete=partial(feeds.complete, source.name),
            clock=clock,
            trace_round=telemetry.polling,
        )
        stack.push_async_callback(poller.aclose)
        observer.feeds.expect(source.name)
        poller.start()
