"""Builds the sources out of their settings. A further source is one function and one entry in `BUILDERS`."""

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
from gateway.sources.http.pacing import by_credential
from gateway.sources.http.retry import RetryBudget, RetrySettings
from gateway.sources.http.single_flight import SingleFlight
from gateway.sources.http.steps import PACING_KEYS, RATES, StepSettings, steps
from gateway.sources.http.timing import Timing
from gateway.sources.reseller import ResellerSource
from gateway.sources.softwareone import SoftwareOneSource
from gateway.users.model import UserSource
from gateway.users.source import Source, Sources

__all__ = ["BUILDERS", "ConfiguredSources", "build", "settings_of"]


def _account(settings: Settings, send: Send, base_url: str, bearer: dict[str, str]) -> Source:
    account = settings.account
    headers = bearer | {f"{account.header_prefix}-Version": account.api_version}
    if account.account_id:
        headers[f"{account.header_prefix}-Account"] = account.account_id
    return AccountSource(send, base_url, headers, account_version(account.api_version))


def _softwareone(settings: Settings, send: Send, base_url: str, bearer: dict[str, str]) -> Source:
    softwareone = settings.softwareone
    return SoftwareOneSource(send, base_url, bearer, softwareone.icon_bytes, softwareone.icon_types)


def _reseller(settings: Settings, send: Send, base_url: str, bearer: dict[str, str]) -> Source:
    return ResellerSource(send, base_url, bearer, settings.reseller.reseller_id)


BUILDERS: dict[UserSource, Callable[[Settings, Send, str, dict[str, str]], Source]] = {
    UserSource.ACCOUNT: _account,
    UserSource.SOFTWAREONE: _softwareone,
    UserSource.RESELLER: _reseller,
}


def settings_of(settings: Settings, name: UserSource) -> SourceSettings:
    """Return the settings of one source."""
    source_settings: SourceSettings = getattr(settings, name.value)
    return source_settings


def build(name: UserSource, settings: Settings, send: Send) -> Source:
    """Build a source whose calls go through `send`.

    Raises:
        ValueError: the source has no base URL.
    """
    configured = settings_of(settings, name)
    if configured.base_url is None:
        raise ValueError(f"{name} is not configured")
    bearer = {"Authorization": f"Bearer {configured.token.get_secret_value()}"} if configured.token else {}
    return BUILDERS[name](settings, send, str(configured.base_url).rstrip("/"), bearer)


class ConfiguredSources:
    """The configured sources with their pipelines. Create it inside the event loop; `stack` closes the connections."""

    def __init__(self, settings: Settings, stack: AsyncExitStack, observer: MetricsObserver) -> None:
        self._settings = settings
        self._stack = stack
        self._observer = observer
        self._circuits: dict[UserSource, Circuit] = {}
        self._flights: dict[UserSource, SingleFlight] = {}
        budget = RetryBudget()
        configured = [name for name in BUILDERS if settings_of(settings, name).configured]
        self.sources = Sources([self._build(name, budget) for name in configured])

    @property
    def forwards(self) -> Forwards:
        """The headers of callers that are forwarded, for each source that is called with forwarded credentials."""
        forwards = {name: settings_of(self._settings, name).forwards for name in self._circuits}
        return {name: headers for name, headers in forwards.items() if headers}

    def circuits(self) -> Mapping[str, CircuitState]:
        """Return the state of the circuit of each source."""
        return {name: circuit.state for name, circuit in self._circuits.items()}

    def separate_reads(self, changed: UserSource | None) -> None:
        """Let later reads of a source, None for all, share no call from before a change that is known now."""
        for name, flights in self._flights.items():
            if changed in {None, name}:
                flights.separate()

    def _build(self, name: UserSource, budget: RetryBudget) -> Source:
        configured = settings_of(self._settings, name)
        transport = CLIENTS[self._settings.http_client](_limits(configured))
        self._stack.push_async_callback(transport.aclose)
        circuit = self._circuits[name] = Circuit(observe=self._observer.pipeline_event)
        flights = self._flights[name] = SingleFlight(observe=self._observer.pipeline_event)
        step_settings = StepSettings(
            forwarding=Forwarding(name, configured.forwards) if configured.forwards else None,
            timeout=configured.timeout,
            rate=RATES.get(name) if configured.rate_limit is None else Rate.per_second(configured.rate_limit),
            retry=RetrySettings(attempts=configured.max_attempts),
            hedging=HedgingSettings() if configured.hedge else None,
        )
        outer_steps = steps(
            step_settings,
            budget=budget,
            circuit=circuit,
            pacing_key=PACING_KEYS.get(name, by_credential),
            single_flight=flights,
            observe=self._observer.pipeline_event,
        )
        return build(name, self._settings, pipeline(transport, [*outer_steps, Timing(self._observer.call_finished)]))


def _limits(settings: SourceSettings) -> TransportLimits:
    """Return the limits of the transport, which apply to each attempt."""
    timeout = settings.timeout / 2 if settings.try_timeout is None else min(settings.try_timeout, settings.timeout)
    return TransportLimits(
        total=timeout,
        connect=settings.connect_timeout,
        read=timeout,
        connections=settings.max_connections,
        response_bytes=settings.max_response_bytes,
    )
