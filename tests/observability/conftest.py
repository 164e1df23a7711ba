"""Fixtures: the demo under load, scraped by a real Prometheus with the alerts of docker/observability/."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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

_READY_TIMEOUT = 20.0  # seconds: a process that is not ready by then hangs


@dataclass(frozen=True, slots=True)
class Observed:
    """The demo after the load: Prometheus, which has scraped it meanwhile, and a reader of documents beside the demo.

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
            running_prometheus(folder, urlsplit(addresses["metrics"]).netloc) as prometheus,
        ):
            _wait_for_scrape(prometheus)
            control = addresses["sandbox"].removesuffix("/calls")
            started = time.time()
            asyncio.run(put_under_load(addresses["graphql"], addresses["grpc"], control, redis))
            yield Observed(replace(prometheus, time=_wait_for_scrape(prometheus)), started, reader, collector)
    finally:
        redis.stop()


def _wait_for_scrape(prometheus: Prometheus) -> float:
    """Wait until the gateway has been scraped, and return the time. Where the machine is busy, a scrape may fail."""
    end = time.monotonic() + _READY_TIMEOUT
    while not (found := prometheus.query('timestamp(up{job="gateway"} == 1)')):
        assert time.monotonic() < end, "Prometheus did not scrape the gateway"
        time.sleep(0.2)
    return float(found[0]["value"][1])


@contextmanager
def _demo(reader: Reader, redis_url: str, collector_url: str) -> Iterator[dict[str, str]]:
    """Run `gateway demo` with the settings of compose, at the ports of the reader; return its addresses.

    Its log is in the folder of the reader.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_") or name == SERVER}
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
    printed, log = reader.folder / "demo.output", reader.folder / "gateway.log"
    with printed.open("wb") as output, log.open("wb") as errors:
        process = subprocess.Popen(
            [GATEWAY, "demo", "--no-rate-limits"], env=clean | settings, cwd=ROOT, stdout=output, stderr=errors
        )
    try:
        end = time.monotonic() + _READY_TIMEOUT
        while not printed.read_text().endswith("\n"):
            assert process.poll() is None, f"the demo ended early:\n{log.read_text()}"
            assert time.monotonic() < end, f"the demo is not ready in time:\n{log.read_text()}"
            time.sleep(0.05)
        yield json.loads(printed.read_text())
    finally:
        process.terminate()
        process.wait(30)
