"""docs/compiled.md shows the generated code."""

import ast
import subprocess
import sys
from pathlib import Path

from conftest import ROOT
from documents.blocks import sections


def test_the_example_is_the_generated_code(tmp_path: Path) -> None:
    """The output of the page's program is the code of its examples, apart from comments and layout."""
    blocks = [
        block
        for section in sections(ROOT, Path("docs/compiled.md"))
        for block in section.blocks
        if block.language == "python"
    ]
    programs = [block.text for block in blocks if block.use == "run"]
    examples = [block.text for block in blocks if block.use == "example"]
    assert len(programs) == 1
    output = subprocess.run(
        [sys.executable, "-c", programs[0]], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert _parts(output) == _parts("".join(examples))


def _parts(code: str) -> dict[str, str]:
    """Return the functions of each part without comments and layout, by the comment that begins the part."""
    parts = [part.partition("\n") for part in code.split("# $") if part.strip()]
    return {title: ast.unparse(ast.parse(functions)) for title, _, functions in parts}
