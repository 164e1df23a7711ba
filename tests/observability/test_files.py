"""The files of docker/observability/: they are valid, and refer only to what exists."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from observability.prometheus import FOLDER, binary

from gateway.settings import Settings
from gateway.settings.names import leaves

COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
ADDED = [name for name in COMPOSE["services"] if name != "gateway"]


@pytest.mark.parametrize(
    "command",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")],
    ids=" ".join,
)
def test_promtool(command: tuple[str, ...]) -> None:
    """Prometheus accepts the configuration and the alerts, and each case of the alerts has the expected result."""
    completed = subprocess.run(
        [binary("promtool"), *command], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_every_alert_has_a_case() -> None:
    """Each alert fires in a case of alerts_test.yml."""
    cases = (FOLDER / "alerts_test.yml").read_text()
    fired = set(re.findall(r'alertname="(\w+)", alertstate="firing"', cases)) | {
        case["alertname"]
        for test in yaml.safe_load(cases)["tests"]
        for case in test.get("alert_rule_test", ())
        if case.get("exp_alerts")
    }
    assert fired == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_leads_somewhere(alert: dict[str, Any]) -> None:
    """An alert has a severity, a summary, a description, and a section of docs/operations.md that says what to do."""
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_variable_of_the_gateway_exists() -> None:
    """The variables that compose adds to the gateway are settings, or OpenTelemetry's."""
    known = {leaf.variable for leaf in leaves(Settings)} | {"OTEL_METRICS_EXPORTER"}
    assert set(COMPOSE["services"]["gateway"]["environment"]) <= known


def test_the_port_is_the_one_that_is_scraped() -> None:
    """Prometheus scrapes the port for operators of the service `gateway`, which is published on loopback only."""
    port = COMPOSE["services"]["gateway"]["environment"]["GATEWAY_ADMIN_PORT"]
    [job] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert job["job_name"] == "gateway"
    [lookup] = job["dns_sd_configs"]
    assert (lookup["names"], lookup["port"]) == (["gateway"], int(port))
    assert COMPOSE["services"]["gateway"]["ports"] == [f"127.0.0.1:{port}:{port}"]


@pytest.mark.parametrize("name", ADDED)
def test_an_added_service(name: str) -> None:
    """An added service has a pinned image without a registry, existing files, ports on loopback and a limit."""
    service = COMPOSE["services"][name]
    assert re.fullmatch(r"\w+/\w+:v?\d+\.\d+\.\d+", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / "docker" / source).is_file(), volume
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["mem_limit"]


def test_grafana_finds_its_files() -> None:
    """Grafana's data sources are services of compose, and its dashboard is where its providers look."""
    sources = yaml.safe_load((FOLDER / "grafana/datasources.yaml").read_text())["datasources"]
    assert {re.sub(r"http://(\w+):\d+", r"\1", source["url"]) for source in sources} <= set(ADDED)
    [provider] = yaml.safe_load((FOLDER / "grafana/dashboards.yaml").read_text())["providers"]
    mounted = [volume.split(":")[1] for volume in COMPOSE["services"]["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/gateway.json" in mounted


def test_the_panels_of_the_dashboard(dashboard: dict[str, Any]) -> None:
    """Rows are questions; panels have a description, a unit and the dashboard's data source, and do not overlap."""
    cells: Counter[tuple[int, int]] = Counter()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells.update((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))
        if panel["type"] == "row":
            assert panel["title"].endswith("?")
            continue
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["description"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert max(cells.values()) == 1
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    text = (Path(FOLDER) / "grafana/gateway.json").read_text()
    assert set(re.findall(r"https?://[\w.]+", text)) == set()
