"""docs/operations.md: its commands and queries have results beside a demo under load, and its tables are complete."""

import json
import re
import time
from pathlib import Path

import pytest
from conftest import ROOT
from documents.blocks import Section, sections
from observability.conftest import Observed

from gateway.telemetry.state_changes import StateKind

PAGE = Path("docs/operations.md")
SECTIONS = [section for section in sections(ROOT, PAGE) if any(block.use == "run" for block in section.blocks)]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.heading)
def test_the_commands_of_a_section(observed: Observed, section: Section) -> None:
    """Each command finds something after the load, and the documented text is in its output."""
    for block in section.blocks:
        if block.language in {"sh", "text"}:
            observed.reader.do(block)
        if block.use == "run":
            assert observed.reader.last_output.strip(), block.text


def test_every_field_of_the_access_log_is_described(observed: Observed) -> None:
    """The table of fields has exactly the fields of the lines of the access log."""
    lines = map(json.loads, (observed.reader.folder / "gateway.log").read_text().splitlines())
    logged = {name for line in lines if line["logger"] == "gateway.access" for name in line}
    table = (ROOT / PAGE).read_text().partition("## The access log")[2]
    rows = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert described == logged


def test_every_state_is_described() -> None:
    """The table of states has exactly the states of the code."""
    table = (ROOT / PAGE).read_text().partition("## The log")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(StateKind)


def test_the_spans_of_the_page(observed: Observed) -> None:
    """Each name of a span on the page is that of a span that was sent, and nothing but traces was sent."""
    table = (ROOT / PAGE).read_text().partition("## Which call took the time")[2].partition("\n## ")[0]
    named = {
        name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)
    }
    assert named
    end = time.monotonic() + 15  # spans are sent every few seconds
    while not named <= observed.collector.spans and time.monotonic() < end:
        time.sleep(0.2)
    assert named <= observed.collector.spans, sorted(observed.collector.spans)
    assert observed.collector.paths == {"/v1/traces"}
