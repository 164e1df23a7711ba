"""The commands of the command line."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from conftest import GATEWAY, ROOT, Running, command
from graphql import build_client_schema

from gateway import Settings
from gateway.settings.names import leaves


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


def test_the_committed_schema() -> None:
    """`schema.graphql` is the schema of the code."""
    checked = run("schema", "--check")
    assert (checked.returncode, checked.stdout) == (0, "")


def test_a_stale_schema(tmp_path: Path) -> None:
    """`schema --check` exits with 1 and prints a diff."""
    stale = tmp_path / "schema.graphql"
    stale.write_text((ROOT / "schema.graphql").read_text().replace("username", "userName"))
    checked = run("schema", "--check", "--out", str(stale))
    assert checked.returncode == 1
    assert "-  userName: String" in checked.stdout


def test_a_schema_that_is_not_there(tmp_path: Path) -> None:
    """`schema` names a file that it cannot read or write, and prints no schema."""
    missing, nowhere = tmp_path / "schema.graphql", tmp_path / "no" / "schema.graphql"
    for arguments, file in ((("--check", "--out", str(missing)), missing), (("--out", str(nowhere)), nowhere)):
        completed = run("schema", *arguments)
        assert (completed.returncode, completed.stdout) == (1, "")
        [line] = completed.stderr.splitlines()
        assert str(file) in line


def test_the_schema_for_routers(tmp_path: Path) -> None:
    """`schema --federation` prints the subgraph, or compares it with a file, whose name has no default."""
    printed = run("schema", "--federation").stdout
    assert '@link(\n    url: "https://specs.apollo.dev/federation/v2.0"' in printed
    file = tmp_path / "users.graphql"
    file.write_text(printed)
    assert run("schema", "--federation", "--check", "--out", str(file)).returncode == 0
    for wrong in (("--check",), ("--format", "introspection")):
        refused = run("schema", "--federation", *wrong)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "gateway schema" in refused.stderr


def test_the_schema_for_caches() -> None:
    """`schema --format` prints what the caches of clients take: possible types, and introspection without texts."""
    possible = json.loads(run("schema", "--format", "possible-types").stdout)
    assert list(possible) == ["Node"]
    assert {"User", "Role", "Location"} <= set(possible["Node"])
    printed = run("schema", "--format", "introspection").stdout
    schema = build_client_schema(json.loads(printed))
    assert schema.get_possible_types(schema.type_map["Node"])
    assert "The global id" not in printed
    assert run("schema", "--check", "--format", "introspection").returncode == 2


def test_without_standard_error() -> None:
    """A process that a supervisor starts without standard error writes no log, and does all else."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    arguments = ["sh", "-c", 'exec "$@" 2>&-', "sh", GATEWAY, "check", "--allow-none"]
    assert subprocess.run(arguments, env=clean, cwd=ROOT, timeout=60, check=False).returncode == 0


def test_a_bad_setting_is_named() -> None:
    """A value that is not valid exits with 2; the message has the setting, the value and the expected type."""
    for completed in (run("serve", GATEWAY_HTTP_PORT="http"), run("serve", "--http-port", "http")):
        assert completed.returncode == 2
        assert "GATEWAY_HTTP_PORT" in completed.stderr
        assert '"http"' in completed.stderr
        assert "integer" in completed.stderr


@pytest.mark.parametrize("name", ["serve", "demo"])
def test_a_missing_setting_is_one_line(name: str) -> None:
    """A mode without the setting that it needs exits with 2 and one line, which names both."""
    completed = run(name, GATEWAY_AUTH__MODE="api_key")
    assert completed.returncode == 2
    assert completed.stderr.splitlines() == ["GATEWAY_AUTH: the mode api_key requires GATEWAY_AUTH__KEYS_FILE"]


def test_a_webhook_tolerance_beyond_what_is_recognised() -> None:
    """A tolerance for webhooks that is longer than repeated reports are recognised is refused at the start."""
    finished = run("serve", GATEWAY_RESELLER__WEBHOOK_TOLERANCE="7200", GATEWAY_EVENTS_WINDOW="3600")
    assert finished.returncode == 2
    assert "GATEWAY_RESELLER__WEBHOOK_TOLERANCE must not be more than GATEWAY_EVENTS_WINDOW" in finished.stderr


def test_a_bad_secret_is_not_shown() -> None:
    """An error in the settings of a source does not contain its token."""
    completed = run("serve", GATEWAY_ACCOUNT__TOKEN="s3cret-t0ken", GATEWAY_ACCOUNT__BASE_URL="nonsense")
    assert completed.returncode == 2
    assert "GATEWAY_ACCOUNT__BASE_URL" in completed.stderr
    assert "s3cret" not in completed.stdout + completed.stderr


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """The environment has precedence over the file."""
    file = tmp_path / "gateway.toml"
    file.write_text("http_port = 9001\n")
    shown = run("config", GATEWAY_CONFIG=str(file), GATEWAY_HTTP_PORT="9002").stdout
    assert "9002" in shown
    assert "9001" not in shown


def test_a_port_in_use(demo: Running) -> None:
    """A port in use ends the command with one line that names the port and what to do; grpcio adds none."""
    port = demo.address("GraphQL").removesuffix("/graphql").rpartition(":")[2]
    taken_by = {"HTTP": ("--http-port", port), "gRPC": ("--http-port", "0", "--grpc-port", port)}
    for surface, ports in taken_by.items():
        completed = run("serve", "--allow-none", *ports)
        assert completed.returncode == 1
        [line] = completed.stderr.splitlines()
        assert f"the port for {surface} (127.0.0.1:{port}) cannot be used: address already in use" in line
        assert f"--{surface.lower()}-port or GATEWAY_{surface.upper()}_PORT" in line


def test_a_port_in_use_by_the_sandbox(demo: Running) -> None:
    """A port that the sandbox cannot use is named in one line with the option for another."""
    port = demo.address("GraphQL").removesuffix("/graphql").rpartition(":")[2]
    completed = run("sandbox", "--port", port)
    assert completed.returncode == 1
    line = f"gateway: 127.0.0.1:{port} cannot be used: address already in use; choose another port by --port"
    assert completed.stderr.startswith(line)


@pytest.mark.parametrize("arguments", [("--port", "99999"), ("--port", "x"), ("--users", "-1")])
def test_a_bad_option_of_the_sandbox(arguments: tuple[str, str]) -> None:
    """A number that the sandbox cannot use exits with 2, and the last line names the option and the value."""
    completed = run("sandbox", *arguments)
    assert completed.returncode == 2
    assert f'argument {arguments[0]}: got "{arguments[1]}"; must be ' in completed.stderr.splitlines()[-1]


def test_a_status_that_cannot_be_read() -> None:
    """`status` says why it cannot read the status, in the words of the operating system."""
    completed = run("status", "--url", "http://127.0.0.1:9")
    assert completed.returncode == 1
    assert "http://127.0.0.1:9/status could not be read (Connection refused)" in completed.stderr


def test_a_host_of_another_machine() -> None:
    """An address that the machine does not have is named with the settings to correct."""
    completed = run("serve", "--allow-none", "--http-port", "0", "--grpc-host", "192.0.2.1")
    assert completed.returncode == 1
    [line] = completed.stderr.splitlines()
    assert "gRPC (192.0.2.1:50051) cannot be used: cannot assign requested address" in line
    assert "GATEWAY_GRPC_HOST" in line


def test_demo_is_small_and_stops_on_sigterm() -> None:
    """`gateway demo` uses less than 150 MiB and ends on SIGTERM."""
    with command("demo", "--http-port", "0", "--grpc-port", "0", last="{ user(") as running:
        status = Path(f"/proc/{running.pid}/status").read_text()
        resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    assert resident < 150 * 1024


def test_the_log_of_a_process_that_was_stopped() -> None:
    """The last lines of the log state that the process was stopped, by which signal, and that this is over."""
    ports = ("--http-port", "0", "--grpc-port", "off", "--log-format", "json")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([GATEWAY, "serve", "--allow-none", *ports], env=clean, **pipes) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.terminate()
        lines = [json.loads(line) for line in process.stderr]
        assert process.wait() == 0
    assert [line["event"] for line in lines] == ["stopping", "stopped"]
    assert lines[0]["signal"] == "SIGTERM"


def test_the_demo_prints_whose_pages_may_call_it() -> None:
    """`gateway demo` prints the origins whose pages may call it: those of the machine, or those of the setting."""
    ports = ("--http-port", "0", "--grpc-port", "off")
    for given, expected in ({}, "http://localhost:*"), ({"GATEWAY_CORS_ORIGINS": "https://app.example"}, "app.example"):
        with command("demo", *ports, last="{ user(", **given) as running:
            [line] = [line for line in running.printed.splitlines() if line.split()[0] == "CORS"]
        assert expected in line
        assert ("localhost" in line) is not bool(given)


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/page", "null", "localhost:5173", "http://"])
def test_a_bad_origin(origin: str) -> None:
    """What is no origin is refused at the start, because no page could ever have it."""
    completed = run("serve", GATEWAY_CORS_ORIGINS=f"https://other.example {origin}")
    assert completed.returncode == 2
    assert "GATEWAY_CORS_ORIGINS" in completed.stderr
    assert origin in completed.stderr
    assert "https://app.example" in completed.stderr


def test_the_version() -> None:
    """`--version` prints the version of the installed package."""
    assert run("--version").stdout == f"gateway {version('user-gateway')}\n"


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("config",), ("status", "--help"), ("key", "-h")])
def test_what_a_command_imports(arguments: tuple[str, ...]) -> None:
    """A command that serves nothing starts without the server: neither its code nor its libraries are imported."""
    program = (
        "import sys\n"
        "from gateway.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    found = {'gateway.app', 'aiohttp', 'graphql', 'grpc', 'structlog'} & set(sys.modules)\n"
        "    sys.exit(' '.join(found))\n"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    command_line = [sys.executable, "-c", program, *arguments]
    completed = subprocess.run(
        command_line, env=clean, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert completed.stdout
    assert completed.stderr.strip() == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a b",), "name: must match "),
        (("a", "--days", "-1"), "--days: got -1; must be more than 0"),
        (("a", "--days", "1e9"), "--days: got 1e+09; the date would be after the year 9999"),
    ],
)
def test_a_key_that_cannot_be_created(arguments: tuple[str, ...], message: str) -> None:
    """A name or a time that is not valid is one line, and no key is printed."""
    completed = run("key", *arguments, "--scope", "users:read")
    assert (completed.returncode, completed.stdout) == (2, "")
    [line] = completed.stderr.splitlines()
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("setting", "content", "message", "others"),
    [
        ("AUTH__KEYS_FILE", "[[keys]]\nname = 5", "keys.0.name: must be a text; ", {"AUTH__MODE": "api_key"}),
        ("AUTH__KEYS_FILE", "x", "the file is not valid TOML: ", {"AUTH__MODE": "api_key"}),
        (
            "AUTH__JWKS_FILE",
            "{}",
            "not a JWK set",
            {"AUTH__MODE": "jwt", "AUTH__ISSUER": "a", "AUTH__AUDIENCE": "b"},
        ),
        ("DOCUMENTS__MANIFESTS", "{", "The manifest {file} is not JSON: ", {}),
    ],
)
def test_a_file_that_is_not_valid(
    tmp_path: Path, setting: str, content: str, message: str, others: dict[str, str]
) -> None:
    """The content of a file that a setting names, if it is not valid, ends the start in one line with the setting."""
    file = tmp_path / "file"
    file.write_text(content)
    given = {f"GATEWAY_{name}": value for name, value in {**others, setting: str(file)}.items()}
    completed = run("serve", "--allow-none", "--http-port", "0", "--grpc-port", "off", **given)
    assert completed.returncode == 2
    [line] = completed.stderr.splitlines()
    assert line.startswith(f"GATEWAY_{setting}: {message.format(file=file)}")


def test_a_key_with_an_unknown_scope() -> None:
    """`key` lists the scopes as they are written."""
    completed = run("key", "x", "--scope", "bad")
    assert completed.returncode == 2
    assert "'users:read'" in completed.stderr
    assert "Action" not in completed.stderr
    assert 'argument --days: got "soon"; must be a number' in run("key", "x", "--days", "soon").stderr


def test_no_source_at_all() -> None:
    """`serve` and `check` exit with 2 without a source, and say what to set, unless that is permitted."""
    for name in ("serve", "check"):
        completed = run(name, GATEWAY_ACCOUNT__BASE_URL="http://127.0.0.1:9")
        assert (completed.returncode, completed.stdout) == (2, "")
        [line] = completed.stderr.splitlines()
        assert line.startswith("no source is configured: account (no token: set GATEWAY_ACCOUNT__TOKEN)")
        assert "GATEWAY_RESELLER__BASE_URL" in line
        assert "--allow-none" in line
    assert run("check", "--allow-none").returncode == 0


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_start_names_the_sources(log_format: str) -> None:
    """The start prints each source with its base URL, and those that are left out with the reason."""
    sources = {
        "GATEWAY_ACCOUNT__BASE_URL": "http://127.0.0.1:9/proxied",
        "GATEWAY_ACCOUNT__TOKEN": "token-1",
        "GATEWAY_SOFTWAREONE__BASE_URL": "https://api.example",
        "GATEWAY_LOG_FORMAT": log_format,
    }
    with command("serve", "--http-port", "0", "--grpc-port", "off", last="left", **sources) as running:
        printed = running.printed
    assert "account http://127.0.0.1:9/proxied" in printed
    assert "softwareone (no token: set GATEWAY_SOFTWAREONE__TOKEN), reseller (no base URL and no token" in printed
    if log_format == "json":
        assert json.loads(printed)["sources"] == "account http://127.0.0.1:9/proxied"


async def test_health(world: Any) -> None:
    """`/healthz` and `/readyz` return 200."""
    for path in ("healthz", "readyz"):
        async with world.session.get(f"{world.url}/{path}") as response:
            assert response.status == 200


def test_the_tables_have_every_setting() -> None:
    """The tables of docs/settings.md have exactly the settings of the code."""
    rows = re.findall(r"^\| (`GATEWAY_.*?) \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(GATEWAY_[A-Z_<>]+)`", row)}
    known: set[str] = set()
    for leaf in leaves(Settings):
        general = re.sub(r"_(ACCOUNT|SOFTWAREONE|RESELLER)__", "_<SOURCE>__", leaf.variable)
        known.add(general if general in documented and leaf.variable not in documented else leaf.variable)
    assert documented == known
