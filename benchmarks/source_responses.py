"""The responses of the sources as files, recorded from the sandbox in each run, so that their shape is correct."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.operations import user_id
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, LANDMARKS, SandboxOptions, SandboxServer

__all__ = ["CREDENTIALS", "REFERENCE_COUNT", "SourceResponses", "list_envelope", "record"]

CREDENTIALS = {
    "Authorization": f"Bearer {ACCOUNT_TOKEN}",
    "OpenMRP-Version": "1.0.forge-preview.3",
    "OpenMRP-Account": ACCOUNT_ID,
}
REFERENCE_COUNT = 15
"""The number of roles and the number of departments; a list of 50 users refers to all of them."""
_USER_INCLUDES = "include[]=user&include[]=role&include[]=department"


@dataclass(frozen=True, slots=True)
class SourceResponses:
    """One user, and lists without their envelopes, in the JSON of the account source."""

    user: dict[str, Any]
    users: list[dict[str, Any]]
    roles: list[dict[str, Any]]
    departments: list[dict[str, Any]]

    def write(self, folder: Path, sizes: Iterable[int]) -> None:
        """Write one file for each response: lists of users by limit, roles and departments by id and as lists."""
        for size in sizes:
            _write(folder / "users" / str(size), list_envelope(self.users[:size], has_more=size < len(self.users)))
        for name, records in (("roles", self.roles), ("departments", self.departments)):
            _write(folder / name / "all", list_envelope(records, has_more=False))
            for item in records:
                _write(folder / name / item["id"], item)


def record(count: int) -> SourceResponses:
    """Request records from the sandbox, and make `count` users, 15 roles and 15 departments of them."""
    user, users, roles, departments = asyncio.run(_record_from_sandbox())
    roles = [_with_id(roles, n, "rl_{:012d}") for n in range(REFERENCE_COUNT)]
    departments = [_with_id(departments, n, "dp_{:012d}") for n in range(REFERENCE_COUNT)]
    listed_users = []
    for n in range(count):
        listed_user = _with_id(users, n, "{}")
        role, department = roles[n % REFERENCE_COUNT], departments[n * 7 % REFERENCE_COUNT]
        bare_role = role | {"owner": None, "permissions": None}
        listed_users.append(
            listed_user | {"id": user_id(n), "role": bare_role, "department": department | {"location": None}}
        )
    return SourceResponses(user, listed_users, roles, departments)


async def _record_from_sandbox() -> tuple[Any, Any, Any, Any]:
    options = SandboxOptions(users=60, rate_limits=False)
    async with SandboxServer(options) as sandbox, aiohttp.ClientSession(headers=CREDENTIALS) as session:

        async def get(path: str) -> Any:
            async with session.get(f"{sandbox.account_url}/v1{path}", raise_for_status=True) as response:
                return await response.json()

        ada = LANDMARKS["account"]["ada"]
        user = await get(f"/identity/account-users/{ada}?{_USER_INCLUDES}")
        users = await get(f"/identity/account-users?limit=50&{_USER_INCLUDES}")
        roles = await get("/identity/roles?limit=50&include[]=owner&include[]=permissions")
        departments = await get("/operations/departments?limit=50&include[]=location")
    people = [user for user in users["data"] if user["role"] and user["department"] and user["user"]["email"]]
    # No permissions are sent as null, which the servers interpret in two ways.
    roles_with_permissions = [role for role in roles["data"] if role["permissions"]]
    return user, people, roles_with_permissions, departments["data"]


def _with_id(records: list[dict[str, Any]], n: int, id_format: str) -> dict[str, Any]:
    """Return the n-th record of an endless repetition of the recorded ones, with a new id."""
    return records[n % len(records)] | {"id": id_format.format(n)}


def list_envelope(records: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    url = "/v1/identity/account-users?cursor=WyJuIiwxXQ.dp1mz2hV_wNjeu7wSlycFF1v&limit=50" if has_more else None
    info = {"next_page_url": url, "previous_page_url": None, "has_next_page": has_more, "has_prev_page": False}
    return {"object": "list", "page_info": info, "data": records}


def _write(file: Path, body: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps(body))
