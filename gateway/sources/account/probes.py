"""The probes of the account source. docs/upstreams/account.md, "Authentication", has the permissions."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway.sources.account.listing import AccountListing
from gateway.sources.account.wire import AccountWireUser
from gateway.sources.http.api import Api
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import JsonDecoder, decode_response, invalid_response
from gateway.sources.http.probing import ChangesSince, change_probe, polling_probe, users_probe
from gateway.users.ids import Kind
from gateway.users.model import User
from gateway.users.probe import Probe, ProbeResponse
from gateway.users.source import Directory

__all__ = ["account_probes"]

_USER_LIST = JsonDecoder(AccountListing[AccountWireUser])
_USERS_PATH = "/v1/identity/account-users"
_EVENTS_PATH = "/v1/core/audit-events"
_NOBODY = "gateway-check"  # ids have no hyphens (docs/upstreams/account.md, "Authentication")
_DIRECTORIES = {
    Kind.ROLE: ("roles", "roles:read"),
    Kind.DEPARTMENT: ("departments", "departments:read"),
    Kind.LOCATION: ("locations", "locations:read"),
    Kind.SCANNING_STATION: ("scanning stations", "scanners:read"),
    Kind.MACHINE: ("machines", "machines:read"),
    Kind.PRODUCTION_STEP: ("production steps", "production_steps:read"),
}


def account_probes(
    api: Api, directories: Mapping[Kind, Directory[Any]], changes_since: ChangesSince
) -> tuple[Probe, ...]:
    """Return the probes of users, of each kind of reference data that has a list, of changes, and of polling."""
    nobody = {"id": _NOBODY}
    return (
        users_probe(api, "team:read", _USERS_PATH, [("limit", "1")], _read),
        *(_directory_probe(api, directories[kind], *names) for kind, names in _DIRECTORIES.items()),
        change_probe(api, "team:update", "PATCH", f"{_USERS_PATH}/{{id}}", nobody, b"{}"),
        polling_probe(api, "audit_events:read", _EVENTS_PATH, changes_since),
    )


def _directory_probe(api: Api, directory: Directory[Any], part: str, permission: str) -> Probe:
    async def call() -> ProbeResponse:
        await directory.page("", frozenset(), None, limit=1)
        return ProbeResponse()

    return Probe(part, permission, api.url(directory.template.removesuffix("/{id}")), call)


def _read(request: Request, response: Response) -> Sequence[User]:
    listing = decode_response(_USER_LIST, request, response)
    if listing.data is None:
        raise invalid_response(request, response, ValueError("no list in `data`"))
    if "$meta" in orjson.loads(response.body):
        raise invalid_response(request, response, ValueError("a list of SoftwareOne's API"))
    return [user.record() for user in listing.data]
