"""Secrets in files that are replaced while the gateway runs, as Kubernetes replaces them."""

import asyncio
import base64
import hmac
import json
import logging
import os
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox import ACCOUNT_TOKEN

USERS = "{ users(first: 1, filter: {sources: [ACCOUNT]}) { nodes { name } } }"
CREATE = "mutation ($email: String!) { createAccountUser(input: {email: $email}) { id } }"


class Mounted:
    """A folder with one secret, whose files are in a folder behind a symbolic link that is replaced at once."""

    def __init__(self, folder: Path, content: str) -> None:
        self._folder = folder
        self.file = folder / "secret"
        self.file.symlink_to("..data/secret")
        self.replace(content)

    def replace(self, content: str) -> None:
        version = self._folder / f"..{uuid.uuid4().hex}"
        version.mkdir()
        (version / "secret").write_text(f"{content}\n")
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        os.replace(link, self._folder / "..data")  # noqa: PTH105 - as kubelet does, for a link


async def _eventually(is_true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await is_true():  # noqa: ASYNC110 - nothing reports that the file was read
            await asyncio.sleep(0.05)


async def test_a_token_that_cannot_be_sent(fresh: Callable[..., Any], tmp_path: Path) -> None:
    """A new token has to pass what that of the start has to: two lines, for example, cannot be a header."""
    mounted = Mounted(tmp_path, ACCOUNT_TOKEN)
    world = await fresh(account={"token": "", "token_file": str(mounted.file)})

    mounted.replace("first line\nsecond line")
    for _ in range(3):
        await world.forget()
        assert "errors" not in await world.graphql(USERS)
        await asyncio.sleep(0.3)  # in which the file is read again


async def test_calls_that_wait_while_a_token_is_replaced(fresh: Callable[..., Any], tmp_path: Path) -> None:
    """Calls that wait for the rate limit are sent with the new token, and are not refused with the old one first."""
    mounted = Mounted(tmp_path, "wrong")
    limited = {"token": "", "token_file": str(mounted.file), "rate_limit": 10, "timeout": 20}
    world = await fresh(account=limited, request_timeout=30)

    async def read(number: int) -> list[str]:
        result = await world.graphql(f'{{ user(id: "acus_{number}", source: ACCOUNT) {{ name }} }}')
        return [error["extensions"]["code"] for error in result.get("errors", ())]

    reading = [asyncio.create_task(read(number)) for number in range(40)]
    while len(await world.calls("account")) < 10:  # noqa: ASYNC110 - nothing reports that the others wait
        await asyncio.sleep(0.05)
    mounted.replace(ACCOUNT_TOKEN)
    codes = await asyncio.gather(*reading)
    statuses = [call["status"] for call in await world.calls("account")]
    assert statuses.count(404) == codes.count([]) > 0  # there are no such users
    assert statuses.count(401) < len(reading)


@pytest.mark.parametrize(
    ("operation", "method", "done"), [(USERS, "GET", 200), (CREATE, "POST", 201)], ids=["a read", "a change"]
)
async def test_the_token_of_a_source(
    fresh: Callable[..., Any], tmp_path: Path, operation: str, method: str, done: int
) -> None:
    """The first call after a token was replaced has the new one, also a change, which is executed once."""
    mounted = Mounted(tmp_path, "wrong")
    world = await fresh(account={"token": "", "token_file": str(mounted.file)})

    async def codes(query: str) -> list[str]:
        result = await world.graphql(query, {"email": f"{uuid.uuid4().hex}@example.com"})
        return [error["extensions"]["code"] for error in result.get("errors", ())]

    async def is_refused() -> bool:
        return await codes(USERS) == ["SOURCE_CREDENTIALS"]

    async def statuses() -> list[int]:
        """Replace a wrong token, and return the results of the calls of the next operation, which must succeed."""
        mounted.replace("wrong")
        await _eventually(is_refused)
        await world.forget()
        mounted.replace(ACCOUNT_TOKEN)
        assert await codes(operation) == []
        return [call["status"] for call in await world.calls("account") if call["method"] == method]

    assert await is_refused()
    async with asyncio.timeout(60):
        # Four times a second the file is read anyway, on a slow machine also just before the call.
        while (sent := await statuses()) == [done]:
            pass
    assert sent == [401, done]
    await world.forget()
    assert await codes(operation) == []
    assert [call["status"] for call in await world.calls("account") if call["method"] == method] == [done]


async def test_the_tokens_of_webhooks(fresh: Callable[..., Any], tmp_path: Path) -> None:
    """Webhooks are checked with the tokens that the file has now."""
    mounted = Mounted(tmp_path, "old-token")
    world = await fresh(reseller={"webhook_token_file": str(mounted.file)})
    body = json.dumps({"eventType": "reseller.other", "data": {}}).encode()

    async def status(token: str) -> int:
        signature = base64.b64encode(hmac.digest(token.encode(), body, "sha256")).decode()
        headers = {"Webhook-Signature": signature, "Content-Type": "application/json"}
        async with world.session.post(f"{world.url}/webhooks/reseller", data=body, headers=headers) as response:
            return int(response.status)

    async def is_replaced() -> bool:
        return await status("new-token") != 401

    assert (await status("new-token"), await status("old-token") == 401) == (401, False)
    mounted.replace("new-token")
    await _eventually(is_replaced)
    assert await status("old-token") == 401


async def test_a_secret_that_needs_a_restart(
    fresh: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A change of a secret that is read once is logged as a warning, one of a token as information, without values."""
    caplog.set_level(logging.INFO, "gateway.settings")
    folders = {name: tmp_path / name for name in ("cursor", "token")}
    for folder in folders.values():
        folder.mkdir()
    cursor, token = Mounted(folders["cursor"], "s3cret-one"), Mounted(folders["token"], ACCOUNT_TOKEN)
    await fresh(
        cursor_secret_file=str(cursor.file),
        account={"token": "", "token_file": str(token.file)},
    )
    cursor.replace("s3cret-two")
    token.replace("s3cret-three")

    async def is_logged() -> bool:
        return len(caplog.records) >= 2

    await _eventually(is_logged)
    assert {record.levelname: record.getMessage() for record in caplog.records} == {
        "WARNING": "GATEWAY_CURSOR_SECRET_FILE has changed, and the secret of the start stays in effect: "
        "restart the gateway",
        "INFO": "GATEWAY_ACCOUNT__TOKEN_FILE has changed: the new secret is in effect",
    }
