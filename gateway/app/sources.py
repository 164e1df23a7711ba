"""Builds the sources out of their settings. A further source is one function and one entry in `BUILDERS`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from gateway.app.given_sources import given_sources
from gateway.app.metrics_observer import MetricsObserver
from gateway.app.overrides import Overrides
from gateway.callers.authentication import Forwards
from gateway.errors import GatewayError, SourceCredentials, Unauthenticated
from gateway.operation import current_principal
from gateway.principal import ANYONE, Principal
from gateway.settings import AccountSettings, PicturedSettings, Settings, SourceSettings
from gateway.settings.names import variable_of
from gateway.settings.secret_files import SecretFile
from gateway.sources.account import AccountSource
from gateway.sources.account.versions import account_version
from gateway.sources.http.bucket import Rate
from gateway.sources.http.circuit import Circuit, CircuitState
from gateway.sources.http.clients import CLIENTS
from gateway.sources.http.exchange import Request, ResultObserver, Send, Step, Transport, TransportLimits, pipeline
from gateway.sources.http.fast_pipeline import fast_pipeline
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.given_transport import GivenTransport
from gateway.sources.http.hedging import HedgingSettings
from gateway.sources.http.lean.transport import LeanTransport
from gateway.sources.http.pacing import Pacing, PacingState, by_credential
from gateway.sources.http.pictures import SourcePictures
from gateway.sources.http.provided import ConfiguredToken, ProvidedCredentials
from gateway.sources.http.retry import RetryBudget, RetrySettings
from gateway.sources.http.rotation import Rotation, TokenFile
from gateway.sources.http.single_flight import SingleFlight
from gateway.sources.http.steps import PACING_KEYS, RATES, StepSettings, steps
from gateway.sources.http.timing import Timing
from gateway.sources.reseller import ResellerSource
from gateway.sources.softwareone import SoftwareOneSource
from gateway.users.model import UserSource
from gateway.users.source import PictureStore, Source, Sources

__all__ = ["BUILDERS", "ConfiguredSources", "OnRefused", "build", "left_out_sources", "settings_of"]

OnRefused = Callable[[Principal, UserSource], None]
"""Called with the principal for which a source was called, and the source that refused the credential."""


def _account(
    settings: Settings, send: Send, base_url: str, headers: Mapping[str, str], observe: ResultObserver | None
) -> Source:
    return AccountSource(send, base_url, headers, account_version(settings.account.api_version), observe=observe)


def _softwareone(
    settings: Settings, send: Send, base_url: str, headers: Mapping[str, str], observe: ResultObserver | None
) -> Source:
    softwareone = settings.softwareone
    return SoftwareOneSource(send, base_url, headers, softwareone.icon_bytes, softwareone.icon_types, observe=observe)


def _reseller(
    settings: Settings, send: Send, base_url: str, headers: Mapping[str, str], observe: ResultObserver | None
) -> Source:
    return ResellerSource(send, base_url, headers, settings.reseller.reseller_id, observe=observe)


BUILDERS: dict[UserSource, Callable[[Settings, Send, str, Mapping[str, str], ResultObserver | None], Source]] = {
    UserSource.ACCOUNT: _account,
    UserSource.SOFTWAREONE: _softwareone,
    UserSource.RESELLER: _reseller,
}


def settings_of(settings: Settings, name: UserSource) -> SourceSettings:
    """Return the settings of one source."""
    source_settings: SourceSettings = getattr(settings, name.value)
    return source_settings


def left_out_sources(settings: Settings) -> dict[UserSource, str]:
    """Return the sources that are not configured, each with the reason and the settings that it needs."""
    missing = {name: settings_of(settings, name).missing for name in BUILDERS}
    return {name: _reason(name, names) for name, names in missing.items() if names}


def _reason(source: UserSource, missing: tuple[str, ...]) -> str:
    names = " and ".join(f"no {name.replace('base_url', 'base URL')}" for name in missing)
    return f"{names}: set {' and '.join(variable_of((source, name)) for name in missing)}"


def build(name: UserSource, settings: Settings, send: Send, observe: ResultObserver | None = None) -> Source:
    """Build a source whose calls go through `send`; their results are reported to `observe`.

    Raises:
        ValueError: the source has no base URL.
    """
    return BUILDERS[name](settings, send, *_base_url_and_headers(name, settings), observe)


def _base_url_and_headers(name: UserSource, settings: Settings) -> tuple[str, Mapping[str, str]]:
    """Return the base URL of a source, and the headers of every call: its credential, and what the account API needs.

    Raises:
        ValueError: the source has no base URL.
    """
    configured = settings_of(settings, name)
    if configured.base_url is None:
        raise ValueError(f"{name} is not configured")
    headers = {"Authorization": f"Bearer {configured.token.get_secret_value()}"} if configured.token else {}
    if isinstance(configured, AccountSettings):
        headers[f"{configured.header_prefix}-Version"] = configured.api_version
        if configured.account_id:
            headers[f"{configured.header_prefix}-Account"] = configured.account_id
    return configured.base_url.rstrip("/"), headers


class ConfiguredSources:
    """The configured sources with their pipelines, and what the embedding program passed in place of them.

    Create it inside the event loop; `stack` closes the connections.
    """

    def __init__(
        self, settings: Settings, stack: AsyncExitStack, observer: MetricsObserver, overrides: Overrides
    ) -> None:
        self._settings = settings
        self._overrides = overrides
        self._stack = stack
        self._observer = observer
        self._clock = overrides.clock
        self._circuits: dict[UserSource, Circuit] = {}
        self._flights: dict[UserSource, SingleFlight] = {}
        self._pacings: dict[UserSource, Pacing] = {}
        self._provided: dict[UserSource, ProvidedCredentials] = {}
        self._on_refused: OnRefused = lambda *_: None
        self.pictures: dict[UserSource, PictureStore] = {}
        budget = RetryBudget(clock=self._clock.monotonic)
        given = given_sources(overrides.sources, lambda name: settings_of(settings, name).timeout)
        used = [name for name in BUILDERS if name in given or self._is_used(name)]
        self.sources = Sources([given[name] if name in given else self._build(name, budget) for name in used])

    @property
    def forwards(self) -> Forwards:
        """The headers of callers that are forwarded, for each source that is called with forwarded credentials."""
        forwards = {name: settings_of(self._settings, name).forwards for name in self._circuits}
        return {name: headers for name, headers in forwards.items() if headers}

    @property
    def providing(self) -> Collection[UserSource]:
        """The sources that are called with credentials which the embedding program provides."""
        return self._provided.keys()

    def bind(self, principal: Principal) -> Principal:
        """Return the principal with the keys of the credentials that are provided for it (`Principal.provided`)."""
        if not self._provided or principal is ANYONE:
            return principal
        keys = {name: provided.key(principal) for name, provided in self._provided.items()}
        return replace(principal, provided={name: key for name, key in keys.items() if key is not None})

    @property
    def names(self) -> Sequence[UserSource]:
        """The names of the sources that are called over HTTP."""
        return tuple(self._circuits)

    def circuits(self) -> Mapping[UserSource, CircuitState]:
        """Return the state of the circuit of each source."""
        return {name: circuit.state for name, circuit in self._circuits.items()}

    def budgets(self) -> Mapping[UserSource, PacingState]:
        """Return what is left of the rate limit of each source."""
        return {name: pacing.state for name, pacing in self._pacings.items()}

    def on_refused(self, call: OnRefused) -> None:
        """Let a function be called with the caller and the source of each call whose credential was refused."""
        self._on_refused = call

    def separate_reads(self, changed: UserSource | None) -> None:
        """Let later reads of a source, None for all, share no call from before a change that is known now."""
        for name, flights in self._flights.items():
            if changed in {None, name}:
                flights.separate()

    def _build(self, name: UserSource, budget: RetryBudget) -> Source:
        configured = settings_of(self._settings, name)
        transport, innermost = self._transport(name, _limits(configured))
        circuit = self._circuits[name] = Circuit(clock=self._clock.monotonic, observe=self._observer.pipeline_event)
        flights = self._flights[name] = SingleFlight(clock=self._clock.monotonic, observe=self._observer.pipeline_event)
        step_settings = StepSettings(
            forwarding=Forwarding(name, configured.forwards) if configured.forwards else None,
            timeout=configured.timeout,
            rate=RATES.get(name) if configured.rate_limit is None else Rate.per_second(configured.rate_limit),
            retry=RetrySettings(attempts=configured.max_attempts),
            hedging=HedgingSettings() if configured.hedge else None,
            rotation=self._rotation(name, configured),
        )
        observe = self._observer.pipeline_event
        provided = self._provided.get(name)
        pacing_key = by_credential if provided is None else provided.pacing_key
        pacing = self._pacings[name] = Pacing(
            step_settings.rate,
            key=PACING_KEYS.get(name, pacing_key),
            clock=self._clock.monotonic,
            observe=observe,
        )
        timing = Timing(self._observer.call_finished)

        def send(changed: StepSettings, **parts: Any) -> Send:
            chosen = steps(changed, budget=budget, sleep=self._clock.sleep, observe=observe, **parts)
            if isinstance(transport, LeanTransport) and transport.fast_path and not innermost:
                return fast_pipeline(transport, chosen, timing)
            return pipeline(transport, [*chosen, timing, *innermost])

        if isinstance(configured, PicturedSettings):
            # Pictures keep the rate limit of the source, but have a circuit of their own: a store of pictures that
            # fails must not make the users unavailable.
            for_pictures = replace(step_settings, retry=RetrySettings(attempts=2), hedging=None)
            self.pictures[name] = SourcePictures(
                name,
                *_base_url_and_headers(name, self._settings),
                # The same shared calls: none from before a change is shared with a read after it.
                send=send(for_pictures, pacing=pacing, single_flight=flights),
                send_elsewhere=send(
                    replace(for_pictures, rate=None, forwarding=None, rotation=None), single_flight=flights
                ),
                origins=configured.picture_origins,
            )
        send_to_source = send(step_settings, circuit=circuit, single_flight=flights, pacing=pacing)
        return build(name, self._settings, send_to_source, self._observe_result)

    def _observe_result(self, request: Request, error: GatewayError | None) -> None:
        self._observer.call_result(request, error)
        if error is not None and isinstance(error, SourceCredentials | Unauthenticated):
            self._on_refused(current_principal.get(), UserSource(request.source))

    def _is_used(self, name: UserSource) -> bool:
        """Return whether a source is configured, or has a base URL and is called with provided credentials."""
        configured = settings_of(self._settings, name)
        return configured.configured or (self._overrides.credentials is not None and configured.base_url is not None)

    def _rotation(self, name: UserSource, configured: SourceSettings) -> Rotation | None:
        """Build the step for a credential that changes; None: it is the token of the settings for all calls.

        A source that is called with forwarded credentials has those.
        """
        token, forwards, provide, file = configured.token, bool(configured.forwards), self._overrides.credentials, None
        if isinstance(token, SecretFile):
            file = TokenFile(token.get_secret_value, token.refresh, forwarding=forwards)
        if provide is None or forwards:
            return None if file is None else Rotation(file)
        is_set = bool(token and token.get_secret_value())
        provided = ProvidedCredentials(name, provide, file or ConfiguredToken(is_set=is_set), now=self._clock.time)
        self._provided[name] = provided
        return Rotation(provided)

    def _transport(self, name: UserSource, limits: TransportLimits) -> tuple[Transport, Sequence[Step]]:
        """Open the transport of a source; return it with the steps that only a given one needs."""
        create, given = CLIENTS[self._settings.http_client], self._overrides.transport
        fast_path = self._settings.fast_path == "on"
        transport: Transport = create(limits, fast_path=fast_path) if given is None else given(name.value, limits)
        self._stack.push_async_callback(transport.aclose)
        return transport, () if given is None else (GivenTransport(),)


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
