"""The check of references finds what leads nowhere."""

from pathlib import Path

import pytest
from lint.references import complaints


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one page in it."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/page.md").write_text("# Page\n\n## 1. One heading\n")
    return tmp_path


def found(root: Path, name: str, text: str) -> list[str]:
    """What the check says of a file with that text, without the file's name."""
    (root / name).write_text(text)
    return [one.removeprefix(f"{name}:1: ") for one in complaints(root, ["docs/page.md", name])]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# see account.md 6", "there is no account.md"),
        ("# docs/nowhere.md", "there is no docs/nowhere.md"),
        ('# docs/page.md, "Two"', "docs/page.md has no heading 'Two'"),
        ("# gateway/gone.py", "there is no gateway/gone.py"),
        ("# users/gone.py", "there is no users/gone.py"),
        ("# as in issue 4", "'issue 4' is not in this repository"),
    ],
)
def test_nowhere(root: Path, text: str, complaint: str) -> None:
    """A page, a heading, a path or an issue that is not in the repository is found."""
    assert found(root, "x.py", text) == [complaint]


def test_links(root: Path) -> None:
    """A link of a page is followed from where the page is."""
    assert found(root, "docs/other.md", "[one](page.md) [two](../docs/page.md#top)") == []
    assert found(root, "docs/other.md", "[one](gone.txt)") == ["the link to gone.txt leads nowhere"]


@pytest.mark.parametrize(
    "text", ['# docs/page.md, "One heading"', "# x.py", "hashlib.md5(b'')", "# https://host/docs/gone.md"]
)
def test_somewhere(root: Path, text: str) -> None:
    """What exists, what is no reference and what is another repository's passes."""
    assert found(root, "x.py", text) == []
