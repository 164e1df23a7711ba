"""The floor: what somebody would write by hand, on plain aiohttp, without GraphQL and for these operations only."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from aiohttp import web

from benchmarks.operations import Lookups

__all__: list[str] = []

_USERS = "/v1/identity/account-users"
_INCLUDES = "include[]=user&include[]=role&include[]=department"
_SESSION = web.AppKey("session", aiohttp.ClientSession)
_CREDENTIALS = orjson.loads(os.environ["CREDENTIALS"])
_BY_LIST = os.environ["LOOKUPS"] == Lookups.LISTS


async def user(request: web.Request) -> web.Response:
    """One user, one call."""
    asked = orjson.loads(await request.read())
    found = await _call(request, "GET", f"{_USERS}/{asked['id']}?{_INCLUDES}")
    return _answer({"user": _user(found)})


async def update(request: web.Request) -> web.Response:
    """One change, one call."""
    asked = orjson.loads(await request.read())
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
    path, body = f"{_USERS}/{asked['id']}?{_INCLUDES}", orjson.dumps(asked["input"])
    return _answer({"updateAccountUser": _user(await _call(request, "PATCH", path, headers, body))})


async def users(request: web.Request) -> web.Response:
    """A list, then what it refers to: each role and department once."""
    asked = orjson.loads(await request.read())
    path = f"{_USERS}?limit={asked['first']}&q={quote(asked['search'])}&{_INCLUDES}"
    listed = (await _call(request, "GET", path))["data"]
    roles, departments = await asyncio.gather(
        _records(request, "/v1/identity/roles", "include[]=owner&include[]=permissions", _ids(listed, "role")),
        _records(request, "/v1/operations/departments", "include[]=location", _ids(listed, "department")),
    )
    nodes = [
        {
            **_person(one),
            "role": _role(roles[one["role"]["id"]]),
            "department": _department(departments[one["department"]["id"]]),
        }
        for one in listed
    ]
    return _answer({"users": {"nodes": nodes}})


async def _records(request: web.Request, path: str, includes: str, ids: Iterable[str]) -> dict[str, Any]:
    if _BY_LIST:
        whole = await _call(request, "GET", f"{path}?limit=1000&{includes}")
        return {one["id"]: one for one in whole["data"]}
    each = await asyncio.gather(*(_call(request, "GET", f"{path}/{one}?{includes}") for one in ids))
    return {one["id"]: one for one in each}


async def _call(
    request: web.Request, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> Any:
    session = request.app[_SESSION]
    async with session.request(method, path, headers=headers, data=body, raise_for_status=True) as response:
        return orjson.loads(await response.read())


def _ids(listed: list[Any], kind: str) -> set[str]:
    return {one[kind]["id"] for one in listed}


def _person(one: Any) -> dict[str, Any]:
    profile = one["user"]
    return {
        "sourceId": one["id"],
        "name": profile["name"],
        "email": profile["email"],
        "status": one["status"].upper(),
    }


def _user(one: Any) -> dict[str, Any]:
    role, department = one["role"], one["department"]
    return {
        **_person(one),
        "role": {"sourceId": role["id"], "name": role["name"]},
        "department": {"sourceId": department["id"], "name": department["name"]},
    }


def _role(role: Any) -> dict[str, Any]:
    owner = {"type": role["owner"]["type"].upper()}
    return {"name": role["name"], "permissions": role["permissions"], "owner": owner}


def _department(department: Any) -> dict[str, Any]:
    return {"name": department["name"], "location": {"name": department["location"]["name"]}}


def _answer(data: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps({"data": data}), content_type="application/json")


async def _session(app: web.Application) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=100)
    cookies = aiohttp.DummyCookieJar()
    base = os.environ["SOURCES"]
    async with aiohttp.ClientSession(base, headers=_CREDENTIALS, connector=connector, cookie_jar=cookies) as session:
        app[_SESSION] = session
        yield


def _app() -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(_session)
    app.router.add_post("/user", user)
    app.router.add_post("/users", users)
    app.router.add_post("/users-equal", users)
    app.router.add_post("/update", update)
    return app


if __name__ == "__main__":
    web.run_app(_app(), host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=None)
