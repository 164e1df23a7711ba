"""A real Prometheus with the configuration and the alerts of docker/observability/, and its answers to queries."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from conftest import ROOT
from ports import free_port

__all__ = ["FOLDER", "Prometheus", "Selector", "binary", "running_prometheus", "selectors"]

FOLDER = ROOT / "docker/observability"
_INTERVAL = "1s"  # between scrapes, so that a short load has enough of them
_START_TIMEOUT = 20.0  # seconds
_SELECTOR = re.compile(r"\b([a-zA-Z_:][\w:]*)(\{[^}]*\})")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric in an expression, with the matchers of its labels: each its label, its operator and its value."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        matchers = [f'{label}{operator}"{value}"' for label, operator, value in self.matchers]
        return f"{self.metric}{{{', '.join(matchers)}}}"


def selectors(expression: str) -> set[Selector]:
    """Return the metrics in an expression, each of which has braces."""
    return {
        Selector(name, tuple((m[1], m[2], m[3]) for m in _MATCHER.finditer(matchers)))
        for name, matchers in _SELECTOR.findall(expression)
    }


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus. Its queries are evaluated at `time`, in seconds since 1970, or now."""

    url: str
    time: float | None = None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression, each with `metric` (its labels) and `value`."""
        at = {} if self.time is None else {"time": f"{self.time:.3f}"}
        result = self._get("/api/v1/query", query=expression, **at)["data"]
        assert result["resultType"] == "vector", expression
        return result["result"]

    def exemplars(self, expression: str, start: float) -> list[dict[str, str]]:
        """Return the labels of the exemplars of an expression since `start`, in seconds since 1970."""
        end = time.time() if self.time is None else self.time
        found = self._get("/api/v1/query_exemplars", query=expression, start=str(start), end=str(end + 1))["data"]
        return [exemplar["labels"] for series in found for exemplar in series["exemplars"]]

    def rules(self) -> list[dict[str, Any]]:
        """Return the alerts, each with its `health` and `lastError`."""
        return [rule for group in self._get("/api/v1/rules")["data"]["groups"] for rule in group["rules"]]

    def _get(self, path: str, **parameters: str) -> Any:
        with urlopen(f"{self.url}{path}?{urlencode(parameters)}", timeout=20) as response:  # noqa: S310 - http to loopback
            result = json.load(response)
        assert result["status"] == "success", result
        return result


@contextmanager
def running_prometheus(folder: Path, *targets: str) -> Iterator[Prometheus]:
    """Run Prometheus with its data in `folder`. It scrapes the `targets`, each a host and port."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL}
    config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
    [job] = config["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": list(targets)}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    composed = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["prometheus"]
    port = free_port()
    command = [
        binary("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
        *(option for option in composed["command"] if option.startswith("--enable-feature=")),
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"GOMAXPROCS": "1"})
    try:
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + _START_TIMEOUT
        while not _is_ready(url):
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            assert time.monotonic() < end, "Prometheus is not ready in time"
            time.sleep(0.1)
        yield Prometheus(url)
    finally:
        process.terminate()
        process.wait(20)


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/-/ready", timeout=5):  # noqa: S310 - http to loopback
            return True
    except OSError:  # refused, not ready yet, or no response in time
        return False


def binary(name: str) -> str:
    """Return the path of a program of the package `prometheus`."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: tests/debian-packages.sh lists the packages that the tests need")
    return found
