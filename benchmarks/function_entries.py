"""The command line of the gateway, with a count of the entries into Python functions.

`python -m benchmarks.function_entries FILE serve` runs it. SIGUSR1 writes the counts since the last SIGUSR1 to FILE, as
JSON: a list of `[module, line, name, entries]`. A coroutine is entered once when it is first run, and once each time it
resumes. Calls of C functions are counted by their names, with the module `C`.
"""

import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import orjson

from gateway.__main__ import main

__all__: list[str] = []


class _Entries:
    """Counts the entries, by code or by name of the C function."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._counts: Counter[CodeType | str] = Counter()

    def count(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            self._counts[frame.f_code] += 1
        elif event == "c_call":
            self._counts[argument.__qualname__] += 1

    def write(self, *_: Any) -> None:
        counts, self._counts = self._counts, Counter()  # what follows is counted as well
        rows = [
            ["C", 0, code, count]
            if isinstance(code, str)
            else [code.co_filename, code.co_firstlineno, code.co_qualname, count]
            for code, count in counts.most_common()
        ]
        unfinished = self._file.with_suffix(".part")
        unfinished.write_bytes(orjson.dumps(rows))
        unfinished.rename(self._file)


if __name__ == "__main__":
    entries = _Entries(Path(sys.argv.pop(1)))
    signal.signal(signal.SIGUSR1, entries.write)
    sys.setprofile(entries.count)
    main()
