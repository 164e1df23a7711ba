"""An account source whose records have the credential of the call as their name.

The client and the pipeline are the real ones, over a transport in memory. The source recognises idempotency keys
whatever the credential, as the real one may where all credentials belong to one account.
"""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from gateway.principal import Principal
from gateway.sources.account import AccountSource
from gateway.sources.account.versions import account_version
from gateway.sources.http.credentials import Credentials
from gateway.sources.http.exchange import Request, Response, pipeline
from gateway.sources.http.forwarding import Forwarding
from gateway.sources.http.provided import ConfiguredToken, ProvidedCredentials
from gateway.sources.http.retry import RetryBudget
from gateway.sources.http.rotation import Rotation
from gateway.sources.http.steps import StepSettings, steps
from gateway.state.memory.idempotency import MemoryIdempotency
from gateway.state.once import IdempotentChanges
from gateway.users.kept.lifetimes import Lifetimes
from gateway.users.model import UserSource
from gateway.users.reference import ReferenceData
from gateway.users.service import UserService
from gateway.users.source import Sources

ACCOUNT = UserSource.ACCOUNT
CONFIGURED = "Bearer configured"
_USERS = 30


@dataclass
class CredentialEcho:
    """The transport to the source; `calls` has (method, path, credential) of each call."""

    calls: list[tuple[str, str, str]] = field(default_factory=list)
    results: dict[str, bytes] = field(default_factory=dict)
    unblocked: asyncio.Event | None = None
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, request: Request) -> Response:
        credential = next(value for name, value in request.headers.items() if name.lower() == "authorization")
        url = urlsplit(request.url)
        self.calls.append((request.method, url.path, credential))
        self.called.set()
        await asyncio.sleep(0)
        if self.unblocked is not None:
            await self.unblocked.wait()
        key = request.headers.get("Idempotency-Key")
        if key is not None:
            user = {"id": url.path.rpartition("/")[2], "name": credential}
            return Response(200, {}, self.results.setdefault(key, orjson.dumps(user)))
        return Response(200, {}, orjson.dumps(self._body(url.path, parse_qs(url.query), credential)))

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    def _body(self, path: str, query: dict[str, list[str]], credential: str) -> Any:
        collection, _, last = path.rpartition("/")
        if last not in {"account-users", "roles", "departments"}:
            return {"id": last, "name": credential}
        limit, start = int(query.get("limit", ["10"])[0]), int(query.get("cursor", ["0"])[0])
        names = [f"{last[0]}{number}" for number in range(_USERS)]
        rows = [
            {
                "id": name,
                "name": credential,
                "email": "one@example.com",
                "created_at": f"2026-01-01T00:00:{59 - number:02}Z",
            }
            for number, name in enumerate(names)
        ]
        end = start + limit
        url = f"https://account.test{collection}?cursor={end}" if end < _USERS else None
        return {"data": rows[start:end], "page_info": {"next_page_url": url, "has_next_page": url is not None}}


def service_over(
    transport: CredentialEcho, *, forward: bool = True, ttl: float = 30.0, provided: ProvidedCredentials | None = None
) -> UserService:
    """Return the service with all caches, with forwarded or provided credentials or with the configured one."""
    settings = StepSettings(forwarding=Forwarding(ACCOUNT, ["x-account-token"]) if forward else None)
    if provided is not None:
        settings = StepSettings(rotation=Rotation(provided))
    send = pipeline(transport, steps(settings, budget=RetryBudget()))
    source = AccountSource(send, "https://account.test", {"Authorization": CONFIGURED}, account_version("current"))
    sources = Sources([source])
    changes = IdempotentChanges(MemoryIdempotency())
    return UserService(
        sources, reference=ReferenceData(sources, lifetimes=Lifetimes(reference=ttl)), execute_once=changes
    )


def bound(principal: Principal, provided: ProvidedCredentials) -> Principal:
    """Return a principal with the key of the credential that is provided for it."""
    key = provided.key(principal)
    return principal if key is None else replace(principal, provided={ACCOUNT: key})


def provided_by(provide: Credentials) -> ProvidedCredentials:
    """Return the credentials of a provider, beside a configured token."""
    return ProvidedCredentials(ACCOUNT, provide, ConfiguredToken(is_set=True))


def caller(name: str, credential: str | None, scopes: frozenset[str] = frozenset({"users:read", "users:write"})) -> Any:
    """Return a caller with that forwarded credential, or with none."""
    return Principal(name, scopes, {ACCOUNT: {} if credential is None else {"authorization": credential}})
