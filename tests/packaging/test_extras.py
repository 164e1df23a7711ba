"""The wheel without extras and with each extra alone: what is installed runs, what is missing is named."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from state.server import RedisServer

PROGRAM = Path(__file__).with_name("extras_program.py")
SERVED = {"GATEWAY_HTTP_PORT": "0", "GATEWAY_ENVIRONMENT": "development"}


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.stop()


@pytest.mark.parametrize("extra", ["", "grpc", "jwt", "otel", "redis", "uvloop"])
def test_an_extra_alone(extra: str, installed: Callable[..., Path], redis_url: str) -> None:
    """All public modules are imported and a query is executed; each extra works where it is, else it is named."""
    python = installed(*filter(None, [extra]))
    done = subprocess.run(
        [python, PROGRAM, redis_url], cwd=python.parent, env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)
    assert results.pop(extra, "works") == "works"
    for missing, message in results.items():
        assert f"pip install 'user-gateway[{missing}]'" in message


@pytest.mark.parametrize(
    ("extra", "setting"),
    [
        ("grpc", {"GATEWAY_GRPC_PORT": "0"}),
        (
            "jwt",
            {
                "GATEWAY_AUTH__MODE": "jwt",
                "GATEWAY_AUTH__ISSUER": "https://issuer.example",
                "GATEWAY_AUTH__AUDIENCE": "a",
                "GATEWAY_AUTH__JWKS_URL": "https://issuer.example/keys",
            },
        ),
        ("otel", {"GATEWAY_OTLP_ENDPOINT": "http://127.0.0.1:9"}),
        ("redis", {"GATEWAY_REDIS_URL": "redis://127.0.0.1:9"}),
        ("uvloop", {"GATEWAY_EVENT_LOOP": "uvloop"}),
    ],
)
def test_serving_names_the_missing_extra(extra: str, setting: dict[str, str], installed: Callable[..., Path]) -> None:
    """A setting that needs an extra that is not installed ends the start with one sentence and status 2."""
    command = [installed().with_name("gateway"), "serve", "--allow-none"]
    done = subprocess.run(command, env=_environment(SERVED | setting), capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    [line] = done.stderr.strip().splitlines()
    assert f"pip install 'user-gateway[{extra}]'" in line


def test_serving_without_grpc(installed: Callable[..., Path]) -> None:
    """Without gRPC, `gateway serve` serves HTTP, and logs how to install gRPC."""
    status, output = _serve(installed(), SERVED)
    assert status == 0, output
    assert "gRPC is not served, since it is not installed: pip install 'user-gateway[grpc]'" in output
    assert "gRPC      off" in output


def test_serving_with_telemetry(installed: Callable[..., Path]) -> None:
    """With the extra `otel` alone, `gateway serve` sends its metrics by OTLP."""
    status, output = _serve(installed("otel"), SERVED | {"GATEWAY_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert status == 0, output
    assert "sending the metrics to http://127.0.0.1:9/v1/metrics failed" in output  # nobody listens there
    assert "user-gateway[otel]" not in output


def _serve(python: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Serve until the gateway is ready, then stop it; return the exit status and the output."""
    with subprocess.Popen(
        [python.with_name("gateway"), "serve", "--allow-none"],
        env=_environment(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        output = ""
        timer = threading.Timer(60, process.kill)  # the line may never come, and then the output has no end
        timer.start()
        try:
            for line in process.stdout:
                output += line
                if line.startswith("  metrics "):  # once: another signal would end a gateway that has nearly stopped
                    process.send_signal(signal.SIGTERM)
            return process.wait(), output
        finally:
            timer.cancel()


def _environment(settings: dict[str, str] | None = None) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}} | (settings or {})
