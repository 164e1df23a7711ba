"""The check of names finds what it is for, and passes what it should."""

import pytest
from lint.names import ROOT, complaints, read_glossary

GLOSSARY = read_glossary((ROOT / "docs/glossary.md").read_text())


@pytest.mark.parametrize(
    "source",
    [
        "class ToldStore: ...",
        "def hear(event): ...",
        "def send(own_key): ...",
        "async def send(*, asked=None): ...",
        "class A:\n    def __init__(self):\n        self._turn = 1",
        "class A:\n    place: int = 0",
        "for word in []: ...",
        "import re as odd",
        "try: ...\nexcept ValueError as told: ...",
        "match x:\n    case [*leftovers]: ...",
        "f = lambda news: news",
    ],
)
def test_retired_words_are_found(source: str) -> None:
    """A retired word is found in every kind of name that a module defines."""
    [complaint] = complaints({"gateway/x.py": source}, GLOSSARY)
    assert "retired word" in complaint
    assert complaint.startswith("gateway/x.py:")


@pytest.mark.parametrize("path", ["gateway/told.py", "gateway/told/__init__.py"])
def test_modules_are_read(path: str) -> None:
    """The name of a module or a package is read, too."""
    [complaint] = complaints({path: ""}, GLOSSARY)
    assert "'told'" in complaint


def test_what_stays() -> None:
    """Words that only contain a retired word, names that the glossary lists and uses of other names pass."""
    functions = "def replace(owner, downside): print(told.word)\n"
    classes = "class OwnerType:\n    SYSTEM = 1\nclass GateSettings:\n    patience: int"
    assert list(complaints({"gateway/x.py": functions + classes}, GLOSSARY)) == []


def test_two_classes_of_one_name() -> None:
    """Two public classes of one name are found; private ones may share theirs."""
    files = {"gateway/a.py": "class A: ...\nclass _B: ...", "gateway/b.py": "class A: ...\nclass _B: ..."}
    [complaint] = complaints(files, GLOSSARY)
    assert complaint == "gateway/a.py:1: A is also the name of the class at gateway/b.py:1"
