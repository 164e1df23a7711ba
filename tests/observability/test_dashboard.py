"""Each query of the dashboard, of the alerts and of docs/operations.md has data, and each of their metrics moves."""

import re
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from conftest import ROOT
from documents.blocks import sections
from observability.conftest import Observed
from observability.prometheus import FOLDER, Selector, binary, selectors

from gateway.errors import Code

ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
PROMQL = [
    block.text
    for section in sections(ROOT, Path("docs/operations.md"))
    for block in section.blocks
    if block.language == "promql"
]
CONSTANT = {
    *("gateway_build_info", "gateway_kept_limit_bytes", "gateway_pacing_limit"),
    *("process_max_fds", "process_start_time_seconds", "up"),
}
"""Metrics that do not change while a process runs."""
NOT_CAUSED = {
    ("gateway_events_total", "happening", "lost"): "the process has to end while Redis is away",
    ("gateway_operation_duration_seconds_count", "code", "INTERNAL"): "it is a defect",
    ("gateway_circuit_state", "state", "half_open"): "it lasts for a few calls, perhaps between two scrapes",
}
"""Values of labels that the load does not cause, and why."""


def targets(dashboard: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the title, the query and the legend of each line of each panel, and those of the annotations."""
    panels = [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    return panels + [(each["name"], each["expr"], each["titleFormat"]) for each in dashboard["annotations"]["list"]]


def concrete(expression: str) -> str:
    """Replace the variables of Grafana by values."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*")


def every_expression(dashboard: dict[str, Any]) -> dict[str, str]:
    """Return all expressions, by where they are."""
    named = {f"panel {title}: {query}": query for title, query, _ in targets(dashboard)}
    named |= {f"alert {alert['alert']}": alert["expr"] for alert in ALERTS}
    return {where: concrete(query) for where, query in named.items()} | {text: concrete(text) for text in PROMQL}


def test_every_query_of_the_dashboard_has_data(observed: Observed, dashboard: dict[str, Any]) -> None:
    """Each query of a panel returns series with numbers, and these have the labels that its legend names."""
    missing = []
    for title, query, legend in targets(dashboard):
        series = observed.prometheus.query(concrete(query))
        labels = set(re.findall(r"{{(\w+)}}", legend))
        found = [each for each in series if each["value"][1] != "NaN"]
        if title in {"Starts", "Alerts"} and not series:  # annotations, which mark what did not happen
            continue
        if not found:
            missing.append(f"{title}: no data for {query}")
        elif not any(labels <= each["metric"].keys() for each in found):
            missing.append(f"{title}: no series has {labels} for {query}")
    assert not missing, "\n".join(missing)


def test_the_errors_are_errors(observed: Observed, dashboard: dict[str, Any]) -> None:
    """Panels with errors by their code show those of callers and sources, and no operations that succeeded."""
    queries = [query for title, query, _ in targets(dashboard) if title.startswith("Errors by")]
    assert len(queries) == 2
    for query in queries:
        codes = {each["metric"]["code"] for each in observed.prometheus.query(concrete(query))}
        assert {"BAD_USER_INPUT", "NOT_FOUND", "SOURCE_UNAVAILABLE"} <= codes
        assert codes <= set(Code)


def test_durations_lead_to_traces(observed: Observed, dashboard: dict[str, Any]) -> None:
    """Where a panel has exemplars, they are labelled as the data source of Prometheus finds their traces."""
    [queries] = [
        [target["expr"] for target in panel["targets"] if target.get("exemplar")]
        for panel in dashboard["panels"]
        if panel["title"] == "Duration of operations"
    ]
    sources = yaml.safe_load((FOLDER / "grafana/datasources.yaml").read_text())["datasources"]
    [link] = [link for source in sources for link in source.get("jsonData", {}).get("exemplarTraceIdDestinations", ())]
    assert link["datasourceUid"] in {source["uid"] for source in sources}
    for query in queries:
        exemplars = observed.prometheus.exemplars(concrete(query), observed.started)
        assert exemplars
        assert all(re.fullmatch(r"[0-9a-f]{32}", labels[link["name"]]) for labels in exemplars)


def test_every_metric_exists_and_moves(observed: Observed, dashboard: dict[str, Any]) -> None:
    """Each metric with its labels, in the dashboard, the alerts and the documentation, exists and has changed."""
    complaints = set()
    query = observed.prometheus.query
    for where, expression in every_expression(dashboard).items():
        used = {selector for selector in selectors(expression) if selector.metric != "ALERTS"}
        for selector in used:
            common = [each for each in selector.matchers if (selector.metric, each[0], each[2]) not in NOT_CAUSED]
            caused = Selector(selector.metric, tuple(common))
            if not query(str(caused)):
                complaints.add(f"there is no {caused} ({where})")
            elif selector.metric not in CONSTANT and not query(
                # A counter that began during the load has perhaps one value.
                f"changes({caused}[2m]) > 0 or ({caused} unless {caused} @ {observed.started:.3f})"
            ):
                complaints.add(f"{caused} does not move ({where})")
        labels = {label.strip() for names in re.findall(r"\bby \(([^)]*)\)", expression) for label in names.split(",")}
        pairs = {(selector.metric, label) for selector in used for label, *_ in selector.matchers}
        complaints |= {
            f"{metric} has no label {label} ({where})"
            for metric, label in pairs
            if not query(f'{metric}{{{label}!=""}}')
        }
        complaints |= {
            f"no metric has the label {label} ({where})"
            for label in labels
            if used and not any(query(f'{selector.metric}{{{label}!=""}}') for selector in used)
        }
    assert not complaints, "\n".join(sorted(complaints))


def test_every_alert_is_evaluated(observed: Observed) -> None:
    """Prometheus evaluates all alerts without errors, and those of what has failed in the load are due."""
    expected = {"GatewayOperationsFail", "SourceFails", "SourceRefusesCredentials", "SourceBudgetSpent", "GatewayFull"}
    expected |= {"WebhooksRefused"}
    rules, due = observed.prometheus.rules(), set[str]()
    end = time.monotonic() + 20
    while not expected <= due and time.monotonic() < end:  # they are evaluated every second
        time.sleep(0.2)
        rules = observed.prometheus.rules()
        due = {rule["name"] for rule in rules if rule["state"] != "inactive"}
    assert {rule["name"] for rule in rules} == {alert["alert"] for alert in ALERTS}
    assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"} == {}
    assert expected <= due


def test_promtool_has_no_objection_to_the_metrics(observed: Observed) -> None:
    """The names, units, types and descriptions of all metrics follow the conventions of Prometheus."""
    with urlopen(f"http://127.0.0.1:{observed.reader.port('9464')}/metrics", timeout=20) as response:
        metrics = response.read()
    command = [binary("promtool"), "check", "metrics"]
    checked = subprocess.run(command, input=metrics, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert (checked.returncode, checked.stdout.decode()) == (0, "")


@pytest.mark.parametrize("query", PROMQL)
def test_a_query_of_the_documentation(observed: Observed, query: str) -> None:
    """A query in docs/operations.md returns data after the load."""
    assert observed.prometheus.query(query)
