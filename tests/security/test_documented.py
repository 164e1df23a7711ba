"""Every statement of SECURITY.md has a test."""

import ast
import re
from functools import cache

import pytest
from conftest import ROOT

TEXT = (ROOT / "SECURITY.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)))


@cache
def _tests_of(file: str) -> set[str]:
    parsed = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in ast.walk(parsed) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_named_test_exists(file: str, name: str) -> None:
    """Each test that SECURITY.md names exists."""
    assert name in _tests_of(file)


def test_every_row_is_shown() -> None:
    """All 44 rows are there, each with a test."""
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", TEXT, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 45))
    assert [number for number, row in rows if "::test_" not in row] == []
