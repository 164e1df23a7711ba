"""Manifests in the forms that clients' builds write."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.api.graphql.trusted.manifest import ManifestError, read_manifests

APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": "aa", "name": "A", "type": "query", "body": "query A { a }"},
        {"id": "bb", "name": "B", "type": "mutation", "body": "mutation B { b }"},
    ],
}


def written(folder: Path, *contents: Any) -> list[Path]:
    files = [folder / f"{number}.json" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    return files


@pytest.mark.parametrize(
    "content",
    [
        APOLLO,
        {"aa": "query A { a }", "bb": "mutation B { b }"},
        [["aa", "query A { a }"], ["bb", "mutation B { b }"]],
    ],
)
def test_forms(tmp_path: Path, content: Any) -> None:
    """Apollo's manifest, Relay's and codegen's map and Relay's list say the same."""
    manifest = read_manifests(written(tmp_path, content))
    assert manifest.find("aa") == "query A { a }"
    assert manifest.find("bb") == "mutation B { b }"
    assert manifest.find("cc") is None
    assert sorted(manifest) == ["mutation B { b }", "query A { a }"]


@pytest.mark.parametrize(
    ("key", "asked"),
    [("ab", "ab"), ("ab", "sha256:ab"), ("ab", "x-relay:ab"), ("sha256:ab", "sha256:ab"), ("sha256:ab", "ab")],
)
def test_prefixes(tmp_path: Path, key: str, asked: str) -> None:
    """An id is found with the prefix of the persisted documents proposal and without it."""
    assert read_manifests(written(tmp_path, {key: "{ a }"})).find(asked) == "{ a }"


def test_prefixes_kept_apart(tmp_path: Path) -> None:
    """An id with a prefix is itself before it is another without."""
    manifest = read_manifests(written(tmp_path, {"ab": "{ a }", "x-foo:ab": "{ b }"}))
    assert manifest.find("x-foo:ab") == "{ b }"
    assert manifest.find("x-bar:ab") == "{ a }"


def test_texts(tmp_path: Path) -> None:
    """A text is known to the letter, and not by what it means."""
    manifest = read_manifests(written(tmp_path, {"ab": "{ a }"}))
    assert manifest.has("{ a }")
    assert not manifest.has("{a}")


def test_several_files(tmp_path: Path) -> None:
    """Several clients' manifests are one; what two of them share may be in both."""
    manifest = read_manifests(written(tmp_path, {"ab": "{ a }"}, [["ab", "{ a }"], ["cd", "{ b }"]], APOLLO))
    assert len(manifest) == 4


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (["{"], "0.json is not JSON: "),
        ([""], "0.json is not JSON: "),
        (["3"], "0.json is neither Apollo's, nor a map of id to text, nor a list of pairs."),
        ([[["ab"]]], "0.json is neither Apollo's"),
        ([{"format": "apollo-persisted-query-manifest", "version": 1}], "0.json is neither Apollo's"),
        ([APOLLO | {"operations": ["x"]}], "0.json is neither Apollo's"),
        ([APOLLO | {"version": 2}], "0.json is apollo-persisted-query-manifest 2; apollo-persisted-query-manifest 1"),
        ([APOLLO | {"format": "other"}], "0.json is other 1; apollo-persisted-query-manifest 1 is known."),
        ([APOLLO | {"operations": [{"id": "ab"}]}], "0.json has an entry without an id or a text: 'ab'."),
        ([{"ab": 3}], "0.json has an entry without an id or a text: 'ab'."),
        ([{"": "{ a }"}], "0.json has an entry without an id or a text: ''."),
        ([[[1, "{ a }"]]], "0.json has an entry without an id or a text: 1."),
        ([{"ab": "{ a }"}, {"ab": "{ b }"}], "1.json has another text for the id ab."),
    ],
)
def test_broken(tmp_path: Path, contents: list[Any], sentence: str) -> None:
    """A manifest that cannot be used is refused in a sentence that names the file and what is wrong with it."""
    with pytest.raises(ManifestError) as told:
        read_manifests(written(tmp_path, *contents))
    assert sentence in str(told.value)


def test_missing(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ManifestError, match=r"none\.json cannot be read: No such file or directory\."):
        read_manifests([tmp_path / "none.json"])
