"""The stream of the log, with pipes that nobody reads."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Iterator

import pytest

from gateway.telemetry.log_stream import LogStream

LINE = "x" * 99 + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, LogStream]]:
    """A stream to a pipe, and the descriptor to read it by."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as _, os.fdopen(writer, "w") as stream:
        yield reader, LogStream(stream)


def read(descriptor: int) -> str:
    """Return what is in the pipe now."""
    return os.read(descriptor, 1 << 20).decode()


def test_a_line_is_written_at_once(pipe: tuple[int, LogStream]) -> None:
    """Nothing waits for a flush."""
    descriptor, log = pipe
    log.write("one\n")
    assert read(descriptor) == "one\n"


async def test_a_full_pipe(pipe: tuple[int, LogStream]) -> None:
    """What a pipe cannot take is written, whole and in order, as soon as somebody reads; the writer does not wait."""
    descriptor, log = pipe
    lines = [f"{number:099}\n" for number in range(2_000)]
    for line in lines:
        log.write(line)
    found = ""
    for _ in range(100):
        found += read(descriptor)
        if len(found) >= len("".join(lines)):
            break
        await asyncio.sleep(0.06)
    assert found == "".join(lines)


def test_a_reader_that_has_stopped(pipe: tuple[int, LogStream]) -> None:
    """Lines beyond 1 MiB are dropped, and the log then states how many."""
    descriptor, log = pipe
    number = 20_000
    for _ in range(number):
        log.write(LINE)
    found = ""
    while "dropped" not in found:
        found += read(descriptor)
        log.write("later\n")
    dropped = int(found.split(" lines of the log were dropped")[0].rsplit(" ", 1)[-1])
    assert found.count(LINE) + dropped == number
    assert dropped > 0


def test_a_reader_that_has_gone() -> None:
    """A closed pipe is no error of the process that writes to it."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        log = LogStream(stream)
        os.close(reader)
        for _ in range(3):
            log.write(LINE)
        log.write("y" * 10_000 + "\n")
        log.close()


def test_a_long_line(pipe: tuple[int, LogStream]) -> None:
    """A traceback is longer than what a pipe takes in one piece."""
    descriptor, log = pipe
    log.write("z" * 10_000 + "\n")
    assert read(descriptor) == "z" * 10_000 + "\n"


def test_a_finalizer_that_logs(pipe: tuple[int, LogStream]) -> None:
    """The garbage collector may run a finalizer that logs in the middle of a write: both lines are written."""
    descriptor, log = pipe

    class Garbage:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            log.write("finalized\n")

    found = ""

    def write_lines() -> None:
        nonlocal found
        for threshold in range(1, 40):
            gc.set_threshold(threshold)
            for _ in range(40):
                Garbage()
                log.write("line\n")
            found += read(descriptor)

    thresholds = gc.get_threshold()
    thread = threading.Thread(target=write_lines, daemon=True)  # which may wait for itself without end
    thread.start()
    thread.join(20)
    gc.set_threshold(*thresholds)
    assert not thread.is_alive()
    words, end = found.split(), time.monotonic() + 20
    while words.count("finalized") < 39 * 40 and time.monotonic() < end:
        gc.collect()  # which does nothing while another thread is in the middle of that
        log.write("end\n")
        words += read(descriptor).split()
    assert set(words) == {"line", "finalized", "end"}
    assert words.count("line") == words.count("finalized") == 39 * 40
