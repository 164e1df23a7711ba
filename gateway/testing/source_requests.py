"""The requests to the simulated sources that change or read a user as another client of the source would."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.sandbox import ACCOUNT_ID, RESELLER_ID
from gateway.sandbox.exchange import SandboxRequest
from gateway.users.model import UserSource

__all__ = ["read_request", "removal_request", "update_request", "with_token"]

_REMOTE = "another client"  # its requests do not count for the rate limit of the gateway
_JSON = {"content-type": "application/json"}
_HEADERS = {
    UserSource.ACCOUNT: {"openmrp-version": "1.0.forge-preview.3", "openmrp-account": ACCOUNT_ID},
    UserSource.SOFTWAREONE: dict[str, str](),
    UserSource.RESELLER: dict[str, str](),
}
_USERS = {
    UserSource.ACCOUNT: "/v1/identity/account-users",
    UserSource.SOFTWAREONE: "/public/v1/accounts/users",
    UserSource.RESELLER: f"/v3/resellers/{RESELLER_ID}/users",
}


def read_request(source: UserSource, user_id: str) -> SandboxRequest:
    """Return the request for a user, by its id in the source."""
    return _request(source, "GET", f"{_USERS[source]}/{user_id}")


def update_request(source: UserSource, user_id: str, fields: Mapping[str, Any]) -> SandboxRequest:
    """Return the request that changes fields of a user, by their names in the source."""
    method = "PUT" if source is UserSource.SOFTWAREONE else "PATCH"
    return _request(source, method, f"{_USERS[source]}/{user_id}", json.dumps(fields).encode())


def removal_request(source: UserSource, user_id: str) -> SandboxRequest:
    """Return the request that removes or deletes a user."""
    path = f"{_USERS[source]}/{user_id}"
    if source is UserSource.ACCOUNT:
        return _request(source, "PUT", f"{path}/actions/remove")
    return _request(source, "DELETE", path)


def with_token(request: SandboxRequest, token: str) -> SandboxRequest:
    """Return the request with a token."""
    return replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})


def _request(source: UserSource, method: str, path: str, body: bytes = b"") -> SandboxRequest:
    return SandboxRequest(method, path, "", _HEADERS[source] | (_JSON if body else {}), body, _REMOTE)
