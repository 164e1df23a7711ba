"""A gateway that has just started, and many readers of different users at the same time, over real sockets."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector

from gateway import Gateway
from gateway.testing import AccountUser, Sandbox

READERS = 500
PERMITTED = 20  # calls in a second


@pytest.mark.parametrize("server", ["aiohttp", "lean"])
async def test_many_users_at_once(server: Any) -> None:
    """Each of 500 readers gets its user, with few calls to a source that permits 20 in a second."""
    sandbox = Sandbox(users=6, rate_limits=True)
    async with sandbox:
        names = [f"Reader {number}" for number in range(READERS)]
        user_ids = [sandbox.seed(AccountUser(name=name)) for name in names]
        settings = sandbox.settings(keep_mode="on", http_server=server)
        async with Gateway(settings) as gateway, ClientSession(connector=TCPConnector(limit=0)) as session:
            serving = await gateway.serve_http(grace=0)
            host, port = serving.address
            query = "query ($id: ID!) { user(id: $id) { name } }"

            async def read(user_id: str) -> Any:
                body = {"query": query, "variables": {"id": user_id}}
                async with session.post(f"http://{host}:{port}/graphql", json=body) as response:
                    return await response.json()

            try:
                answers = await asyncio.gather(*map(read, user_ids))
            finally:
                await serving.stop()
        assert answers == [{"data": {"user": {"name": name}}} for name in names]
        assert len(list(sandbox.calls)) <= PERMITTED
