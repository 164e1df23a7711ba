"""docs/operations.md: its commands and queries have results beside a demo under load, and its tables are complete."""

import json
import re
from pathlib import Path

import pytest
from conftest import ROOT
from documents.blocks import Section, sections
from observability.conftest import Observed

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
