"""The requests to the simulated sources that change or read a user as another client of the source would."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from gateway.sandbox import ACCOUNT_ID, RESELLER_ID
from gateway.sandbox.exchange import SandboxRequest
from gateway.users.model import UserSource

__all__ = ["API_VERSIONS", "Dialect", "read_request", "removal_request", "update_request", "with_token"]

Dialect = Literal["current", "april"]

API_VERSIONS: Mapping[Dialect, str] = {
    "current": "1.0.forge-preview.3",
    "april": "1.0.forge-preview.1",  # the only one that a server of April 2026 accepts
}
"""The version of the account API that each generation of its server is asked for."""

_REMOTE = "another client"  # its requests do not count for the rate limit of the gateway
_JSON = {"content-type": "application/json"}
_USERS = {
    UserSource.ACCOUNT: "/v1/identity/account-users",
    UserSource.SOFTWAREONE: "/public/v1/accounts/users",
    UserSource.RESELLER: f"/v3/resellers/{RESELLER_ID}/users",
}


def read_request(source: UserSource, user_id: str, dialect: Dialect) -> SandboxRequest:
    """Return the request for a user, by its id in the source."""
    return _request(source, dialect, "GET", f"{_USERS[source]}/{user_id}")


def update_request(source: UserSource, user_id: str, fields: Mapping[str, Any], dialect: Dialect) -> SandboxRequest:
    """Return the request that changes fields of a user, by their names in the source."""
    method = "PUT" if source is UserSource.SOFTWAREONE else "PATCH"
    return _request(source, dialect, method, f"{_USERS[source]}/{user_id}", json.dumps(fields).encode())


def removal_request(source: UserSource, user_id: str, dialect: Dialect) -> SandboxRequest:
    """Return the request that removes or deletes a user."""
    path = f"{_USERS[source]}/{user_id}"
    if source is not UserSource.ACCOUNT:
        return _request(source, dialect, "DELETE", path)
    if dialect == "april":
        return _request(source, dialect, "PUT", f"{path}/status", b'{"status": "removed"}')
    return _request(source, dialect, "PUT", f"{path}/actions/remove")


def with_token(request: SandboxRequest, token: str) -> SandboxRequest:
    """Return the request with a token."""
    return replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})


def _request(source: UserSource, dialect: Dialect, method: str, path: str, body: bytes = b"") -> SandboxRequest:
    headers = dict(_JSON) if body else {}
    if source is UserSource.ACCOUNT:
        headers |= {"openmrp-version": API_VERSIONS[dialect], "openmrp-account": ACCOUNT_ID}
    return SandboxRequest(method, path, "", headers, body, _REMOTE)
