"""What the sources answer, as files: recorded from the sandbox once a run, so that the shape is the true one."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.operations import user_id
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, LANDMARKS, Sandbox, SandboxOptions

__all__ = ["CREDENTIALS", "KINDS", "Answers", "record"]

CREDENTIALS = {
    "Authorization": f"Bearer {ACCOUNT_TOKEN}",
    "OpenMRP-Version": "1.0.forge-preview.3",
    "OpenMRP-Account": ACCOUNT_ID,
}
KINDS = 15
"""So many roles and so many departments there are: a list of 50 users refers to all of them."""
_USER_INCLUDES = "include[]=user&include[]=role&include[]=department"


@dataclass(frozen=True, slots=True)
class Answers:
    """One user, and lists without their envelopes, as the account system writes them."""

    user: dict[str, Any]
    users: list[dict[str, Any]]
    roles: list[dict[str, Any]]
    departments: list[dict[str, Any]]

    def write(self, folder: Path, sizes: Iterable[int]) -> None:
        """One file an answer: lists of users by their limit, roles and departments by id and as lists."""
        for size in sizes:
            _write(folder / "users" / str(size), _listing(self.users[:size], more=size < len(self.users)))
        for name, records in (("roles", self.roles), ("departments", self.departments)):
            _write(folder / name / "all", _listing(records, more=False))
            for one in records:
                _write(folder / name / one["id"], one)


def record(most: int) -> Answers:
    """Ask the sandbox, and make `most` users, 15 roles and 15 departments out of what it says."""
    user, users, roles, departments = asyncio.run(_asked())
    roles = [_numbered(roles, n, "rl_{:012d}") for n in range(KINDS)]
    departments = [_numbered(departments, n, "dp_{:012d}") for n in range(KINDS)]
    listed = []
    for n in range(most):
        one = _numbered(users, n, "{}")
        role, department = roles[n % KINDS], departments[n * 7 % KINDS]
        bare_role = role | {"owner": None, "permissions": None}
        listed.append(one | {"id": user_id(n), "role": bare_role, "department": department | {"location": None}})
    return Answers(user, listed, roles, departments)


async def _asked() -> tuple[Any, Any, Any, Any]:
    options = SandboxOptions(users=60, rate_limits=False)
    async with Sandbox(options) as sandbox, aiohttp.ClientSession(headers=CREDENTIALS) as session:

        async def ask(path: str) -> Any:
            async with session.get(f"{sandbox.account_url}/v1{path}", raise_for_status=True) as response:
                return await response.json()

        ada = LANDMARKS["account"]["ada"]
        user = await ask(f"/identity/account-users/{ada}?{_USER_INCLUDES}")
        users = await ask(f"/identity/account-users?limit=50&{_USER_INCLUDES}")
        roles = await ask("/identity/roles?limit=50&include[]=owner&include[]=permissions")
        departments = await ask("/operations/departments?limit=50&include[]=location")
    people = [one for one in users["data"] if one["role"] and one["department"] and one["user"]["email"]]
    able = [one for one in roles["data"] if one["permissions"]]  # none is written as null, which is read in two ways
    return user, people, able, departments["data"]


def _numbered(records: list[dict[str, Any]], n: int, form: str) -> dict[str, Any]:
    """The n-th of endlessly many: the recorded ones again and again, each time with an id of its own."""
    return records[n % len(records)] | {"id": form.format(n)}


def _listing(records: list[dict[str, Any]], *, more: bool) -> dict[str, Any]:
    url = "/v1/identity/account-users?cursor=WyJuIiwxXQ.dp1mz2hV_wNjeu7wSlycFF1v&limit=50" if more else None
    info = {"next_page_url": url, "previous_page_url": None, "has_next_page": more, "has_prev_page": False}
    return {"object": "list", "page_info": info, "data": records}


def _write(file: Path, document: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps(document))
