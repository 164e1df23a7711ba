"""`gateway check` names what is wrong: the URL, the cause and what to do, against sources on real sockets."""

import asyncio
import base64
import json
import math
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from certificates import Authority
from conftest import GATEWAY, ROOT

from gateway.app.checks import CheckRow, run_checks
from gateway.app.checks.source import clock_offset
from gateway.app.checks.token import note_expiry
from gateway.app.checks.webhooks import check_webhooks
from gateway.sandbox import (
    ACCOUNT_ID,
    ACCOUNT_TOKEN,
    RESELLER_ID,
    RESELLER_TOKEN,
    SOFTWAREONE_TOKEN,
    WEBHOOK_TOKEN,
    SandboxOptions,
    SandboxServer,
)
from gateway.settings import ResellerSettings, Settings
from gateway.users.model import UserSource

SOURCES = ("account", "softwareone", "reseller")


class Checked:
    """The rows of `gateway check --json`, by name, and its exit status."""

    def __init__(self, status: int, output: str, errors: str) -> None:
        self.status = status
        self.output = output
        self.errors = errors

    @property
    def rows(self) -> dict[str, Any]:
        return {row["name"]: row for row in json.loads(self.output)}


class Checks:
    """Runs the command against one sandbox."""

    def __init__(self, sandbox: SandboxServer, session: ClientSession) -> None:
        self._session = session
        self._control = sandbox.control_url
        self.environment = {
            "GATEWAY_ACCOUNT__BASE_URL": sandbox.account_url,
            "GATEWAY_ACCOUNT__TOKEN": ACCOUNT_TOKEN,
            "GATEWAY_ACCOUNT__ACCOUNT_ID": ACCOUNT_ID,
            "GATEWAY_SOFTWAREONE__BASE_URL": sandbox.softwareone_url,
            "GATEWAY_SOFTWAREONE__TOKEN": SOFTWAREONE_TOKEN,
            "GATEWAY_RESELLER__BASE_URL": sandbox.reseller_url,
            "GATEWAY_RESELLER__TOKEN": RESELLER_TOKEN,
            "GATEWAY_RESELLER__RESELLER_ID": RESELLER_ID,
            "GATEWAY_RESELLER__WEBHOOK_TOKEN": WEBHOOK_TOKEN,
        }

    async def run(self, *arguments: str, **environment: str | None) -> Checked:
        """Run the command; a setting that is None is not set."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        given = {name: value for name, value in (self.environment | environment).items() if value is not None}
        process = await asyncio.create_subprocess_exec(
            GATEWAY,
            "check",
            *arguments,
            env=clean | given,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), 120)
        return Checked(process.returncode or 0, output.decode(), errors.decode())

    async def fault(self, source: str, **fault: Any) -> None:
        """Let all matching requests to a source fail."""
        planned = {"source": source, "times": 100, **fault}
        async with self._session.post(f"{self._control}/faults", json=planned) as response:
            assert response.status == 204, await response.text()

    async def calls(self) -> list[dict[str, Any]]:
        async with self._session.get(f"{self._control}/calls") as response:
            return await response.json()


@pytest.fixture
async def checks() -> AsyncIterator[Checks]:
    async with SandboxServer(SandboxOptions(rate_limits=True)) as sandbox, ClientSession() as session:
        yield Checks(sandbox, session)


async def test_all_is_well(checks: Checks) -> None:
    """One row a source has its URL, its latency, the calls that are left, and what works; nothing is changed."""
    checked = await checks.run("--json")
    assert checked.status == 0, checked.output + checked.errors
    assert list(checked.rows) == list(SOURCES)
    for name, row in checked.rows.items():
        base_url = checks.environment[f"GATEWAY_{name.upper()}__BASE_URL"]
        assert row["url"].startswith(base_url)
        assert "?" not in row["url"]
        assert (row["ok"], row["code"], row["cause"], row["problems"], row["notes"]) == (True, None, None, [], [])
        assert row["latency_ms"] > 0
        assert "users" in row["works"]
        assert "changes" not in row["works"]
    assert checked.rows["account"]["calls_left"] == 19
    assert checked.rows["softwareone"]["calls_left"] is None
    assert checked.rows["reseller"]["calls_left"] == 49
    assert {"roles", "departments", "scanning stations"} <= set(checked.rows["account"]["works"])
    assert {"organizations", "webhooks"} <= set(checked.rows["reseller"]["works"])
    assert {call["method"] for call in await checks.calls()} == {"GET"}
    text = await checks.run("--changes")
    assert [line.split()[0] for line in text.output.splitlines()] == list(SOURCES)
    assert "ok: users, roles" in text.output
    assert text.output.count(", changes") == 3
    changes = [call for call in await checks.calls() if call["method"] != "GET"]
    assert [call["status"] for call in changes] == [404] * 3


async def test_changes_that_are_refused_otherwise(checks: Checks) -> None:
    """A refusal that shows nothing about the permission is neither a success nor a failure: the row has a note."""
    await checks.fault("account", kind="status", status=400, method="PATCH")
    await checks.fault("softwareone", kind="html", status=405, method="PUT")
    await checks.fault("reseller", kind="html", status=404, method="PATCH")
    checked = await checks.run("--json", "--changes")
    assert checked.status == 0
    for row in checked.rows.values():
        assert "changes" not in row["works"]
        assert [note.partition(":")[0] for note in row["notes"]] == ["changes"]


async def test_named_sources(checks: Checks) -> None:
    """Only the named sources are called, and one that is not configured is a failure that names its settings."""
    checked = await checks.run(
        "--json", "--source", "softwareone", "--source", "reseller", GATEWAY_RESELLER__TOKEN=None
    )
    assert checked.status == 1
    assert list(checked.rows) == ["softwareone", "reseller"]
    assert checked.rows["softwareone"]["ok"]
    assert checked.rows["reseller"]["code"] == "SOURCE_NOT_CONFIGURED"
    assert checked.rows["reseller"]["advice"] == "set GATEWAY_RESELLER__TOKEN"
    assert {call["source"] for call in await checks.calls()} == {"softwareone"}


INVALID, UNAVAILABLE = "SOURCE_INVALID_RESPONSE", "SOURCE_UNAVAILABLE"
PAGE = ({"kind": "html"}, "status 200 OK with an HTML page instead of JSON", INVALID)
OTHER_API = ({"kind": "other-api"}, "status 200 OK with JSON of another form", INVALID)
REDIRECT = ({"kind": "redirect", "location": "https://login.example/x"}, "a redirect to https://login.example", INVALID)
BAD_GATEWAY = ({"kind": "html", "status": 502}, "status 502 Bad Gateway with an HTML page", UNAVAILABLE)
FIREWALL = ({"kind": "html", "status": 403}, "status 403 Forbidden with an HTML page", "SOURCE_CREDENTIALS")
AHEAD = ({"kind": "clock", "delay": 90.9}, "its clock is 90 s ahead of the clock of this machine", None)
BEHIND = ({"kind": "clock", "delay": -90}, "its clock is 90 s behind the clock of this machine", None)
NEARLY_RIGHT = ({"kind": "clock", "delay": 3}, None, None)


@pytest.mark.parametrize(
    "faults",
    [
        (PAGE, OTHER_API, REDIRECT),
        (OTHER_API, BAD_GATEWAY, PAGE),
        (AHEAD, PAGE, OTHER_API),
        (NEARLY_RIGHT, BEHIND, FIREWALL),
    ],
)
async def test_sources_that_are_not_themselves(checks: Checks, faults: tuple[Any, ...]) -> None:
    """A page, another API, a redirect and a clock that is off are named, with the URL and with what to do."""
    for source, (fault, _, _) in zip(SOURCES, faults, strict=True):
        await checks.fault(source, **fault)
    quick = {f"GATEWAY_{source.upper()}__MAX_ATTEMPTS": "1" for source in SOURCES}
    began = time.monotonic()
    checked = await checks.run("--json", **quick)
    took = math.ceil(time.monotonic() - began)
    assert checked.status == 1
    for name, (_, cause, code) in zip(SOURCES, faults, strict=True):
        row = checked.rows[name]
        assert row["code"] == code
        assert row["url"].startswith(checks.environment[f"GATEWAY_{name.upper()}__BASE_URL"])
        assert row["ok"] is (cause is None)
        if cause is not None:
            assert about(row["cause"], cause, took)
            assert row["advice"] or code == UNAVAILABLE


def about(found: str, expected: str, took: int) -> bool:
    """Whether a cause contains a text, or has up to `took` seconds less in it: those of a call leave a doubt."""
    return any(expected.replace("90", str(seconds)) in found for seconds in range(89 - took, 92))


async def test_wrong_settings(checks: Checks) -> None:
    """A wrong token, version, account and reseller are each named with the setting to correct."""
    first, second, third = await asyncio.gather(
        checks.run(
            "--json",
            GATEWAY_ACCOUNT__API_VERSION="2.0",
            GATEWAY_SOFTWAREONE__TOKEN="'idt:TKN'",
            GATEWAY_RESELLER__RESELLER_ID="another",
        ),
        checks.run(
            "--json",
            GATEWAY_ACCOUNT__ACCOUNT_ID="ac_other",
            GATEWAY_SOFTWAREONE__BASE_URL=f"{checks.environment['GATEWAY_SOFTWAREONE__BASE_URL']}/public/v1",
            GATEWAY_RESELLER__BASE_URL=f"{checks.environment['GATEWAY_RESELLER__BASE_URL']}/v3",
        ),
        checks.run("--json", "--source", "account", GATEWAY_ACCOUNT__HEADER_PREFIX="OpenMPR"),
    )
    assert (first.status, second.status, third.status) == (1, 1, 1)
    assert third.rows["account"]["advice"] == "the version did not arrive: check GATEWAY_ACCOUNT__HEADER_PREFIX"
    assert "(api_version_invalid)" in first.rows["account"]["cause"]
    assert "set GATEWAY_ACCOUNT__API_VERSION to a supported version: 1.0.forge" in first.rows["account"]["advice"]
    assert "GATEWAY_SOFTWAREONE__TOKEN has quotes around it" in first.rows["softwareone"]["advice"]
    assert "TKN" not in first.output
    assert "check GATEWAY_RESELLER__RESELLER_ID" in first.rows["reseller"]["advice"]
    assert "GATEWAY_ACCOUNT__ACCOUNT_ID (it needs team:read)" in second.rows["account"]["advice"]
    assert "__BASE_URL ends with /public/v1" in second.rows["softwareone"]["advice"]
    assert "__BASE_URL ends with /v3" in second.rows["reseller"]["advice"]


async def test_swapped_sources(checks: Checks) -> None:
    """The base URL of another source is another API."""
    urls = {name: checks.environment[f"GATEWAY_{name.upper()}__BASE_URL"] for name in SOURCES}
    checked = await checks.run(
        "--json",
        GATEWAY_ACCOUNT__BASE_URL=urls["softwareone"],
        GATEWAY_SOFTWAREONE__BASE_URL=urls["reseller"],
        GATEWAY_RESELLER__BASE_URL=urls["account"],
    )
    assert checked.status == 1
    assert {row["code"] for row in checked.rows.values()} == {"SOURCE_INVALID_RESPONSE"}
    assert checked.errors == ""  # the rows have the causes; the log repeats them only where its level is set
    assert all("__BASE_URL" in row["advice"] for row in checked.rows.values())


async def test_missing_permissions(checks: Checks) -> None:
    """Each missing permission is a problem of its own, for reading, for changes and for polling."""
    await checks.fault("account", kind="status", status=403, path="roles")
    await checks.fault("account", kind="status", status=403, path="audit-events")
    await checks.fault("softwareone", kind="status", status=403, method="PUT")
    await checks.fault("reseller", kind="status", status=403, path="organizations")
    polled = {"GATEWAY_ACCOUNT__POLL_INTERVAL": "60", "GATEWAY_RESELLER__POLL_INTERVAL": "60"}
    checked = await checks.run("--json", "--changes", **polled)
    assert checked.status == 1
    assert list(checked.rows) == ["account", "account-polling", "softwareone", "reseller", "reseller-polling"]
    found = {name: [each["part"] for each in row["problems"]] for name, row in checked.rows.items()}
    assert found == {
        "account": ["roles"],
        "account-polling": ["polling"],
        "softwareone": ["changes"],
        "reseller": ["organizations"],
        "reseller-polling": [],
    }
    assert checked.rows["account"]["advice"] == "give the API key the permission roles:read"
    assert checked.rows["account"]["url"].endswith("/v1/identity/roles")
    assert checked.rows["account-polling"]["advice"] == "give the API key the permission audit_events:read"
    assert "permission" in checked.rows["softwareone"]["advice"]
    assert "reseller:organization:read" in checked.rows["reseller"]["advice"]
    await checks.fault("account", kind="status", status=403, method="PATCH")
    text = await checks.run("--changes", "--source", "account", **polled)
    lines = [line.split() for line in text.output.splitlines()]
    assert [line[0] for line in lines] == ["account", "failed:", "account-polling"]
    assert "team:update" in text.output
    assert "polling" not in text.errors  # the check polls once, and does not go on


async def test_a_part_that_is_not_there(checks: Checks) -> None:
    """A part of a source that fails otherwise, for example since the server does not have it, is only noted."""
    await checks.fault("account", kind="html", status=404, path="departments")
    checked = await checks.run("--json", "--source", "account")
    assert checked.status == 0
    [note] = checked.rows["account"]["notes"]
    assert note.startswith("departments: SOURCE_INVALID_RESPONSE: GET http")
    assert "departments" not in checked.rows["account"]["works"]


@pytest.mark.parametrize(
    ("token", "part", "text"),
    [
        (None, "notes", "webhooks are refused: GATEWAY_RESELLER__WEBHOOK_TOKEN is not set"),
        ('"pasted with quotes"', "cause", "token 1 of GATEWAY_RESELLER__WEBHOOK_TOKEN has quotes around it"),
        ("old-token new-token", "works", "webhooks"),
    ],
)
async def test_webhooks(checks: Checks, token: str | None, part: str, text: str) -> None:
    """Signed events are sent through the receiver itself: each token is accepted, and another signature is not."""
    names = {"base_url": "BASE_URL", "token": "TOKEN", "reseller_id": "RESELLER_ID"}
    given = {name: checks.environment[f"GATEWAY_RESELLER__{variable}"] for name, variable in names.items()}
    settings = ResellerSettings.model_validate(given | {"webhook_token": token})
    [row] = await run_checks(Settings(reseller=settings), [UserSource.RESELLER])
    assert text in row.to_json()[part]
    assert row.ok is (part != "cause")
    assert "pasted" not in str(row)


async def test_a_receiver_that_is_wrong() -> None:
    """The self-test fails if the receiver takes an event with another signature, or refuses one that is signed."""
    row = CheckRow("reseller")
    for status in (200, 401):

        async def respond(_scope: Any, _receive: Any, send: Any, status: int = status) -> None:
            await send({"type": "http.response.start", "status": status, "headers": []})

        await check_webhooks(row, ResellerSettings.model_validate({"webhook_token": "token-1"}), respond)
    assert [problem.cause for problem in row.problems] == [
        "an event with another signature got status 200",
        "an event signed with GATEWAY_RESELLER__WEBHOOK_TOKEN got status 401",
    ]


async def test_without_a_reseller(checks: Checks) -> None:
    """A reseller source without a reseller id is reported with the setting, and is not called."""
    checked = await checks.run("--source", "reseller", GATEWAY_RESELLER__RESELLER_ID=None)
    assert checked.status == 1
    [row] = checked.output.splitlines()
    assert row.split()[0] == "reseller"
    assert "SOURCE_NOT_CONFIGURED" in row
    assert "set GATEWAY_RESELLER__RESELLER_ID" in row
    assert await checks.calls() == []


@pytest.mark.parametrize(
    ("days", "note"), [(-3, "has expired on"), (5, "expires in 4 days, on"), (60, None), (None, None), ("soon", None)]
)
def test_a_token_that_expires(days: Any, note: str | None) -> None:
    """A token that contains when it expires, as a JWT, is noted two weeks before, and after that."""
    expires = {"exp": time.time() + days * 86_400} if isinstance(days, int) else {"exp": days} if days else {}
    payload = base64.urlsafe_b64encode(json.dumps({"sub": "a", **expires}).encode()).decode().rstrip("=")
    row = CheckRow("reseller")
    note_expiry(row, f"e30.{payload}.x", "GATEWAY_RESELLER__TOKEN")
    note_expiry(row, "idt:TKN-1:opaque", "GATEWAY_SOFTWAREONE__TOKEN")
    assert len(row.notes) == (note is not None)
    assert note is None or f"GATEWAY_RESELLER__TOKEN {note}" in row.notes[0]


async def test_forwarded_credentials(checks: Checks) -> None:
    """Without a configured token a source that is called with those of callers is checked for being there."""
    forward = {"GATEWAY_SOFTWAREONE__CREDENTIALS": "forward", "GATEWAY_SOFTWAREONE__TOKEN": None}
    checked = await checks.run("--json", "--source", "softwareone", **forward)
    assert checked.status == 0, checked.output + checked.errors
    assert checked.rows["softwareone"]["works"] == ["reachable"]


async def test_redis(checks: Checks) -> None:
    """Redis has a row with its address without the password; the sources are checked nevertheless."""
    checked = await checks.run("--json", GATEWAY_REDIS_URL="redis://user:s3cret@127.0.0.1:1/0")
    assert checked.status == 1
    assert list(checked.rows) == ["redis", *SOURCES]
    assert checked.rows["redis"]["url"] == "redis://127.0.0.1:1"
    assert not checked.rows["redis"]["ok"]
    assert checked.rows["account"]["ok"]
    assert "s3cret" not in checked.output + checked.errors


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def secure(authority: Authority) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """A function that serves an empty list of reseller users by TLS, and returns the URL."""
    async with AsyncExitStack() as stack:

        async def users(_: web.Request) -> web.Response:
            return web.json_response([])

        async def start(**certificate: Any) -> str:
            app = web.Application()
            app.router.add_get("/{path:.*}", users)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server(**certificate)).start()
            return f"https://localhost:{runner.addresses[0][1]}"

        yield start


@pytest.fixture
def trusting(authority: Authority) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(authority.file)}


async def test_certificates(checks: Checks, secure: Any, trusting: dict[str, str]) -> None:
    """A certificate that is not valid is named with the reason; one that ends within two weeks is noted."""
    causes = {
        "the certificate has expired": await secure(valid_for=timedelta(days=-3)),
        "": await secure(valid_for=timedelta(days=9, hours=1)),
    }
    for cause, url in causes.items():
        checked = await checks.run("--json", "--source", "reseller", GATEWAY_RESELLER__BASE_URL=url, **trusting)
        row = checked.rows["reseller"]
        assert row["url"].startswith(url)
        assert (row["cause"] or "") == cause
        assert row["ok"] is (cause == "")
    assert "the certificate of localhost expires in 9 days" in row["notes"][0]


@pytest.mark.parametrize(
    ("date", "before", "after", "offset"),
    [
        (None, 0.0, 0.0, None),
        ("nonsense", 0.0, 0.0, None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 100.0, 100.4, 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 100.9, 101.1, 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0, 41.0, 59.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 131.0, 132.0, -30.0),
    ],
)
def test_clock_offset(date: str | None, before: float, after: float, offset: float | None) -> None:
    """The offset is at least what the whole seconds of `Date`, and the time for the response, leave no doubt about."""
    assert clock_offset(date, before, after) == offset
