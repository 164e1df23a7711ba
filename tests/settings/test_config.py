"""`gateway config`."""

import json
from pathlib import Path

import pytest
from settings.conftest import Run

_COLUMNS = 100


def _rows(printed: str) -> dict[str, str]:
    return {line.split()[0]: line for line in printed.splitlines()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with settings."""
    file = tmp_path / "gateway.toml"
    file.write_text('http_port = 9001\npreflight = false\n[reseller]\nreseller_id = "from-file"\n')
    return file


def test_values_and_origins(run: Run, file: Path) -> None:
    """Only what is set is printed, as it is written in the environment, with its origin and without secrets."""
    given = {
        "GATEWAY_ACCOUNT__TOKEN": "s3cret",
        "GATEWAY_LOG_LEVEL": "debug",
        "GATEWAY_AUTH__AUDIENCE": "one two",
        "GATEWAY_SOFTWAREONE": '{"hedge": true}',
        "GATEWAY_REDIS_URL": "redis://:s3cret@h",
    }
    printed = run("config", "--config", str(file), "--http-host", "::1", "--grpc-port", "off", **given).stdout
    rows = {name: line.split()[1:] for name, line in _rows(printed).items()}
    origins = {name: row.pop() if row[-1] == "environment" else " ".join(row[1:]) for name, row in rows.items()}
    assert {name: row[0] for name, row in rows.items() if name != "GATEWAY_AUTH__AUDIENCE"} == {
        "GATEWAY_HTTP_HOST": "::1",
        "GATEWAY_HTTP_PORT": "9001",
        "GATEWAY_GRPC_PORT": "off",
        "GATEWAY_PREFLIGHT": "false",
        "GATEWAY_REDIS_URL": "********",
        "GATEWAY_LOG_LEVEL": "DEBUG",
        "GATEWAY_ACCOUNT__TOKEN": "********",
        "GATEWAY_SOFTWAREONE__HEDGE": "true",
        "GATEWAY_RESELLER__RESELLER_ID": "from-file",
    }
    assert rows["GATEWAY_AUTH__AUDIENCE"] == ["one", "two"]
    assert origins["GATEWAY_HTTP_HOST"] == "option --http-host"
    assert origins["GATEWAY_SOFTWAREONE__HEDGE"] == origins["GATEWAY_LOG_LEVEL"] == "environment"
    assert origins["GATEWAY_HTTP_PORT"].startswith("file ")
    assert origins["GATEWAY_HTTP_PORT"].endswith("gateway.toml")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:s3cret@h:4318/p", "http://********@h:4318/p"),
        ("https://h/p?key=s3cret&other=s3cret", "https://h/p?********"),
        ("https://user:s3/cret@h", "https://********@h"),  # which is not valid
        ("https://user:s3@cret@h", "https://********@h"),
    ],
)
def test_credentials_in_a_url(run: Run, url: str, shown: str) -> None:
    """The user, the password and the query of a URL are masked, also where the URL is refused."""
    completed = run("config", GATEWAY_OTLP_ENDPOINT=url)
    printed = completed.stdout + completed.stderr
    assert shown in printed
    assert "s3" not in printed
    assert "cret" not in printed


def test_nothing_is_set(run: Run) -> None:
    """Without a setting there is one line, which says how to print all of them."""
    assert run("config").stdout == "every setting has its default: `gateway config --all` prints them\n"


def test_all(run: Run, file: Path) -> None:
    """`--all` prints the others too, in lines that fit a terminal, and in no spelling but that of the environment."""
    printed = run("config", "--all", "--config", str(file), GATEWAY_CORS_ORIGINS="https://app.example " * 20).stdout
    rows = _rows(printed)
    assert rows["GATEWAY_ENVIRONMENT"].split()[1:] == ["development", "default"]
    assert rows["GATEWAY_REQUEST_TIMEOUT"].split()[1:] == ["30", "default"]
    assert rows["GATEWAY_AUTH__ALGORITHMS"].split()[1:4] == ["RS256", "ES256", "PS256"]
    assert printed.count("https://app.example") == 20
    assert max(map(len, printed.splitlines())) <= _COLUMNS
    assert not {"(", "[", "'", "True", "None"} & set(printed.replace("(", " ( ").split())


def test_json(run: Run, file: Path) -> None:
    """`--json` prints one object, with a value of JSON and the whole origin for each variable."""
    printed = json.loads(run("config", "--json", "--config", str(file), GATEWAY_ACCOUNT__TOKEN="s3cret").stdout)
    assert printed == {
        "GATEWAY_HTTP_PORT": {"value": 9001, "origin": f"file {file}"},
        "GATEWAY_PREFLIGHT": {"value": False, "origin": f"file {file}"},
        "GATEWAY_ACCOUNT__TOKEN": {"value": "********", "origin": "environment"},
        "GATEWAY_RESELLER__RESELLER_ID": {"value": "from-file", "origin": f"file {file}"},
    }
    everything = json.loads(run("config", "--json", "--all").stdout)
    assert everything["GATEWAY_AUTH__KEYS_FILE"] == {"value": None, "origin": "default"}
    assert everything["GATEWAY_CORS_ORIGINS"]["value"] == []


def test_what_is_printed_can_be_given(run: Run, file: Path) -> None:
    """The printed values, given as environment variables, are the same settings."""
    first = json.loads(run("config", "--json", "--all", "--config", str(file)).stdout)
    printed = run("config", "--config", str(file)).stdout
    given = {name: line.split()[1] for name, line in _rows(printed).items()}
    again = json.loads(run("config", "--json", "--all", **given).stdout)
    assert {name: row["value"] for name, row in again.items()} == {name: row["value"] for name, row in first.items()}


@pytest.mark.parametrize(
    ("arguments", "environment", "line"),
    [
        (
            ("--http-port", "abc"),
            {},
            '--http-port (GATEWAY_HTTP_PORT): got "abc"; must be an integer',
        ),
        ((), {"GATEWAY_HTTP_PORT": "70000"}, 'GATEWAY_HTTP_PORT: got "70000"; must be at most 65535'),
        ((), {"GATEWAY_GRPC_PORT": "on"}, 'GATEWAY_GRPC_PORT: got "on"; must be an integer, or `off`'),
        (
            (),
            {"GATEWAY_LOG_LEVEL": "verbose"},
            "GATEWAY_LOG_LEVEL: got \"verbose\"; must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
        ),
        (
            (),
            {"GATEWAY_ACCOUNT__BASE_URL": "https://x/?key=secret"},
            'GATEWAY_ACCOUNT__BASE_URL: got "https://x/?********"; a base URL must not have a query or a fragment',
        ),
        (
            (),
            {"GATEWAY_ACCOUNT__TOKEN": "  "},
            "GATEWAY_ACCOUNT__TOKEN: got a secret value; must not begin or end with a blank",
        ),
        ((), {"GATEWAY_ACCOUNT__TIMEOUT": "0"}, 'GATEWAY_ACCOUNT__TIMEOUT: got "0"; must be more than 0'),
        (
            (),
            {"GATEWAY_KEEP_MAX_BYTES": "1000000"},
            'GATEWAY_KEEP_MAX_BYTES: got "1000000"; must be at least 1048576',
        ),
        ((), {"GATEWAY_PREFLIGHT": "maybe"}, 'GATEWAY_PREFLIGHT: got "maybe"; must be true or false'),
        (
            (),
            {"GATEWAY_ACCOUNT__BASE_URL": "api"},
            'GATEWAY_ACCOUNT__BASE_URL: got "api"; must be a URL, as https://host/path',
        ),
        (
            (),
            {"GATEWAY_ACCOUNT__BASE_URL": "ftp://x"},
            'GATEWAY_ACCOUNT__BASE_URL: got "ftp://x"; must be a URL that begins with http:// or https://',
        ),
        ((), {"GATEWAY_AUTH__KEYS_FILE": "/no"}, 'GATEWAY_AUTH__KEYS_FILE: got "/no"; there is no such file'),
        (
            (),
            {"GATEWAY_PICTURES__SECRET": "short"},
            "GATEWAY_PICTURES__SECRET: got a secret value; must have at least 16 characters",
        ),
        (
            (),
            {"GATEWAY_ACCOUNT__TOKEN": "two\nlines"},
            "GATEWAY_ACCOUNT__TOKEN: got a secret value; must have printable ASCII characters alone",
        ),
        (
            (),
            {"GATEWAY_ACCOUNT": "{"},
            "GATEWAY_ACCOUNT: the value must be JSON; or set the settings of this group one by one",
        ),
    ],
)
def test_a_bad_value(run: Run, arguments: tuple[str, ...], environment: dict[str, str], line: str) -> None:
    """The message names the option or variable that was given, the value and the rule, in no words of a library."""
    completed = run("config", *arguments, **environment)
    assert completed.returncode == 2
    assert completed.stderr.splitlines() == [line]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"http_port = true", 'GATEWAY_HTTP_PORT (http_port of {file}): got "true"; must be an integer'),
        (
            b"[account]\ntimeout = true",
            'GATEWAY_ACCOUNT__TIMEOUT (timeout in [account] of {file}): got "true"; must be a number',
        ),
        (b"http_host = 5", "GATEWAY_HTTP_HOST (http_host of {file}): got 5; must be a text"),
        (b"account = 5", "account of {file}: must be a group of settings"),
        (b"\xff", "{file}: the settings file is not UTF-8 text"),
        (None, "{file}: the settings file is no file"),
    ],
)
def test_a_bad_file(run: Run, tmp_path: Path, content: bytes | None, line: str) -> None:
    """A value of another type in the file is named with its place; a file that is no text is named too."""
    file = tmp_path / "gateway.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    completed = run("config", "--config", str(file))
    assert completed.returncode == 2
    assert completed.stderr.splitlines() == [line.format(file=file)]


@pytest.mark.parametrize(
    ("given", "server", "client"),
    [
        ({}, ("aiohttp", "default"), ("lean", "default")),
        ({"GATEWAY_HTTP": "lean"}, ("lean", "GATEWAY_HTTP"), ("lean", "GATEWAY_HTTP")),
        ({"GATEWAY_HTTP": "aiohttp"}, ("aiohttp", "GATEWAY_HTTP"), ("aiohttp", "GATEWAY_HTTP")),
        (
            {"GATEWAY_HTTP": "lean", "GATEWAY_HTTP_SERVER": "aiohttp"},
            ("aiohttp", "environment"),
            ("lean", "GATEWAY_HTTP"),
        ),
        (
            {"GATEWAY_HTTP": "lean", "GATEWAY_HTTP_CLIENT": "aiohttp"},
            ("lean", "GATEWAY_HTTP"),
            ("aiohttp", "environment"),
        ),
    ],
    ids=" ".join,
)
def test_http_on_both_sides(run: Run, given: dict[str, str], server: tuple[str, str], client: tuple[str, str]) -> None:
    """`GATEWAY_HTTP` selects server and client; the settings of one side win over it, wherever they are given."""
    printed = json.loads(run("config", "--json", "--all", **given).stdout)
    sides = [printed[f"GATEWAY_HTTP_{side}"] for side in ("SERVER", "CLIENT")]
    assert [(side["value"], side["origin"]) for side in sides] == [server, client]
    options = [f"--{name.removeprefix('GATEWAY_').lower().replace('_', '-')}={value}" for name, value in given.items()]
    by_options = json.loads(run("config", "--json", "--all", *options).stdout)
    assert [by_options[f"GATEWAY_HTTP_{side}"]["value"] for side in ("SERVER", "CLIENT")] == [server[0], client[0]]


def test_http_of_another_name(run: Run) -> None:
    """A wrong value of `GATEWAY_HTTP` is one error, which names that setting alone."""
    printed = run("config", GATEWAY_HTTP="leen").stderr
    assert "GATEWAY_HTTP: got \"leen\"; must be 'aiohttp' or 'lean'" in printed
    assert printed.count("leen") == 1
