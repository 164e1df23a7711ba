"""Values from files that may be replaced by anything while the process runs."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from open_files import open_files

from gateway.kit.watched_file import WatchedFile


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _large(path: Path) -> None:
    path.write_bytes(b"x" * 1000)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("replace", [_pipe, _folder, _large, _endless])
def test_what_cannot_be_read(replace: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for a pipe, and no file takes all memory: the last value stays, and is logged once as such."""
    path = tmp_path / "file"
    path.write_bytes(b"first")
    file = WatchedFile(path, bytes.decode, max_bytes=999)
    path.unlink()
    replace(path)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            file.check()
    assert file.current() == "first"
    assert len(caplog.records) == 1
    assert str(path.resolve()) not in open_files(os.getpid())
    with pytest.raises((ValueError, OSError)):
        WatchedFile(path, bytes.decode, max_bytes=999)
