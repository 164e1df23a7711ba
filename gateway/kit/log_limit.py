"""Limits how many log records of one kind are written: a client that causes a defect can cause it again and again."""

import logging
import time
from collections import OrderedDict
from collections.abc import Container
from types import TracebackType

__all__ = ["LogLimit"]

_BURST = 20  # records of a kind that are written at once
_INTERVAL = 1.0  # seconds, in which one more is written
_KINDS = 1_000  # that are remembered


class LogLimit(logging.Filter):
    """A filter of a handler: of each kind of record it passes 20 at once, and then one a second.

    Records with an exception are of one kind if the same line of code logged them and the same line raised the
    exception; others if the same line logged them with the same text, before its arguments are inserted. The next
    record that passes states in `left_out` how many did not. Records below WARNING are not limited, nor are those of
    the loggers `unlimited`: who logs or reads them wants to see each.
    """

    def __init__(self, *, unlimited: Container[str] = ()) -> None:
        super().__init__()
        self._unlimited = unlimited
        self._kinds: OrderedDict[tuple[object, ...], _Kind] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write a record."""
        if record.levelno < logging.WARNING or record.name in self._unlimited:
            return True
        key = _key(record)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _Kind()
            if len(self._kinds) > _KINDS:
                self._kinds.popitem(last=False)
        else:
            self._kinds.move_to_end(key)
        if not kind.may_pass(time.monotonic()):
            return False
        if kind.left_out:
            record.left_out = kind.left_out
            kind.left_out = 0
        else:
            vars(record).pop("left_out", None)  # the filter of another handler set it
        return True


class _Kind:
    __slots__ = ("_passed", "_since", "left_out")

    def __init__(self) -> None:
        self._passed = 0.0  # how many of the burst are used up
        self._since = time.monotonic()
        self.left_out = 0

    def may_pass(self, now: float) -> bool:
        self._passed = max(0.0, self._passed - (now - self._since) / _INTERVAL)
        self._since = now
        if self._passed + 1 > _BURST:
            self.left_out += 1
            return False
        self._passed += 1
        return True


def _key(record: logging.LogRecord) -> tuple[object, ...]:
    if record.exc_info:
        error_type, _, trace = record.exc_info
        return (record.pathname, record.lineno, error_type, *_innermost(trace))
    return (record.pathname, record.lineno, record.msg if record.args else "")


def _innermost(trace: TracebackType | None) -> tuple[object, ...]:
    if trace is None:
        return ()
    while trace.tb_next is not None:
        trace = trace.tb_next
    return (trace.tb_frame.f_code, trace.tb_lineno)
