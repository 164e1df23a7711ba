"""Which calls of a configured source share a rate limit."""

from typing import Any

import pytest
from sources.raw import KeepOpen

from gateway import Gateway, Settings
from gateway.errors import RateLimited
from gateway.operation import acting_as
from gateway.principal import Action, Principal
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource

MISSING = {
    "account": b'{"error":{"code":"resource_not_found","message":"Missing."}}',
    "softwareone": b'{"title":"Not Found","status":404}',
    "reseller": b'{"message":"Missing."}',
}


@pytest.mark.parametrize(
    ("source", "shared"),
    [(UserSource.ACCOUNT, True), (UserSource.RESELLER, True), (UserSource.SOFTWAREONE, False)],
)
async def test_forwarded_credentials(raw: Any, source: UserSource, *, shared: bool) -> None:
    """The calls of two callers with their credentials share a limit by client address, and no other one."""
    body = MISSING[source]
    server = await raw(KeepOpen(f"HTTP/1.1 404 X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body))
    configured = {"base_url": server.url, "credentials": "forward", "rate_limit": 0.001, "timeout": 100}
    async with Gateway(Settings.model_validate({source.value: configured})) as gateway:
        results = []
        for name in ("one", "other"):
            caller = Principal(name, frozenset(Action), {source: {"authorization": f"Bearer {name}"}})
            tenant = "t1" if source is UserSource.RESELLER else ""
            with acting_as(caller):
                try:
                    ref = Ref(Kind.USER, source, name, tenant)
                    results.append(await gateway._entered.sources.sources.named(source).fetch_user(ref, frozenset()))
                except RateLimited as error:
                    results.append(error)
    assert [type(result) for result in results] == [type(None), RateLimited if shared else type(None)]
