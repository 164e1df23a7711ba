"""The floor: a handler written by hand on aiohttp, without GraphQL and for these operations only."""

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
    """Return one user, with one call."""
    variables = orjson.loads(await request.read())
    source_user = await _call(request, "GET", f"{_USERS}/{variables['id']}?{_INCLUDES}")
    return _response({"user": _user(source_user)})


async def update(request: web.Request) -> web.Response:
    """Change one user, with one call."""
    variables = orjson.loads(await request.read())
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
    path, body = f"{_USERS}/{variables['id']}?{_INCLUDES}", orjson.dumps(variables["input"])
    return _response({"updateAccountUser": _user(await _call(request, "PATCH", path, headers, body))})


async def users(request: web.Request) -> web.Response:
    """Return a list of users, and look up each role and department once."""
    variables = orjson.loads(await request.read())
    path = f"{_USERS}?limit={variables['first']}&q={quote(variables['search'])}&{_INCLUDES}"
    source_users = (await _call(request, "GET", path))["data"]
    roles, departments = await asyncio.gather(
        _records(request, "/v1/identity/roles", "include[]=owner&include[]=permissions", _ids(source_users, "role")),
        _records(request, "/v1/operations/departments", "include[]=location", _ids(source_users, "department")),
    )
    nodes = [
        {
            **_person(user_record),
            "role": _role(roles[user_record["role"]["id"]]),
            "department": _department(departments[user_record["department"]["id"]]),
        }
        for user_record in source_users
    ]
    return _response({"users": {"nodes": nodes}})


async def _records(request: web.Request, path: str, includes: str, ids: Iterable[str]) -> dict[str, Any]:
    if _BY_LIST:
        listing = await _call(request, "GET", f"{path}?limit=1000&{includes}")
        return {record["id"]: record for record in listing["data"]}
    records = await asyncio.gather(*(_call(request, "GET", f"{path}/{record_id}?{includes}") for record_id in ids))
    return {record["id"]: record for record in records}


async def _call(
    request: web.Request, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> Any:
    session = request.app[_SESSION]
    async with session.request(method, path, headers=headers, data=body, raise_for_status=True) as response:
        return orjson.loads(await response.read())


def _ids(source_users: list[Any], kind: str) -> set[str]:
    return {user_record[kind]["id"] for user_record in source_users}


def _person(user_record: Any) -> dict[str, Any]:
    profile = user_record["user"]
    return {
        "sourceId": user_record["id"],
        "name": profile["name"],
        "email": profile["email"],
        "status": user_record["status"].upper(),
    }


def _user(user_record: Any) -> dict[str, Any]:
    role, department = user_record["role"], user_record["department"]
    return {
        **_person(user_record),
        "role": {"sourceId": role["id"], "name": role["name"]},
        "department": {"sourceId": department["id"], "name": department["name"]},
    }


def _role(role: Any) -> dict[str, Any]:
    owner = {"type": role["owner"]["type"].upper()}
    return {"name": role["name"], "permissions": role["permissions"], "owner": owner}


def _department(department: Any) -> dict[str, Any]:
    return {"name": department["name"], "location": {"name": department["location"]["name"]}}


def _response(data: dict[str, Any]) -> web.Response:
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
