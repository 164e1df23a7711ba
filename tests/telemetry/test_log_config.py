"""The log of the process as text and as JSON."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from certificates import Authority
from conftest import GATEWAY, command
from security.outside import run_recorded

EXAMPLES = Path(__file__).parent / "log_examples.py"

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def log_of(log_format: str) -> str:
    process = subprocess.run([sys.executable, EXAMPLES, log_format], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stdout == ""
    return process.stderr


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """All lines of the log in JSON: each is an object."""
    return [json.loads(line) for line in log_of("json").splitlines()]


def test_json(records: list[dict[str, Any]]) -> None:
    """A record is an object with the time, the level, the logger and the message first, and then its values."""
    first = records[0]
    assert list(first)[:4] == ["time", "level", "logger", "event"]
    assert re.fullmatch(TIME, first.pop("time"))
    assert first == {
        "level": "warning",
        "logger": "gateway.examples",
        "event": "the source account failed",
        "source": "account",
        "count": 3,
        "half": "\ud800",
    }


def test_operations(records: list[dict[str, Any]]) -> None:
    """A record of a running operation has its request id and its trace id."""
    record = records[1]
    assert (record["request_id"], record["trace_id"]) == ("req-1", "0af7651916cd43dd8448eb211c80319c")


def test_unexpected_errors(records: list[dict[str, Any]]) -> None:
    """Exceptions of code, event loop, finalizer, thread and process have their tracebacks, without local values."""
    failed = [(each["logger"], each["level"], each["exception"]) for each in records if "exception" in each]
    assert [(logger, level) for logger, level, _ in failed] == [
        ("gateway.examples", "error"),
        ("asyncio", "error"),
        ("gateway", "error"),
        ("gateway", "error"),
        ("gateway", "critical"),
    ]
    assert "ValueError: what happened" in failed[0][2]
    assert all("Traceback" in trace and "4711-secret" not in trace for _, _, trace in failed)
    assert any(each["logger"] == "py.warnings" and "a warning of Python" in each["event"] for each in records)
    assert records[2]["logger"] == "another.library"


def test_floods(records: list[dict[str, Any]]) -> None:
    """Of a flood some records are left out, but none of changes whose outcome is unknown."""
    assert sum(each["event"].startswith("flood") for each in records) == 20
    assert sum(each["logger"] == "gateway.changes" for each in records) == 30


def test_text() -> None:
    """As text a record is one line without colors in a file, whatever its message contains."""
    lines = log_of("text").splitlines()
    time, rest = lines[0].split(" ", 1)
    assert re.fullmatch(TIME, time)
    assert rest.startswith("WARNING gateway.examples: the source account failed source=account count=3")
    assert r"in an operation\nnot a record\x1b[31m" in lines[1]
    assert "request_id=req-1" in lines[1]
    assert "LookupError: the end" in lines[-1]
    assert not any("\x1b" in line for line in lines)
    assert any("forged" in line for line in lines)
    assert not any("forged" in line for line in lines if not line.startswith("  "))  # as all of a traceback


def test_ready() -> None:
    """With the log in JSON, the message of the start is an object too, with the addresses."""
    ports = {"GATEWAY_HTTP_PORT": "0", "GATEWAY_GRPC_PORT": "off"}
    with command("serve", "--allow-none", last="ready", GATEWAY_LOG_FORMAT="json", **ports) as running:
        ready = json.loads(running.printed)
        assert list(ready)[:4] == ["time", "level", "logger", "event"]
        assert urlopen(ready["metrics"]).status == 200  # noqa: S310 - the address of this gateway
        assert ready["grpc"] == "off"


@pytest.mark.parametrize(
    ("wrong", "status", "named"),
    [
        ({"GATEWAY_HTTP_PORT": "x"}, 2, "GATEWAY_HTTP_PORT"),
        ({"GATEWAY_HTTP_HOST": "192.0.2.1"}, 1, "192.0.2.1"),
        ({"GATEWAY_DOCUMENTS__MANIFESTS": "/nope/manifest.json"}, 2, "/nope/manifest.json"),
    ],
)
def test_a_start_that_fails(wrong: dict[str, str], status: int, named: str) -> None:
    """With the log in JSON, the reason why a command ends is an object too."""
    settings = {"GATEWAY_LOG_FORMAT": "json", "GATEWAY_HTTP_PORT": "0", "GATEWAY_GRPC_PORT": "off"} | wrong
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = subprocess.run(
        [GATEWAY, "serve", "--allow-none"], env=clean | settings, capture_output=True, text=True, check=False
    )
    (record,) = [json.loads(line) for line in process.stderr.splitlines()]
    assert (process.returncode, record["level"]) == (status, "critical")
    assert named in record["event"]


def test_failed_handshakes(tmp_path: Path) -> None:
    """A client that speaks no TLS to the port of gRPC leads to no line that is not in the form of the log."""
    Authority(tmp_path).server()
    pair = str(next(tmp_path.glob("localhost-*")))
    tls = {"GATEWAY_GRPC_TLS_CERTIFICATE": pair, "GATEWAY_GRPC_TLS_KEY": pair}
    ports = {"GATEWAY_HTTP_PORT": "0", "GATEWAY_GRPC_PORT": "0", "GATEWAY_LOG_FORMAT": "json"}
    with run_recorded(tmp_path / "log", "serve", "--allow-none", **ports, **tls) as running:
        host, port = running.grpc.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while connection.recv(1024):
                pass
    assert [record["event"] for record in running.records] == ["ready", "stopping", "stopped"]
