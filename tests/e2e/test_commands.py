"""The command line as an operator meets it."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from conftest import GATEWAY, ROOT, Running, command

from gateway.settings.options import leaves


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
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


def test_the_checked_in_schema_is_the_codes() -> None:
    """`schema.graphql` is what the code serves."""
    checked = run("schema", "--check")
    assert (checked.returncode, checked.stdout) == (0, "")


def test_a_stale_schema_is_a_diff(tmp_path: Path) -> None:
    """`schema --check` exits 1 and shows what differs."""
    stale = tmp_path / "schema.graphql"
    stale.write_text((ROOT / "schema.graphql").read_text().replace("username", "userName"))
    checked = run("schema", "--check", "--out", str(stale))
    assert checked.returncode == 1
    assert "-  userName: String" in checked.stdout


def test_a_bad_setting_is_named() -> None:
    """A bad value exits 2, naming the setting, what it got and what it takes."""
    for done in (run("serve", GATEWAY_HTTP_PORT="http"), run("serve", "--http-port", "http")):
        assert done.returncode == 2
        assert "GATEWAY_HTTP_PORT" in done.stderr
        assert "'http'" in done.stderr
        assert "integer" in done.stderr


def test_a_bad_secret_is_not_shown() -> None:
    """A complaint about a source does not print its token."""
    done = run("serve", GATEWAY_ACCOUNT__TOKEN="s3cret-t0ken", GATEWAY_ACCOUNT__BASE_URL="nonsense")
    assert done.returncode == 2
    assert "GATEWAY_ACCOUNT__BASE_URL" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_config_tells_values_and_where_from(tmp_path: Path) -> None:
    """`config` shows each value in force and whether option, environment, file or default set it; no secret."""
    file = tmp_path / "gateway.toml"
    file.write_text('http_port = 9001\n[reseller]\nreseller_id = "from-file"\n')
    shown = run(
        "config",
        "--config",
        str(file),
        "--http-host",
        "::1",
        GATEWAY_ACCOUNT__TOKEN="s3cret",
        GATEWAY_LOG_LEVEL="DEBUG",
    ).stdout
    rows = {line.split()[0]: line for line in shown.splitlines()}
    assert "::1" in rows["GATEWAY_HTTP_HOST"]
    assert "option --http-host" in rows["GATEWAY_HTTP_HOST"]
    assert "9001" in rows["GATEWAY_HTTP_PORT"]
    assert str(file) in rows["GATEWAY_HTTP_PORT"]
    assert "environment" in rows["GATEWAY_LOG_LEVEL"]
    assert "default" in rows["GATEWAY_ENVIRONMENT"]
    assert "from-file" in rows["GATEWAY_RESELLER__RESELLER_ID"]
    assert "s3cret" not in shown


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A setting in both is taken from the environment."""
    file = tmp_path / "gateway.toml"
    file.write_text("http_port = 9001\n")
    shown = run("config", GATEWAY_CONFIG=str(file), GATEWAY_HTTP_PORT="9002").stdout
    assert "9002" in shown
    assert "9001" not in shown


def test_check_has_a_row_a_source() -> None:
    """`check` calls each configured system once; it exits 1 when one fails."""
    with command("sandbox", "--port", "0", last="control") as sandbox:
        found = [
            line.strip().split("=", 1) for line in sandbox.printed.splitlines() if line.strip().startswith("GATEWAY_")
        ]
        environment: dict[str, Any] = dict(found)
        good = run("check", **environment)
        bad = run("check", **environment | {"GATEWAY_SOFTWAREONE__TOKEN": "wrong"})
    assert good.returncode == 0, good.stdout
    assert [line.split()[0] for line in good.stdout.splitlines()] == ["account", "softwareone", "reseller"]
    assert "calls left" in good.stdout
    assert bad.returncode == 1
    assert "SOURCE_CREDENTIALS" in bad.stdout


def test_check_without_a_reseller() -> None:
    """`check` says what is missing where the reseller system has no reseller's id, and calls nobody."""
    given = {"GATEWAY_RESELLER__BASE_URL": "http://127.0.0.1:9", "GATEWAY_RESELLER__TOKEN": "token-1"}
    done = run("check", **given)
    assert done.returncode == 1
    [row] = done.stdout.splitlines()
    assert row.split()[0] == "reseller"
    assert "SOURCE_NOT_CONFIGURED" in row


def test_a_taken_port_is_one_line(demo: Running) -> None:
    """A port that is taken ends the command with a sentence, not with a stack."""
    port = demo.address("GraphQL").removesuffix("/graphql").rpartition(":")[2]
    done = run("serve", "--http-port", port)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "use" in done.stderr


def test_demo_is_small_and_stops_when_told() -> None:
    """`gateway demo` needs less than 150 MiB and ends by itself on SIGTERM."""
    with command("demo", "--http-port", "0", "--grpc-port", "0", last="{ user(") as running:
        status = Path(f"/proc/{running.pid}/status").read_text()
        resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    assert resident < 150 * 1024


async def test_health(world: Any) -> None:
    """The process says that it is alive and that it can serve."""
    for path in ("healthz", "readyz"):
        async with world.session.get(f"{world.url}/{path}") as answer:
            assert answer.status == 200


def test_the_tables_have_every_setting() -> None:
    """Each setting of the code is in the tables of docs/settings.md, and no other is."""
    rows = re.findall(r"^\| (`GATEWAY_.*?) \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(GATEWAY_[A-Z_<>]+)`", row)}
    known: set[str] = set()
    for leaf in leaves():
        own = leaf.variable
        shared = re.sub(r"_(ACCOUNT|SOFTWAREONE|RESELLER)__", "_<SYSTEM>__", own)
        known.add(shared if shared in told and own not in told else own)
    assert told == known
