"""The README and docs/: what they tell a reader to do works, and what they show is what there is."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from documents.doing import reading
from documents.reading import Section, sections

from gateway.api.web.metrics import Metrics
from gateway.settings.options import leaves

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples/README.md"]
SECTIONS = [section for file in DOCUMENTS[1:] for section in sections(ROOT, file.relative_to(ROOT))]
README = list(sections(ROOT, Path("README.md")))  # whose sections are followed one after the other
NODE = ROOT / "tests/api/graphql/live/node"
APOLLO = ROOT / "examples/apollo"


@pytest.mark.parametrize(
    "section",
    [section for section in SECTIONS if any(block.runs for block in section.blocks)],
    ids=lambda section: f"{section.document} {section.heading}",
)
def test_each_section_works(section: Section, tmp_path: Path, node_in: Callable[[Path], Path]) -> None:
    """The blocks of each section do what they show, in order; where the section starts no gateway, with a demo."""
    if any(block.language == "js" for block in section.blocks):
        node_in(NODE)
        (tmp_path / "node_modules").symlink_to(NODE / "node_modules")
    if any("examples/apollo" in block.text for block in section.blocks):
        node_in(APOLLO)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with reading(tmp_path) as reader:
        if not section.serves:
            reader.serve()
        for block in section.blocks:
            reader.do(block)


def test_the_readme_works_in_order(tmp_path: Path) -> None:
    """All sections of the README do what they show when they are followed in order beside one running demo."""
    with reading(tmp_path) as reader:
        reader.serve()
        for section in README:
            for block in section.blocks:
                reader.do(block)


@pytest.mark.parametrize("section", README + SECTIONS, ids=lambda section: f"{section.document} {section.heading}")
def test_every_block_says_what_to_do_with_it(section: Section) -> None:
    """Whether a command or a program is run by these tests is never left open."""
    for block in section.blocks:
        if block.language in {"sh", "python", "js"}:
            assert block.use in {"run", "background", "example"}, f"{section.document}:{block.line}"


def test_no_setting_is_told_that_there_is_not() -> None:
    """Each variable that a document names is one of the code's."""
    known = {leaf.variable for leaf in leaves()} | {"GATEWAY_CONFIG"}
    for file in DOCUMENTS:
        assert set(re.findall(r"\bGATEWAY_[A-Z_]*[A-Z]\b", file.read_text())) <= known, file.name


def test_every_metric_is_told() -> None:
    """Each metric of the code is in the table of docs/production.md, and no other is."""
    told = re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs/production.md").read_text(), re.MULTILINE)
    known = {family.name for family in Metrics().registry.collect()}
    assert {name.removesuffix("_total") for name in told} == known


def test_every_link_leads_somewhere() -> None:
    """Each relative link of a document is a file that is there."""
    for file in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text()):
            if "://" not in target:
                assert (file.parent / target).exists(), f"{file.name}: {target}"
