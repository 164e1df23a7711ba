"""Logs one record of each kind, in the format of the argument; it ends with an exception that nobody handles."""

import asyncio
import logging
import sys
import threading
import time
import warnings

from gateway.operation import operation
from gateway.telemetry.log_config import configure_log
from gateway.trace_context import TraceContext

TRACE = TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def fail(_secret: str) -> None:
    raise ValueError("what happened\n2026-11-29T00:00:00.000Z forged\x1b[2J")


class Finalized:
    def __del__(self) -> None:
        raise ValueError("finalized")


async def run() -> None:
    log = logging.getLogger("gateway.examples")
    log.info("not written")
    log.warning("the source %s failed", "account", extra={"source": "account", "count": 3, "half": "\ud800"})
    with operation(request_id="req-1", trace=TRACE):
        log.warning("in an operation\nnot a record\x1b[31m")
    logging.getLogger("another.library").error("an error of %s", {"a": 1})
    try:
        fail(f"{4711}-secret")
    except ValueError:
        log.exception("defect")
    now, monotonic = time.monotonic(), time.monotonic
    time.monotonic = lambda: now  # of a flood, one more is written for each second that this process stands still
    for number in range(30):
        log.warning("flood %s", number)
    time.monotonic = monotonic
    for _ in range(30):
        logging.getLogger("gateway.changes").warning("each is written %s", 1)
    warnings.warn("a warning of Python", stacklevel=1)
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0.01)
    Finalized()
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()


configure_log("WARNING", sys.argv[1])
asyncio.run(run())
raise LookupError("the end")
