"""The last warnings of a gateway, kept in memory for its operators."""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.kit.log_limit import LogLimit
from gateway.operation import current_gateway
from gateway.telemetry.log_fields import operation_fields

__all__ = ["LoggedWarning", "RecentWarnings"]

_MAX_WARNINGS = 50
_LOGGER = "gateway"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LoggedWarning(msgspec.Struct, frozen=True):
    """A warning or an error of the log.

    `time` is when it was logged last, in seconds since 1970, and `count` how often in all. `fields` are its further
    values, by name; `error` is the type of the exception, which itself is only in the log.
    """

    time: float
    level: str
    logger: str
    message: str
    fields: Mapping[str, Any] = {}
    error: str | None = None
    count: int = 1


class RecentWarnings(logging.Handler):
    """Keeps the last 50 different warnings and errors of the loggers `gateway…`; equal ones are one with a count.

    `install` and `remove` belong to the start and the end of a gateway. All gateways of a process log in common: those
    that code of another one has logged are not kept, and those of unknown origin are kept by each.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._warnings: OrderedDict[tuple[str, str], LoggedWarning] = OrderedDict()
        self.addFilter(LogLimit())  # of a flood of one kind, only some remove older warnings of other kinds

    def install(self) -> None:
        """Begin to keep warnings."""
        logging.getLogger(_LOGGER).addHandler(self)

    def remove(self) -> None:
        """Keep no more warnings."""
        logging.getLogger(_LOGGER).removeHandler(self)

    def latest(self) -> list[LoggedWarning]:
        """Return the kept warnings, the latest one first."""
        self.acquire()
        try:
            return list(reversed(self._warnings.values()))
        finally:
            self.release()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        if logging.lastResort is not None and self._is_last(record.name):
            # Where the embedding program configures no log, Python writes warnings because there is no handler.
            logging.lastResort.handle(record)
        if current_gateway.get() not in {None, self}:
            return
        message = record.getMessage()
        key = (record.name, message)
        before = self._warnings.pop(key, None)
        self._warnings[key] = LoggedWarning(
            record.created,
            record.levelname.lower(),
            record.name,
            message,
            operation_fields() | {name: value for name, value in vars(record).items() if name not in _STANDARD},
            record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None,
            1 if before is None else before.count + 1,
        )
        if len(self._warnings) > _MAX_WARNINGS:
            self._warnings.popitem(last=False)

    def _is_last(self, name: str) -> bool:
        """Whether no handler writes the records of this logger, and this is the first one that only keeps them."""
        handlers: list[logging.Handler] = []
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            handlers += logger.handlers
            logger = logger.parent if logger.propagate else None
        return handlers[0] is self and all(isinstance(handler, RecentWarnings) for handler in handlers)
