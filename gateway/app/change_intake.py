"""How the gateway hears of changes that were made elsewhere: webhooks, and looks at systems that send none."""

from contextlib import AsyncExitStack
from functools import partial

from gateway.api.web.webhooks import ResellerWebhooks
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.state_memory import MemoryState
from gateway.events.log import EventLog
from gateway.events.polling import Poller
from gateway.settings import Settings
from gateway.sources.reseller.webhook import read_webhook
from gateway.users.model import UserSource
from gateway.users.source import PolledSource, Sources

__all__ = ["poll", "webhooks"]


def webhooks(settings: Settings, events: EventLog, observed: MetricsObserver) -> ResellerWebhooks:
    """The endpoint for the reseller's; without a token and a reseller it is not there."""
    own = settings.reseller
    # A webhook's body names no reseller: it is the configured one's.
    tokens = own.webhook_token.get_secret_value().split() if own.webhook_token and own.reseller_id else ()
    read = partial(read_webhook, tenant=own.reseller_id)
    return ResellerWebhooks(tokens, read, events, observe=observed.webhook)


def poll(
    settings: Settings,
    sources: Sources,
    events: EventLog,
    shared: MemoryState,
    *,
    open: AsyncExitStack,
    observed: MetricsObserver,
) -> None:
    """Begin to look at the systems for which the settings have an interval; the stack ends it."""
    intervals = {
        UserSource.ACCOUNT: settings.account.poll_interval,
        UserSource.SOFTWAREONE: settings.softwareone.poll_interval,
    }
    for source in sources:
        every = intervals.get(source.name)
        if every is None or not isinstance(source, PolledSource):
            continue
        turn = shared.turn(f"polling:{source.name}", every)
        poller = Poller(source, events, turn, interval=every, observe=observed.poll)
        open.push_async_callback(poller.close)
        poller.start()
