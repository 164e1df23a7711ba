"""Manifest files that change while the gateway runs."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from filing import no_file_opens, rewrite

from gateway.api.graphql.trusted.manifest import Manifest, ManifestError, ManifestFiles


def put(file: Path, content: str) -> None:
    """Replace the file as a deployment does: in one step."""
    other = file.with_suffix(".new")
    other.write_text(content)
    os.replace(other, file)  # noqa: PTH105 - the system call that deployments use


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "manifest.json"
    put(file, json.dumps({"a": "{ a }"}))
    return file


def test_unchanged(file: Path) -> None:
    """Files that have not changed are not read again: the manifest remains the same object."""
    files = ManifestFiles([file])
    before = files.manifest
    assert not files.refresh()
    assert files.manifest is before


def test_changed(file: Path) -> None:
    """A changed file replaces the manifest at the next refresh."""
    files = ManifestFiles([file])
    put(file, json.dumps({"b": "{ b }"}))
    assert files.refresh()
    assert (files.manifest.find("a"), files.manifest.find("b")) == (None, "{ b }")


@pytest.mark.parametrize("content", ["{", "", '{"a": 1}', None])
def test_broken(file: Path, content: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is deleted, or cannot be used after a change, is logged once and does not change the documents."""
    files = ManifestFiles([file])
    if content is None:
        file.unlink()
    else:
        put(file, content)
    assert not files.refresh()
    assert not files.refresh()
    assert files.manifest.find("a") == "{ a }"
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "the trusted documents were not replaced"
    ]
    put(file, json.dumps({"b": "{ b }"}))
    assert files.refresh()
    assert files.manifest.find("b") == "{ b }"


def test_unreadable(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A changed file that cannot be opened is logged once, and is read as soon as it can be opened."""
    files = ManifestFiles([file])
    put(file, json.dumps({"b": "{ b }"}))
    with no_file_opens():
        assert not files.refresh()
        assert not files.refresh()
    assert len(caplog.records) == 1
    assert files.refresh()
    assert (files.manifest.find("a"), files.manifest.find("b")) == (None, "{ b }")


def test_the_same_time_and_size(file: Path) -> None:
    """A change is noticed although the file's size and modification time are the same."""
    files, before = ManifestFiles([file]), file.stat()
    rewrite(file, json.dumps({"b": "{ b }"}))
    assert (file.stat().st_mtime_ns, file.stat().st_size) == (before.st_mtime_ns, before.st_size)
    assert files.refresh()
    assert files.manifest.find("b") == "{ b }"


def test_broken_at_start(file: Path) -> None:
    """At the start a manifest that cannot be used is an error that names the file."""
    put(file, "{")
    with pytest.raises(ManifestError, match=r"manifest\.json is not JSON"):
        ManifestFiles([file])


async def test_watched(file: Path) -> None:
    """`watch` calls its callback with each new manifest, so that its documents can be prepared."""
    files = ManifestFiles([file])
    manifests: asyncio.Queue[Manifest] = asyncio.Queue()
    task = asyncio.create_task(files.watch(manifests.put_nowait, every=0.01))
    put(file, json.dumps({"b": "{ b }"}))
    manifest = await asyncio.wait_for(manifests.get(), 30)
    assert list(manifest) == ["{ b }"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
