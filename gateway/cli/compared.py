"""Compares a file with what a command would write to it."""

import difflib
import sys
from errno import ENOENT
from pathlib import Path

__all__ = ["is_current"]


def is_current(file: Path, text: str, origin: str, missing: str) -> bool:
    """Return whether the file has the text; print a diff if it has another, whose second side is named `origin`.

    Raises:
        FileNotFoundError: there is no such file. The message is `missing`, which names the command that writes it.
    """
    if not file.exists():
        raise FileNotFoundError(ENOENT, missing, str(file))
    present = file.read_text()
    lines = (present.splitlines(True), text.splitlines(True))
    sys.stdout.writelines(difflib.unified_diff(*lines, str(file), origin))
    return present == text
