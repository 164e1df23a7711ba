"""The commands and programs in README.md, docs/ and examples/ work, and have the documented results."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from documents.blocks import Section, sections
from documents.reader import running_reader

from gateway.settings import Settings
from gateway.settings.names import leaves
from gateway.telemetry.metrics import Metrics

CLIENTS = sorted((ROOT / "docs/clients").glob("*.md"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *CLIENTS, ROOT / "examples/README.md"]
SECTIONS = [section for file in DOCUMENTS[1:] for section in sections(ROOT, file.relative_to(ROOT))]
UNDER_LOAD = "docs/operations.md"  # tests/observability executes it, beside a demo under load
README = list(sections(ROOT, Path("README.md")))  # whose sections are followed one after the other
NODE = ROOT / "tests/api/graphql/live/node"


@pytest.mark.parametrize(
    "section",
    [section for section in SECTIONS if any(block.runs for block in section.blocks) and section.document != UNDER_LOAD],
    ids=lambda section: f"{section.document} {section.heading}",
)
def test_each_section_works(section: Section, tmp_path: Path, node_in: Callable[[Path], Path]) -> None:
    """The blocks of each section have the documented results, in order; a section without a gateway uses the demo."""
    if any(block.language == "js" for block in section.blocks):
        node_in(NODE)
        (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with running_reader(tmp_path) as reader:
        if not section.serves:
            reader.serve()
        for block in section.blocks:
            reader.do(block)


def test_the_readme_works_in_order(tmp_path: Path) -> None:
    """The sections of README.md have the documented results when they are executed in order, beside one demo."""
    with running_reader(tmp_path) as reader:
        reader.serve()
        for section in README:
            for block in section.blocks:
                reader.do(block)


NO_SETTINGS = {"GATEWAY_ACCOUNT_BASE_URL", "GATEWAY_INTERFACE", "GATEWAY_PORT", "GATEWAY_SERVICE_HOST"}
"""A mistake that docs/settings.md has as an example, and the variables of other programs there."""


@pytest.mark.parametrize("section", README + SECTIONS, ids=lambda section: f"{section.document} {section.heading}")
def test_every_block_states_its_use(section: Section) -> None:
    """Each block with commands or a program states whether it is executed."""
    for block in section.blocks:
        if block.language in {"sh", "python", "js"}:
            assert block.use in {"run", "background", "example"}, f"{section.document}:{block.line}"


@pytest.mark.parametrize("page", CLIENTS, ids=lambda page: page.stem)
def test_code_of_a_client_is_from_its_example(page: Path) -> None:
    """Each line of a `ts` block on the page of a client is a line of its application, which is tested in a browser."""
    folder = ROOT / "examples" / page.stem
    files = [file for pattern in ("*.ts", "src/*.ts*") for file in folder.glob(pattern)]
    lines = {line.strip() for file in files for line in file.read_text().splitlines()}
    blocks = [block for section in sections(ROOT, page.relative_to(ROOT)) for block in section.blocks]
    shown = {
        line.strip()
        for block in blocks
        if (block.language, block.use) == ("ts", "")
        for line in block.text.splitlines()
    }
    assert shown
    assert shown - lines == set()


def test_every_documented_setting_exists() -> None:
    """Each environment variable in a document exists in the code."""
    known = {leaf.variable for leaf in leaves(Settings)} | {"GATEWAY_CONFIG"} | NO_SETTINGS
    for file in DOCUMENTS:
        assert set(re.findall(r"\bGATEWAY_[A-Z_]*[A-Z]\b", file.read_text())) <= known, file.name


def test_every_metric_is_documented() -> None:
    """The tables of docs/metrics.md have exactly the metrics of the code, with labels and OpenTelemetry's names."""
    text = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+)` \| `([a-z_.]+)` \| ([a-z_, ]*)\|", text, re.MULTILINE)
    documented = {
        name.removesuffix("_total"): (exported, [label for label in labels.strip().split(", ") if label])
        for name, exported, labels in rows
    }
    metrics = Metrics()
    assert {family.name for family in metrics.registry.collect()} == set(metrics.names)
    assert documented == {name: (named.name, list(named.attributes)) for name, named in metrics.names.items()}


def test_every_link_leads_somewhere() -> None:
    """Each relative link of a document leads to an existing file."""
    for file in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text()):
            if "://" not in target:
                assert (file.parent / target).exists(), f"{file.name}: {target}"
