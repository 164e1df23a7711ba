"""Manifests in the formats that builds of clients write."""

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
    """Apollo's manifest, Relay's and codegen's map and Relay's list have the same documents."""
    manifest = read_manifests(written(tmp_path, content))
    assert manifest.find("aa") == "query A { a }"
    assert manifest.find("bb") == "mutation B { b }"
    assert manifest.find("cc") is None
    assert sorted(manifest) == ["mutation B { b }", "query A { a }"]


@pytest.mark.parametrize(
    ("key", "id"),
    [("ab", "ab"), ("ab", "sha256:ab"), ("ab", "x-relay:ab"), ("sha256:ab", "sha256:ab"), ("sha256:ab", "ab")],
)
def test_prefixes(tmp_path: Path, key: str, id: str) -> None:
    """An id is found with and without the prefix of the persisted documents proposal."""
    assert read_manifests(written(tmp_path, {key: "{ a }"})).find(id) == "{ a }"


def test_prefixes_kept_apart(tmp_path: Path) -> None:
    """The exact id takes priority over the id without its prefix."""
    manifest = read_manifests(written(tmp_path, {"ab": "{ a }", "x-foo:ab": "{ b }"}))
    assert manifest.find("x-foo:ab") == "{ b }"
    assert manifest.find("x-bar:ab") == "{ a }"


def test_texts(tmp_path: Path) -> None:
    """A text is found if it is exactly that of a document, not if it only has the same meaning."""
    manifest = read_manifests(written(tmp_path, {"ab": "{ a }"}))
    assert manifest.has("{ a }")
    assert not manifest.has("{a}")


def test_several_files(tmp_path: Path) -> None:
    """Several files form one manifest; a document may be in more than one of them."""
    manifest = read_manifests(written(tmp_path, {"ab": "{ a }"}, [["ab", "{ a }"], ["cd", "{ b }"]], APOLLO))
    assert len(manifest) == 4


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (["{"], "0.json is not JSON: "),
        ([""], "0.json is not JSON: "),
        (["3"], "0.json is neither Apollo's, nor a map of id to text, nor a list of pairs."),
        ([[["ab"]]], "0.json is neither Apollo's"),
        ([{"format": "apollo-persisted-query-manifest", "version": 1}], "0.json is neither Apollo's"),
        ([APOLLO | {"operations": ["x"]}], "0.json is neither Apollo's"),
        (
            [APOLLO | {"version": 2}],
            "0.json is apollo-persisted-query-manifest 2; only apollo-persisted-query-manifest 1",
        ),
        ([APOLLO | {"format": "other"}], "0.json is other 1; only apollo-persisted-query-manifest 1 is supported."),
        ([APOLLO | {"operations": [{"id": "ab"}]}], "0.json has an entry without an id or a text: 'ab'."),
        ([{"ab": 3}], "0.json has an entry without an id or a text: 'ab'."),
        ([{"": "{ a }"}], "0.json has an entry without an id or a text: ''."),
        ([[[1, "{ a }"]]], "0.json has an entry without an id or a text: 1."),
        ([{"ab": "{ a }"}, {"ab": "{ b }"}], "1.json has another text for the id ab."),
    ],
)
def test_broken(tmp_path: Path, contents: list[Any], message: str) -> None:
    """The error for a manifest that cannot be used names the file and the defect."""
    with pytest.raises(ManifestError) as raised:
        read_manifests(written(tmp_path, *contents))
    assert message in str(raised.value)


def test_missing(tmp_path: Path) -> None:
    """The error for a file that does not exist names it."""
    with pytest.raises(ManifestError, match=r"none\.json cannot be read: No such file or directory\."):
        read_manifests([tmp_path / "none.json"])
