"""The sandbox, for tests: simulated sources that a test fills, lets fail, and looks into."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, overload

import orjson

from gateway.sandbox import WEBHOOK_TOKEN, SandboxOptions
from gateway.sandbox.exchange import SandboxEvent
from gateway.sandbox.parts import SandboxParts
from gateway.sandbox.reseller.events import user_event
from gateway.sandbox.seeding import SeedRecord
from gateway.sandbox.webhooks import signature
from gateway.settings import Settings
from gateway.testing.calls import ReceivedCalls, received_call
from gateway.testing.clock import AdjustableClock
from gateway.testing.names import FaultKind, SourceName, WebhookChange, WebhookFaultKind
from gateway.testing.seed_ids import global_id, user_ref, with_source_ids
from gateway.testing.settings import sandbox_settings
from gateway.testing.simulation import Simulation
from gateway.testing.source_requests import Dialect, read_request, removal_request, update_request
from gateway.users.model import UserSource

__all__ = ["Sandbox", "SignedWebhook"]

_WITHOUT_END = 1_000_000  # the greatest number of times that a fault can be planned for


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    """A webhook, to be posted to `/webhooks/reseller` by any HTTP client."""

    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Sandbox:
    """The three sources, simulated on a port of this machine.

        async with Sandbox() as sandbox, Gateway(sandbox.settings()) as gateway:
            user_id = sandbox.seed(AccountUser(name="Eve", role="Viewer"))
            user = await gateway.users.get_user(user_id)

    It has a thread of its own, so `with Sandbox() as sandbox:` works in a test that is not asynchronous, or that has
    another event loop. All methods may be called in any thread, and take effect at once.

    `users` is the number of users that each source has at first, six of them at least; they are the same every time.
    Without `rate_limits` the sources accept any number of requests, and the gateway does not pace its calls. `dialect`
    is the version of the account API: today's, or that of April 2026. `data` is an SQLite file that keeps the data;
    None: they are lost at the end. `clock` is what time is measured by; None: a clock of this sandbox.
    """

    def __init__(
        self,
        *,
        users: int = 40,
        rate_limits: bool = False,
        dialect: Literal["current", "april"] = "current",
        data: Path | None = None,
        clock: AdjustableClock | None = None,
    ) -> None:
        self._dialect: Dialect = dialect
        options = SandboxOptions(users=users, rate_limits=rate_limits, dialect=dialect, data=data, grace=0.01)
        self.clock: AdjustableClock = clock or AdjustableClock()
        """The time of the sources, which `advance` changes; pass it to the gateway too where that has to follow."""
        self._simulation = Simulation(options, self.clock)

    def start(self) -> None:
        """Start the sources."""
        self._simulation.start()

    def stop(self) -> None:
        """Stop the sources, and drop the webhooks that are not delivered yet. May be called repeatedly."""
        self._simulation.stop()

    def __enter__(self) -> Self:
        """Start the sources."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        """Start the sources, as `with` does."""
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def settings(self, **changes: Any) -> Settings:
        """Return the settings of a gateway in front of these sources; the environment changes nothing in them.

        `changes` are settings by name. Those of a source are merged with the ones that it needs, for example
        `account={"max_attempts": 1}`; a source that is None is not configured.

        Raises:
            ValidationError: a change is no setting, or its value is not valid.
        """
        return sandbox_settings(self._simulation.server, changes)

    def seed(self, record: SeedRecord) -> str:
        """Add a record to its source, and return its global id.

        It is stored as it is, without a request, a webhook or an event; what the record leaves out has a default. Its
        `role`, `department` and `organization` may also be global ids.

        Raises:
            ValueError: a value is not valid, a record that it refers to does not exist, or its e-mail address, its
                username or its id is in use.
        """
        source_id = self._simulation.call(lambda parts: parts.seeding.add(with_source_ids(record)))
        return global_id(record, source_id)

    def accept_token(self, source: SourceName, token: str) -> None:
        """Let a source accept a further token, for example that of one caller; it may do what the first one may."""
        self._simulation.call(lambda parts: parts.tokens.accept(str(source), token))

    def refuse_token(self, source: SourceName, token: str) -> None:
        """Let a source refuse a token with 401, as after it expired or was revoked."""
        self._simulation.call(lambda parts: parts.tokens.refuse(str(source), token))

    def update(self, user_id: str, source: SourceName | None = None, /, **fields: object) -> None:
        """Change a user in its source past the gateway, as another program would; this may cause a webhook.

        `fields` are those of the update in the API of the source, for example `name=…` in account, `firstName=…` in
        the others. `user_id` is a global id; an id of the source with `source`.

        Raises:
            ValueError: the source refused the change; the message is its response.
        """
        ref = user_ref(user_id, source)
        self._simulation.request(update_request(ref.source, ref.source_id, fields, self._dialect), ref.source)

    def remove(self, user_id: str, source: SourceName | None = None, /) -> None:
        """Remove an account user, or delete a user of another source, past the gateway.

        Raises:
            ValueError: the source refused it; SoftwareOne deletes disabled users alone.
        """
        ref = user_ref(user_id, source)
        self._simulation.request(removal_request(ref.source, ref.source_id, self._dialect), ref.source)

    def stored(self, user_id: str, source: SourceName | None = None, /) -> Mapping[str, Any] | None:
        """Return a user as its source has it stored, also what it never returns; None: there is no such user."""
        ref = user_ref(user_id, source)
        return self._simulation.call(lambda parts: parts.apis[ref.source].stored_user(ref.source_id))

    @overload
    def fail(
        self,
        source: SourceName,
        kind: FaultKind = "status",
        *,
        times: int | None = 1,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        delay: float | None = None,
        location: str | None = None,
    ) -> None: ...

    @overload
    def fail(
        self,
        source: Literal["webhooks"],
        kind: WebhookFaultKind,
        *,
        times: int | None = 1,
        path: str | None = None,
        delay: float | None = None,
    ) -> None: ...

    def fail(
        self,
        source: SourceName | Literal["webhooks"],
        kind: FaultKind | WebhookFaultKind = "status",
        *,
        times: int | None = 1,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        delay: float | None = None,
        location: str | None = None,
    ) -> None:
        """Let the next calls to a source fail, or the next webhooks; docs/testing.md describes each kind.

        `times` is the number of calls; None: all calls until `stop_failing`. A fault is for the calls with the method
        `method` whose path has a match of the regular expression `path`. `status` is that of the response, 503 by
        default. `retry_after` and `delay` are in seconds; the delay is 1 by default. A redirect leads to `location`.

        Raises:
            ValueError: a value is not valid, or the source has no such kind of fault.
        """
        fault = {
            "source": str(source),
            "kind": kind,
            "times": _WITHOUT_END if times is None else times,
            "method": method,
            "path": path,
            "status": status,
            "retryAfter": retry_after,
            "delay": delay,
            "location": location,
        }
        document = {name: value for name, value in fault.items() if value is not None}
        self._simulation.call(lambda parts: parts.faults.plan(document))

    def stop_failing(self) -> None:
        """Forget all faults that `fail` planned."""
        self._simulation.call(lambda parts: parts.faults.clear())

    @property
    def calls(self) -> ReceivedCalls:
        """The calls that the sources received, and the webhooks that they sent."""
        return ReceivedCalls(
            lambda: [received_call(logged) for logged in self._simulation.call(lambda parts: parts.calls.entries())],
            lambda: self._simulation.call(lambda parts: parts.calls.clear()),
        )

    def advance(self, seconds: float) -> None:
        """Let time pass at once: for the sources, and for a gateway that has this `clock`.

        Raises:
            ValueError: the number is negative, or leads beyond the year 9999.
        """
        self.clock.advance(seconds)

    def send_webhooks_to(self, url: str) -> None:
        """Send webhooks about all further changes of reseller users to a URL: that of `/webhooks/reseller`."""
        self._simulation.call(lambda parts: parts.webhooks.send_to(url, WEBHOOK_TOKEN))

    def send_webhook(
        self,
        user_id: str,
        change: WebhookChange = "updated",
        *,
        times: int = 1,
        delay: float = 0.0,
        forged: bool = False,
    ) -> None:
        """Send a webhook about a reseller user as it is stored, `times` times after `delay` seconds, without a retry.

        `forged`: with a signature that is not valid.

        Raises:
            ValueError: there is no such user.
            RuntimeError: it is not known where to; call `send_webhooks_to` first.
        """
        event = self._event(user_id, change)

        def send(parts: SandboxParts) -> None:
            if not parts.webhooks.has_receiver:
                raise RuntimeError("There is no receiver of webhooks: call `send_webhooks_to(url)` first.")
            for _ in range(times):
                parts.webhooks.send_once(event, delay=delay, forged=forged)

        self._simulation.call(send)

    def webhook(self, user_id: str, change: WebhookChange = "updated") -> SignedWebhook:
        """Return a webhook about a reseller user as it is stored, for a test that posts it itself.

        Raises:
            ValueError: there is no such user.
        """
        body = self._event(user_id, change).body
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Webhook-Signature": signature(WEBHOOK_TOKEN, body),
        }
        return SignedWebhook(headers, body)

    async def webhooks_sent(self) -> None:
        """Wait until all webhooks have been delivered or dropped."""
        parts = self._simulation.server.parts
        await asyncio.wrap_future(self._simulation.submit(parts.webhooks.idle()))

    @property
    def account_url(self) -> str:
        """The base URL of the account source."""
        return self._simulation.server.account_url

    @property
    def softwareone_url(self) -> str:
        """The base URL of the SoftwareOne source."""
        return self._simulation.server.softwareone_url

    @property
    def reseller_url(self) -> str:
        """The base URL of the reseller source."""
        return self._simulation.server.reseller_url

    def _event(self, user_id: str, change: WebhookChange) -> SandboxEvent:
        ref = user_ref(user_id, UserSource.RESELLER)
        request = read_request(ref.source, ref.source_id, self._dialect)
        return user_event(change, orjson.loads(self._simulation.request(request, ref.source).body), self.clock.now())
