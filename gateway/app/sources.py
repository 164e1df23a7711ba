"""One line a system: how each is made from its settings. A fourth is a folder beside these and a line here."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from gateway.app.metrics_observer import MetricsObserver
from gateway.callers.authentication import Forwards
from gateway.settings import Settings, SourceSettings
from gateway.sources.account import AccountSource
from gateway.sources.account.versions import account_version
from gateway.sources.http.bucket import Rate
from gateway.sources.http.circuit import Circuit, CircuitState
from gateway.sources.http.clients import CLIENTS
from gateway.sources.http.exchange import Send, TransportLimits, pipeline
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.hedging import HedgingSettings
from gateway.sources.http.retry import RetryBudget, RetrySettings
from gateway.sources.http.steps import RATES, StepSettings, steps
from gateway.sources.http.timing import Timing
from gateway.sources.reseller import ResellerSource
from gateway.sources.softwareone import SoftwareOneSource
from gateway.users.model import UserSource
from gateway.users.source import Source, Sources

__all__ = ["BUILDERS", "ConfiguredSources", "build", "settings_of"]


def _account(settings: Settings, send: Send, base_url: str, bearer: dict[str, str]) -> Source:
    own = settings.account
    headers = bearer | {f"{own.header_prefix}-Version": own.api_version}
    if own.account_id:
        headers[f"{own.header_prefix}-Account"] = own.account_id
    return AccountSource(send, base_url, headers, account_version(own.api_version))


def _softwareone(settings: Settings, send: Send, base_url: str, bearer: dict[str, str]) -> Source:
    own = settings.softwareone
    return SoftwareOneSource(send, base_url, bearer, own.icon_bytes, own.icon_types)


def _reseller(settings: Settings, send: Send, base_url: str, bearer: dict[str, str]) -> Source:
    return ResellerSource(send, base_url, bearer, settings.reseller.reseller_id)


BUILDERS: dict[UserSource, Callable[[Settings, Send, str, dict[str, str]], Source]] = {
    UserSource.ACCOUNT: _account,
    UserSource.SOFTWAREONE: _softwareone,
    UserSource.RESELLER: _reseller,
}


def settings_of(settings: Settings, name: UserSource) -> SourceSettings:
    """The settings of one system."""
    own: SourceSettings = getattr(settings, name.value)
    return own


def build(name: UserSource, settings: Settings, send: Send) -> Source:
    """A configured system, its calls going through `send`."""
    own = settings_of(settings, name)
    if own.base_url is None:
        raise ValueError(f"{name} is not configured")
    bearer = {"Authorization": f"Bearer {own.token.get_secret_value()}"} if own.token else {}
    return BUILDERS[name](settings, send, str(own.base_url).rstrip("/"), bearer)


class ConfiguredSources:
    """The configured ones. Made inside the event loop; their connections are closed by the stack."""

    def __init__(self, settings: Settings, open: AsyncExitStack, observed: MetricsObserver) -> None:
        self._settings = settings
        self._open = open
        self._observed = observed
        self._circuits: dict[UserSource, Circuit] = {}
        budget = RetryBudget()
        configured = [name for name in BUILDERS if settings_of(settings, name).configured]
        self.sources = Sources([self._source(name, budget) for name in configured])

    @property
    def forwards(self) -> Forwards:
        """The callers' headers that go to the systems which are called with their callers' own credentials."""
        every = {name: settings_of(self._settings, name).forwards for name in self._circuits}
        return {name: headers for name, headers in every.items() if headers}

    def circuits(self) -> Mapping[str, CircuitState]:
        """How each system's circuit stands."""
        return {name: circuit.state for name, circuit in self._circuits.items()}

    def _source(self, name: UserSource, budget: RetryBudget) -> Source:
        own = settings_of(self._settings, name)
        transport = CLIENTS[self._settings.http_client](_limits(own))
        self._open.push_async_callback(transport.aclose)
        circuit = self._circuits[name] = Circuit(observe=self._observed.call)
        step_settings = StepSettings(
            forwarding=Forwarding(name, own.forwards) if own.forwards else None,
            timeout=own.timeout,
            rate=RATES.get(name) if own.rate_limit is None else Rate.per_second(own.rate_limit),
            retry=RetrySettings(attempts=own.max_attempts),
            hedging=HedgingSettings() if own.hedge else None,
        )
        within = steps(step_settings, budget=budget, circuit=circuit, observe=self._observed.call)
        return build(name, self._settings, pipeline(transport, [*within, Timing(self._observed.answered)]))


def _limits(own: SourceSettings) -> TransportLimits:
    """The wire's limits: those of one try."""
    one_try = own.timeout / 2 if own.try_timeout is None else min(own.try_timeout, own.timeout)
    return TransportLimits(
        total=one_try,
        connect=own.connect_timeout,
        read=one_try,
        connections=own.max_connections,
        response_bytes=own.max_response_bytes,
    )
