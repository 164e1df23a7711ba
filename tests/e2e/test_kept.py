"""What operators see of the records that are kept: in metrics, the status, the access log and at the start."""

import asyncio
import json
import logging
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import GATEWAY, ROOT
from e2e.conftest import World
from security.outside import wait_until
from telemetry.scrape import scrape

from gateway import Gateway, Settings
from gateway.sandbox import LANDMARKS, RESELLER_ID, RESELLER_TOKEN
from gateway.settings import AccountSettings, ResellerSettings
from gateway.settings.keeping import keep_notes
from gateway.users.kept.lifetimes import UNPROVEN_LIFETIME

ADA, ADA_RESELLER = LANDMARKS["account"]["ada"], LANDMARKS["reseller"]["ada"]
ACCOUNT = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ name }} }}'
RESELLER = f'{{ user(id: "{ADA_RESELLER}", source: RESELLER) {{ name company }} }}'
MARKETPLACE = '{ user(id: "USR-0000-0001", source: SOFTWAREONE) { name } }'


async def kept(world: World, source: str) -> tuple[Any, Any]:
    """Return what `/status` has of all that is kept, and of one source."""
    async with world.session.get(f"{world.url}/status") as response:
        found = (await response.json())["kept"]
    [of_source] = [each for each in found["sources"] if each["source"] == source]
    return found, of_source


async def reported(world: World, source: str) -> None:
    """Wait until the changes of a source are reported."""

    async def is_reported() -> bool:
        return (await kept(world, source))[1]["reported"]

    await wait_until(is_reported)


async def change_elsewhere(world: World, company: str) -> None:
    """Change a user of the reseller source, which the gateway is not told of."""
    api = world.control.replace("/_sandbox", f"/reseller/v3/resellers/{RESELLER_ID}/users/{ADA_RESELLER}")
    headers = {"Authorization": f"Bearer {RESELLER_TOKEN}"}
    async with world.session.patch(api, json={"company": company}, headers=headers) as response:
        assert response.status == 200, await response.text()


async def test_hits(fresh: Callable[..., Any]) -> None:
    """A user that is read twice is one call, and counts as a miss and a hit, in the metrics and in the status."""
    world = await fresh(keep_mode="on", reference_ttl=0, account={"poll_interval": 60})
    await reported(world, "account")
    for _ in range(4):
        await world.data(ACCOUNT)
    in_all, account = await kept(world, "account")
    assert (in_all["mode"], in_all["records"], in_all["evicted"]) == ("on", 1, 0)
    assert 0 < in_all["bytes"] < 10_000 < in_all["max_bytes"] == 128 * 1024 * 1024
    assert (account["results"]["hit"], account["results"]["miss"], account["hit_ratio"]) == (3, 1, 0.75)
    assert account["keep_seconds"] == 600
    assert 60 < account["reported_seconds"] <= 120
    assert account["shadow"] is None
    reseller = (await kept(world, "reseller"))[1]
    assert (reseller["reported"], reseller["reported_seconds"], reseller["hit_ratio"]) == (False, 0, None)
    got = await scrape(world.session, world.url)
    assert got.total("gateway_kept_total", source="account", result="hit") == 3
    assert got.total("gateway_kept_total", source="account", result="miss") == 1
    assert got.total("gateway_kept_records") == 1
    assert got.total("gateway_kept_size_bytes") == in_all["bytes"]
    assert got.total("gateway_kept_limit_bytes") == in_all["max_bytes"]
    assert got.total("gateway_changes_reported", source="account") == 1
    assert got.total("gateway_changes_reported", source="reseller") == 0


async def test_what_is_given_past_its_lifetime(fresh: Callable[..., Any]) -> None:
    """A user that is shown because its source fails counts as stale, and its age is measured."""
    world = await fresh(keep_mode="on", max_attempts=1, softwareone={"keep": 0.05})
    before = await world.data(MARKETPLACE)
    await asyncio.sleep(0.06)
    await world.fault(source="softwareone", kind="status", status=503, times=50)
    assert await world.data(MARKETPLACE) == before
    results = (await kept(world, "softwareone"))[1]["results"]
    assert (results["miss"], results["stale"]) == (1, 1)  # a read counts once, although it called the source in vain
    got = await scrape(world.session, world.url)
    labels = {"source": "softwareone", "reason": "source-unavailable"}
    assert got.total("gateway_kept_total", source="softwareone", result="stale") == 1
    assert got.total("gateway_kept_stale_age_seconds_count", **labels) == 1
    assert got.total("gateway_kept_stale_age_seconds_sum", **labels) > 0.05


async def test_shadow_mode(fresh: Callable[..., Any]) -> None:
    """Nobody gets what is kept, and one sees how many reads would have got what, and how long it was out of date."""
    # Users are kept for longer than a test lasts where changes are reported, here none within an hour.
    world = await fresh(keep_mode="shadow", reseller={"poll_interval": 3600})
    await reported(world, "reseller")
    await world.forget()
    got = await scrape(world.session, world.url)
    assert {each["result"] for each in got.labels("gateway_kept_shadow_total")} == {"same", "different", "older"}
    began = time.monotonic()
    await world.data(RESELLER)
    await world.data(RESELLER)
    await change_elsewhere(world, "Engines")
    assert (await world.data(RESELLER))["user"]["company"] == "Engines"
    assert len(await world.calls("reseller")) == 4  # one of them is the change
    in_all, reseller = await kept(world, "reseller")
    assert in_all["mode"] == "shadow"
    shadow = reseller["shadow"]
    assert (shadow["same"], shadow["different"], shadow["older"]) == (1, 0, 1)
    assert shadow["longest_seconds"] <= round(time.monotonic() - began, 1)
    assert reseller["hit_ratio"] == pytest.approx(2 / 3, abs=0.001)
    got = await scrape(world.session, world.url)
    assert got.total("gateway_kept_shadow_total", result="older") == 1
    assert got.total("gateway_kept_shadow_total", result="same", source="reseller") == 1
    assert got.total("gateway_kept_shadow_outdated_seconds_count", result="older") == 1
    assert 0 < got.total("gateway_kept_shadow_outdated_seconds_sum", result="older") < time.monotonic() - began
    assert got.total("gateway_kept_shadow_outdated_seconds_count", result="same") == 0
    text = (await asyncio.to_thread(run, "status", "--url", world.url)).stdout
    assert "users are kept and only compared; 1 record" in text
    assert "same 1, different 0, older 1, at most" in text
    async with world.session.get(f"{world.url}/status", headers={"Accept": "text/html"}) as response:
        assert "users are kept and only compared" in await response.text()


async def test_without_keeping(fresh: Callable[..., Any]) -> None:
    """By default users are not kept, which the status says, and roles are."""
    world = await fresh()
    query = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ role {{ owner {{ type }} }} }} }}'
    for _ in range(2):
        await world.data(query)
    in_all, account = await kept(world, "account")
    assert in_all["mode"] == "off"
    assert account["results"]["hit"] == account["results"]["miss"] == 1
    assert "users are not kept; 1 record" in (await asyncio.to_thread(run, "status", "--url", world.url)).stdout


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the gateway, without settings of this process."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return subprocess.run(
        [GATEWAY, *arguments],
        env=clean | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


ADVICE = "its users are kept for 5 s at most instead of 600 s, because nothing proves that its changes are reported"
SHORT = {
    "GATEWAY_KEEP_MODE": "on",
    "GATEWAY_ACCOUNT__BASE_URL": "http://127.0.0.1:1",
    "GATEWAY_ACCOUNT__TOKEN": "x",
}


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({}, ADVICE),
        ({"poll_interval": 15}, ""),
        ({"keep": 5}, ""),
        ({"keep": 0}, "its users are not kept, because GATEWAY_ACCOUNT__KEEP is 0"),
        ({"credentials": "forward"}, "because it is called with the credentials of callers"),
    ],
)
def test_why_users_are_kept_shortly(given: dict[str, Any], note: str) -> None:
    """Where users are kept for less than is set, the reason is known; in shadow mode too, and not if off."""
    account = AccountSettings(base_url="http://127.0.0.1:1", token="x", **given)
    for mode in ("on", "shadow"):
        notes = keep_notes(Settings(keep_mode=mode, account=account), UNPROVEN_LIFETIME)
        assert list(notes) == (["account"] if note else [])
        assert all(note in each for each in notes.values())
    assert keep_notes(Settings(account=account), UNPROVEN_LIFETIME) == {}


def test_the_settings_state_it() -> None:
    """`gateway config` has it on standard error, beside the settings."""
    completed = run("config", **SHORT)
    assert completed.stderr == f"note: account: {ADVICE}: set GATEWAY_ACCOUNT__POLL_INTERVAL\n"
    assert "GATEWAY_KEEP_MODE" in completed.stdout


def test_the_check_states_it() -> None:
    """`gateway check` has the same as a note, which does not make the row fail."""
    completed = run("check", "--json", "--source", "account", **SHORT)
    [row] = json.loads(completed.stdout)
    assert any(ADVICE in note for note in row["notes"])


async def test_the_log_states_it(caplog: pytest.LogCaptureFixture) -> None:
    """The log states it when the gateway starts, for each source that is configured."""
    account = AccountSettings(base_url="http://127.0.0.1:1", token="x", poll_interval=3600)
    reseller = ResellerSettings(base_url="http://127.0.0.1:1", token="x")
    with caplog.at_level(logging.INFO, logger="gateway"):
        async with Gateway(Settings(keep_mode="on", account=account, reseller=reseller)):
            pass
    noted = [record.getMessage() for record in caplog.records if "are kept" in record.getMessage()]
    assert noted == [f"reseller: {ADVICE}: set GATEWAY_RESELLER__POLL_INTERVAL"]
