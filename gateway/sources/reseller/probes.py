"""The probes of the reseller source. docs/upstreams/reseller.md, "Authentication", has the scopes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from gateway.errors import BadUserInput, FailedCall, NotFound, Origin, SourceNotConfigured
from gateway.sources.http.api import Api
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import JsonDecoder, decode_response
from gateway.sources.http.probing import change_probe, polling_probe, users_probe
from gateway.sources.reseller.wire import ResellerWireUser
from gateway.users.model import User, UserSource
from gateway.users.probe import Probe, ProbeResponse
from gateway.users.source import Directory, UserQuery, Window

__all__ = ["no_reseller", "reseller_probes"]

_USER_LIST = JsonDecoder(list[ResellerWireUser])
_USERS_PATH = "/v3/resellers/{reseller}/users"
_ORGANIZATIONS_PATH = "/v3/resellers/{reseller}/organizations"
_RESELLER_ID = "GATEWAY_RESELLER__RESELLER_ID"
_PAGE = 100
_NOBODY = "00000000-0000-0000-0000-000000000000"


def no_reseller() -> SourceNotConfigured:
    """Return the error of a call for which no reseller is known: every path of this API contains one."""
    return SourceNotConfigured(
        "No reseller was specified, and none is configured.", origin=Origin(source=UserSource.RESELLER)
    )


_PageUsers = Callable[[UserQuery, str | None, int, frozenset[str]], Awaitable[Window]]


def reseller_probes(api: Api, tenant: str, organizations: Directory[Any], page_users: _PageUsers) -> tuple[Probe, ...]:
    """Return the probes of users, organizations, changes and polling, for the configured reseller `tenant`.

    Polling reads all users: its probe reads only the first page.
    """
    path_params = {"reseller": tenant}

    def read(request: Request, response: Response) -> Sequence[User]:
        return [row.record(tenant) for row in decode_response(_USER_LIST, request, response)]

    async def list_users() -> ProbeResponse:
        if not tenant:
            error = no_reseller()
            error.failed_call = FailedCall("GET", users.url, "not sent: it needs a reseller", f"set {_RESELLER_ID}")
            raise error
        try:
            return await users.call()
        except (BadUserInput, NotFound) as error:
            if error.failed_call is not None and not error.failed_call.advice:
                error.failed_call = replace(error.failed_call, advice=f"check {_RESELLER_ID}")
            raise

    async def list_organizations() -> ProbeResponse:
        await organizations.page(tenant, frozenset(), None, limit=1)
        return ProbeResponse()

    async def read_first_page(_: str | None) -> None:
        await page_users(UserQuery(), None, _PAGE, frozenset())

    one = [("page", "1"), ("limit", "1")]
    users = users_probe(api, "reseller:user:read", _USERS_PATH, one, read, path_params)
    nobody = {**path_params, "id": _NOBODY}
    return (
        replace(users, call=list_users),
        Probe(
            "organizations",
            "reseller:organization:read",
            api.url(_ORGANIZATIONS_PATH, path_params),
            list_organizations,
        ),
        change_probe(api, "reseller:user:update", "PATCH", f"{_USERS_PATH}/{{id}}", nobody, b"{}"),
        polling_probe(api, "reseller:user:read", _USERS_PATH, read_first_page, path_params),
    )
