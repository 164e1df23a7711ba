"""A gateway in a program that has set OpenTelemetry's tracer provider, on real sockets, and the spans that it makes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler

from gateway import Gateway, Settings
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    WEBHOOK_TOKEN,
    SandboxOptions,
    SandboxServer,
)

USER = 'query Ada { user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
ROLE_OWNER = 'query Owner { user(id: "acus_adalovelace1", source: ACCOUNT) { role { owner { type } } } }'
RENAME = 'mutation Rename { updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada"}) { name } }'
CHANGES = "subscription Changes { userChanged { user { name role { owner { type } } } } }"
USER_CALL = "GET /v1/identity/account-users/{id}"
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOT_SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@dataclass(frozen=True, slots=True)
class World:
    """A gateway that is served in this process, its sandbox, and the spans that have ended."""

    gateway: Gateway
    session: ClientSession
    url: str
    grpc: str
    control: str
    exporter: InMemorySpanExporter

    async def graphql(self, query: str, **headers: str) -> Any:
        """Execute an operation, and return the JSON of the response."""
        async with self.session.post(f"{self.url}/graphql", json={"query": query}, headers=headers) as response:
            return await response.json()

    async def calls(self) -> list[dict[str, str]]:
        """Return the headers of the calls that the sandbox received."""
        async with self.session.get(f"{self.control}/calls") as response:
            return [call["headers"] for call in await response.json() if call["source"] != "webhooks"]

    async def fault(self, **fault: Any) -> None:
        """Let the next matching calls fail."""
        async with self.session.post(f"{self.control}/faults", json=fault) as response:
            assert response.status < 300, await response.text()

    async def spans(self, number: int) -> list[ReadableSpan]:
        """Return the spans that have ended, in the order of their starts, once there are so many."""
        async with asyncio.timeout(30):
            while len(self.exporter.get_finished_spans()) < number:  # noqa: ASYNC110 - an exporter notifies nobody
                await asyncio.sleep(0.01)
        found = sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
        assert len(found) == number, [span.name for span in found]
        return found


@pytest.fixture
async def traced(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """Opens worlds with a sampler; settings are given by name, those of the account source as a dictionary."""
    async with AsyncExitStack() as stack:

        async def make(sampler: Sampler = ALWAYS_ON, account: dict[str, Any] | None = None, **given: Any) -> World:
            exporter = InMemorySpanExporter()
            provider = TracerProvider(ParentBased(sampler), shutdown_on_exit=False)
            provider.add_span_processor(SimpleSpanProcessor(exporter))
            # What `trace.set_tracer_provider` sets, which works once in a process only.
            monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
            sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False)))
            sources: dict[str, Any] = {
                "account": {
                    "base_url": sandbox.account_url,
                    "token": ACCOUNT_TOKEN,
                    "account_id": ACCOUNT_ID,
                    **(account or {}),
                },
                "softwareone": {"base_url": sandbox.softwareone_url, "token": SOFTWAREONE_TOKEN},
                "reseller": {
                    "base_url": sandbox.reseller_url,
                    "token": RESELLER_TOKEN,
                    "reseller_id": RESELLER_ID,
                    "webhook_token": WEBHOOK_TOKEN,
                },
            }
            gateway = await stack.enter_async_context(Gateway(Settings(http_port=0, grpc_port=0, **sources, **given)))
            server = await gateway.serve_http(grace=0)
            stack.push_async_callback(server.stop)
            grpc_server = await gateway.serve_grpc()
            assert grpc_server is not None
            stack.push_async_callback(grpc_server.stop, 0)
            session = await stack.enter_async_context(ClientSession())
            host, port = server.address
            return World(gateway, session, f"http://{host}:{port}", grpc_server.address, sandbox.control_url, exporter)

        yield make


def traceparent(span: ReadableSpan) -> str:
    """Return the header that a call is sent with in the context of a span."""
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def parent_id(span: ReadableSpan) -> int | None:
    """Return the id of the span above a span."""
    return span.parent.span_id if span.parent else None


def span_id(span: ReadableSpan) -> int:
    """Return the id of a span."""
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def linked(span: ReadableSpan) -> list[int]:
    """Return the ids of the spans that a span has links to."""
    return [link.context.span_id for link in span.links]
