"""Builds the sandbox from its options and runs it: one server with three simulated APIs and a control API."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Self

from aiohttp import web

from gateway.sandbox import credentials
from gateway.sandbox.account import AccountApi
from gateway.sandbox.account.versions import Dialect
from gateway.sandbox.calls import CallLog
from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.exchange import SimulatedApi
from gateway.sandbox.faults import Faults
from gateway.sandbox.parts import SandboxParts
from gateway.sandbox.people import LANDMARKS
from gateway.sandbox.reseller import ResellerApi
from gateway.sandbox.seeding import Seeding
from gateway.sandbox.softwareone import SoftwareOneApi
from gateway.sandbox.store import Store
from gateway.sandbox.webhooks import Webhooks
from gateway.sandbox.wire import MAX_BODY, SandboxHandler

__all__ = ["SandboxOptions", "SandboxServer"]


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """The options of a sandbox.

    `port` 0 picks a free port. `data` is an SQLite file; None keeps all data in memory. A file that was seeded
    before keeps its users. `users` is the number of users of each API, landmarks included (they always exist).
    Without `rate_limits` the limits are too high to be reached, and the headers report the high limits.
    `dialect` is the generation of the account API: today's, or that of April 2026, which knows `…-preview.1` only.
    `webhook_url` receives the webhooks about reseller users; where it is not known at the start, use
    `SandboxServer.webhooks`. `webhook_pauses` are the seconds before each retry: five retries as documented, but
    sooner than after 300 s. Requests have `grace` seconds to finish when it stops.
    """

    host: str = "127.0.0.1"
    port: int = 0
    data: Path | None = None
    users: int = 40
    rate_limits: bool = True
    dialect: Literal["current", "april"] = "current"
    webhook_url: str | None = None
    webhook_token: str = credentials.WEBHOOK_TOKEN
    webhook_pauses: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    grace: float = 0.5


class SandboxServer:
    """Serves the account, softwareone and reseller APIs on one port, each below a path prefix.

    Use it as an async context manager, or call `start()` and `stop()`.
    """

    ACCOUNT_TOKEN: ClassVar[str] = credentials.ACCOUNT_TOKEN
    ACCOUNT_ID: ClassVar[str] = credentials.ACCOUNT_ID
    SOFTWAREONE_TOKEN: ClassVar[str] = credentials.SOFTWAREONE_TOKEN
    RESELLER_TOKEN: ClassVar[str] = credentials.RESELLER_TOKEN
    RESELLER_ID: ClassVar[str] = credentials.RESELLER_ID
    WEBHOOK_TOKEN: ClassVar[str] = credentials.WEBHOOK_TOKEN
    LANDMARKS: ClassVar[dict[str, dict[str, str]]] = LANDMARKS

    def __init__(self, options: SandboxOptions | None = None, clock: SandboxClock | None = None) -> None:
        self.options = options or SandboxOptions()
        self.clock = clock or SandboxClock()
        self._parts: SandboxParts | None = None
        self._runner: web.ServerRunner | None = None
        self._handler: SandboxHandler | None = None
        self._origin: str | None = None

    async def start(self) -> None:
        """Seed the database and start listening."""
        store, tokens = Store(self.options.data, self.clock), credentials.AcceptedTokens()
        try:
            apis = self._build_apis(store, tokens)
        except BaseException:
            store.close()
            raise
        calls, faults = CallLog(), Faults()
        webhooks = Webhooks(calls, faults, self.options.webhook_pauses)
        if self.options.webhook_url is not None:
            webhooks.send_to(self.options.webhook_url, self.options.webhook_token)
        self._parts = parts = SandboxParts(store, tokens, apis, calls, faults, webhooks, Seeding(store), self.clock)
        try:
            await self._listen(SandboxHandler(parts))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop listening, drop the webhooks that are not delivered yet, and close the database."""
        runner, handler, parts = self._runner, self._handler, self._parts
        self._runner = self._handler = self._parts = self._origin = None
        try:
            if runner is not None:
                await runner.cleanup()
            if handler is not None:
                await handler.aclose()
            if parts is not None:
                await parts.webhooks.aclose()
        finally:  # also where it is cancelled
            if parts is not None:
                parts.store.close()

    async def __aenter__(self) -> Self:
        """Start the sandbox."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the sandbox."""
        await self.stop()

    @property
    def account_url(self) -> str:
        """The base URL of the account API, to which paths such as `/v1/identity/account-users` are appended."""
        return self._url("account")

    @property
    def softwareone_url(self) -> str:
        """The base URL of the marketplace API, to which paths such as `/public/v1/accounts/users` are appended."""
        return self._url("softwareone")

    @property
    def reseller_url(self) -> str:
        """The base URL of the reseller API, to which paths such as `/v3/resellers/…` are appended."""
        return self._url("reseller")

    @property
    def control_url(self) -> str:
        """The base URL of the control API; its paths are in docs/testing.md."""
        return self._url("_sandbox")

    @property
    def webhooks(self) -> Webhooks:
        """The sender of webhooks about reseller users; `webhooks.send_to(url, token)` sets the receiver at any time."""
        return self.parts.webhooks

    @property
    def parts(self) -> SandboxParts:
        """The parts, which exist while the sandbox is running. Raises RuntimeError."""
        if self._parts is None:
            raise RuntimeError("The sandbox is not running. Start it first.")
        return self._parts

    def _url(self, prefix: str) -> str:
        if self._origin is None:
            raise RuntimeError("The sandbox is not running. Start it first.")
        return f"{self._origin}/{prefix}"

    def _build_apis(self, store: Store, tokens: credentials.AcceptedTokens) -> dict[str, SimulatedApi]:
        limits = self.options.rate_limits
        account = AccountApi(store, tokens, enforce_limits=limits, dialect=Dialect(self.options.dialect))
        softwareone = SoftwareOneApi(store, tokens, "/softwareone")
        reseller = ResellerApi(store, tokens, enforce_limits=limits)
        if not store.seeded:
            with store.transaction():
                for api in (account, softwareone, reseller):
                    api.seed(self.options.users)
            store.mark_seeded()
        return {"account": account, "softwareone": softwareone, "reseller": reseller}

    async def _listen(self, handler: SandboxHandler) -> None:
        self._handler = handler
        runner = self._runner = web.ServerRunner(
            web.Server(handler, request_factory=_request_factory, access_log=None), shutdown_timeout=self.options.grace
        )
        await runner.setup()
        site = web.TCPSite(runner, self.options.host, self.options.port)
        await site.start()
        host, port = runner.addresses[0][:2]
        self._origin = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _request_factory(message, payload, protocol, writer, task) -> web.BaseRequest:  # type: ignore[no-untyped-def]  # noqa: ANN001 (aiohttp does not export the types of a request factory)
    return web.BaseRequest(message, payload, protocol, writer, task, task.get_loop(), client_max_size=MAX_BODY)
