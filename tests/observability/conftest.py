"""Fixtures: the demo under load, scraped by a real Prometheus with the alerts of docker/observability/."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from conftest import GATEWAY, ROOT, SERVER
from documents.reader import Reader, running_reader
from observability.collector import Collector, running_collector
from observability.load import SETTINGS, put_under_load
from observability.prometheus import FOLDER, Prometheus, running_prometheus
from state.server import RedisServer

from gateway.sandbox import RESELLER_ID, RESELLER_TOKEN

_GATEWAYS = 2
_READY_TIMEOUT = 20.0  # seconds: a process that is not ready by then hangs


@dataclass(frozen=True, slots=True)
class Observed:
    """The demo after the load: Prometheus, which has scraped it meanwhile, and a reader of documents beside the demo.

    A second gateway, in shadow mode, was scraped as a replica of it.

    The load began at `started`, in seconds since 1970. The folder of the reader has the demo's log, `gateway.log`.
    """

    prometheus: Prometheus
    started: float
    reader: Reader
    collector: Collector


@pytest.fixture(scope="session")
def dashboard() -> dict[str, Any]:
    """The dashboard of Grafana."""
    return json.loads((FOLDER / "grafana/gateway.json").read_text())


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """The demo after some seconds of load, with a Prometheus that scraped it before, during and after them."""
    folder = tmp_path_factory.mktemp("observed")
    redis = RedisServer(folder, persistent=False)
    redis.start()
    try:
        with (
            running_collector() as collector,
            running_reader(folder) as reader,
            _demo(reader, redis.url, collector.url) as addresses,
            _in_shadow_mode(folder, addresses["sandbox"]) as shadow,
            running_prometheus(
                folder, *(urlsplit(each["metrics"]).netloc for each in (addresses, shadow))
            ) as prometheus,
        ):
            _wait_for_scrape(prometheus)
            control = addresses["sandbox"].removesuffix("/calls")
            started = time.time()
            urls = addresses["graphql"], shadow["graphql"], addresses["grpc"], control

            def waiting_is_seen() -> bool:
                return bool(prometheus.query('max_over_time(gateway_pacing_waiting{job="gateway"}[2m]) > 0'))

            asyncio.run(put_under_load(*urls, redis, waiting_is_seen=waiting_is_seen))
            yield Observed(replace(prometheus, time=_wait_for_scrape(prometheus)), started, reader, collector)
    finally:
        redis.stop()


def _wait_for_scrape(prometheus: Prometheus) -> float:
    """Wait until both gateways were scraped from now on, and return the time.

    Where the machine is busy, a scrape may fail.
    """
    scraped = f'timestamp(up{{job="gateway"}} == 1) > {time.time():.3f}'
    end = time.monotonic() + _READY_TIMEOUT
    while len(found := prometheus.query(scraped)) < _GATEWAYS:
        assert time.monotonic() < end, "Prometheus did not scrape the gateways"
        time.sleep(0.2)
    return min(float(each["value"][1]) for each in found)


@contextmanager
def _demo(reader: Reader, redis_url: str, collector_url: str) -> Iterator[dict[str, str]]:
    """Run `gateway demo` with the settings of compose, at the ports of the reader; return its addresses.

    Its log is in the folder of the reader.
    """
    composed = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["gateway"]["environment"]
    settings = SETTINGS | {
        **composed,
        "GATEWAY_HTTP_PORT": str(reader.port("8000")),
        "GATEWAY_GRPC_PORT": str(reader.port("50051")),
        "GATEWAY_ADMIN_HOST": "127.0.0.1",
        "GATEWAY_ADMIN_PORT": str(reader.port(composed["GATEWAY_ADMIN_PORT"])),
        "GATEWAY_OTLP_ENDPOINT": collector_url,
        "GATEWAY_REDIS_URL": redis_url,
    }
    log = reader.folder / "gateway.log"
    with _running(["demo", "--no-rate-limits"], settings, reader.folder / "demo.output", log) as addresses:
        yield addresses


@contextmanager
def _in_shadow_mode(folder: Path, calls_url: str) -> Iterator[dict[str, str]]:
    """Run `gateway serve` in shadow mode, in front of the reseller API of that sandbox; return its addresses."""
    settings = {
        "GATEWAY_HTTP_PORT": "0",
        "GATEWAY_GRPC_PORT": "off",
        "GATEWAY_LOG_FORMAT": "json",
        "GATEWAY_KEEP_MODE": "shadow",
        "GATEWAY_RESELLER__BASE_URL": calls_url.replace("/_sandbox/calls", "/reseller"),
        "GATEWAY_RESELLER__TOKEN": RESELLER_TOKEN,
        "GATEWAY_RESELLER__RESELLER_ID": RESELLER_ID,
    }
    with _running(["serve"], settings, folder / "shadow.output", folder / "shadow.log") as addresses:
        yield addresses


@contextmanager
def _running(command: list[str], settings: dict[str, str], printed: Path, log: Path) -> Iterator[dict[str, str]]:
    """Run a command of the gateway with its output and its log in these files; return its addresses."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_") or name == SERVER}
    with printed.open("wb") as output, log.open("wb") as errors:
        process = subprocess.Popen([GATEWAY, *command], env=clean | settings, cwd=ROOT, stdout=output, stderr=errors)
    try:
        end = time.monotonic() + _READY_TIMEOUT
        while not printed.read_text().endswith("\n"):
            assert process.poll() is None, f"the gateway ended early:\n{log.read_text()}"
            assert time.monotonic() < end, f"the gateway is not ready in time:\n{log.read_text()}"
            time.sleep(0.05)
        yield json.loads(printed.read_text())
    finally:
        process.terminate()
        process.wait(30)
