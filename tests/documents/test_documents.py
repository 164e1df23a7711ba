"""The commands and programs in README.md, docs/ and examples/ work, and have the documented results."""

import re
from collections.abc import Callable
from functools import cache
from itertools import chain
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
IN_ORDER = [ROOT / "README.md", ROOT / "docs/grpc.md"]  # whose sections are followed one after the other
SECTIONS = [section for file in DOCUMENTS if file not in IN_ORDER for section in sections(ROOT, file.relative_to(ROOT))]
ORDERED = {file: list(sections(ROOT, file.relative_to(ROOT))) for file in IN_ORDER}
UNDER_LOAD = "docs/operations.md"  # tests/observability executes it, beside a demo under load
NODE = ROOT / "tests/api/graphql/live/node"
NODE_OF_GRPC = ROOT / "tests/api/grpc/node"


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


@pytest.mark.parametrize("file", IN_ORDER, ids=lambda file: file.name)
def test_a_page_works_in_order(file: Path, tmp_path: Path, node_in: Callable[[Path], Path]) -> None:
    """The sections of a page have the documented results when they are executed in order, beside one demo."""
    if any(block.language == "js" for section in ORDERED[file] for block in section.blocks):
        node_in(NODE_OF_GRPC)
        (tmp_path / "node_modules").symlink_to(NODE_OF_GRPC / "node_modules")
    with running_reader(tmp_path) as reader:
        reader.serve()
        for section in ORDERED[file]:
            for block in section.blocks:
                reader.do(block)


NO_SETTINGS = {"GATEWAY_ACCOUNT_BASE_URL", "GATEWAY_INTERFACE", "GATEWAY_PORT", "GATEWAY_SERVICE_HOST"}
"""A mistake that docs/settings.md has as an example, and the variables of other programs there."""


@pytest.mark.parametrize(
    "section", [*chain(*ORDERED.values()), *SECTIONS], ids=lambda section: f"{section.document} {section.heading}"
)
def test_every_block_states_its_use(section: Section) -> None:
    """Each block with commands or a program states whether it is executed."""
    for block in section.blocks:
        if block.language in {"sh", "python", "js"}:
            assert block.use in {"run", "background", "example"}, f"{section.document}:{block.line}"


@pytest.mark.parametrize("page", [*CLIENTS, ROOT / "docs/grpc.md"], ids=lambda page: page.stem)
def test_code_of_a_client_is_from_its_example(page: Path) -> None:
    """Each line of a `ts` or `go` block on the page of a client is a line of its application, which has its tests."""
    folder = ROOT / "examples" / page.stem
    files = [file for pattern in ("*.ts", "src/*.ts*", "go/*.go") for file in folder.glob(pattern)]
    lines = {line.strip() for file in files for line in file.read_text().splitlines()}
    blocks = [block for section in sections(ROOT, page.relative_to(ROOT)) for block in section.blocks]
    shown = {
        line.strip()
        for block in blocks
        if (block.language, block.use) in {("ts", ""), ("go", "")}
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
    """Each relative link of a document leads to an existing file, and to a heading of it."""
    for file in DOCUMENTS:
        for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", _prose(file)):
            if "://" not in target:
                page = file.parent / target if target else file
                assert page.exists(), f"{file.name}: {target}"
                if anchor and page.suffix == ".md":
                    assert anchor in _anchors(page), f"{file.name}: {target}#{anchor}"


def _prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@cache
def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
