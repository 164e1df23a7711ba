"""The filter that limits log records of one kind."""

import logging

import pytest

from gateway.kit.log_limit import LogLimit


@pytest.fixture
def written() -> tuple[logging.Logger, list[str]]:
    """A logger with the filter, and what it wrote."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            left_out = f" left_out={record.left_out}" if hasattr(record, "left_out") else ""
            lines.append(record.getMessage() + left_out)

    handler = Handler()
    handler.addFilter(LogLimit())
    logger = logging.Logger("limited")  # noqa: LOG001 - nobody else logs with it
    logger.addHandler(handler)
    return logger, lines


def test_many_records(written: tuple[logging.Logger, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many equal records 20 are written at once, and then one a second with the number of those left out."""
    logger, lines = written
    now = 100.0
    monkeypatch.setattr("gateway.kit.log_limit.time.monotonic", lambda: now)

    def log() -> None:
        logger.warning("request %s failed", len(lines))

    for _ in range(1_000):
        log()
    assert len(lines) == 20
    for _ in range(100):
        now += 0.1
        log()
    assert 28 <= len(lines) <= 31
    assert lines[20].endswith(" left_out=990")
    assert "left_out" not in lines[19]


def test_kinds(written: tuple[logging.Logger, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of other lines, texts and exceptions are not affected, nor are those below WARNING."""
    logger, lines = written
    monkeypatch.setattr("gateway.kit.log_limit.time.monotonic", lambda: 100.0)

    def fail(kind: type[Exception]) -> None:
        try:
            raise kind("x")  # noqa: TRY301 - the filter looks at where it was raised
        except Exception:
            logger.exception("defect in request %s", len(lines))

    for _ in range(100):
        fail(ValueError)
    assert len(lines) == 20
    fail(KeyError)
    logger.error("defect in request %s", 1)
    assert len(lines) == 22
    for number in range(100):
        logger.info("replaced %s", number)
    assert len(lines) == 122
