"""The account source against today's server and that of April 2026, over real sockets."""

from contextlib import AsyncExitStack
from typing import Any, Literal

import pytest

from gateway.app.sources import build
from gateway.sandbox import ACCOUNT_ID, ACCOUNT_TOKEN, SandboxOptions, SandboxServer
from gateway.settings import AccountSettings, Settings
from gateway.users.changes import UpdateAccountUser
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource, UserStatus
from gateway.users.source import UserQuery

ALL = frozenset({"profile", "role", "department"})
ADA = Ref(Kind.USER, UserSource.ACCOUNT, "acus_adalovelace1")


@pytest.mark.parametrize(
    ("dialect", "version"),
    [("april", "preview.1"), ("current", "preview.1"), ("current", "preview.3"), ("current", "preview.8")],
)
async def test_users(transport: Any, dialect: Literal["april", "current"], version: str) -> None:
    """Users are read, listed and changed with their profiles, roles and departments, whatever server and version."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(SandboxServer(SandboxOptions(rate_limits=False, dialect=dialect)))
        settings = AccountSettings.model_validate(
            {
                "base_url": sandbox.account_url,
                "token": ACCOUNT_TOKEN,
                "account_id": ACCOUNT_ID,
                "api_version": f"1.0.forge-{version}",
            }
        )
        source: Any = build(UserSource.ACCOUNT, Settings(account=settings), transport().send)
        changed = await source.update_user(ADA, UpdateAccountUser(role_id="rl_planner00000"), "key")
        assert (changed.name, changed.role.name, changed.department.name) == (
            "Ada Lovelace",
            "Production Planner",
            "Assembly",
        )
        assert (await source.fetch_user(ADA, ALL)).email == "ada.lovelace@example.com"
        listed = {user.source_id: user for user in (await _everyone(source)).items}
        assert listed[ADA.source_id].role.name == "Production Planner"
        assert listed["acus_removeduser1"].status is UserStatus.REMOVED
        position = (await source.changes_since(None)).position
        await source.update_user(ADA, UpdateAccountUser(name="Augusta"), "another key")
        found = await source.changes_since(position)
        assert [user.name for _, user in found.changes] == ["Augusta"]


async def _everyone(source: Any) -> Any:
    return await source.page_users(UserQuery(include_removed=True), None, 1000, ALL)
