"""What ties a request to a log line here and to a trace elsewhere."""

import os
import re

__all__ = ["request_id", "trace"]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def request_id(sent: str | None) -> str:
    """The id that the client gave its request (`X-Request-ID`), if it is a plain word; else a new one."""
    return sent if sent is not None and _REQUEST_ID.fullmatch(sent) else os.urandom(16).hex()


def trace(sent: str | None) -> str | None:
    """The trace that a request belongs to (`traceparent`), if it is told in the form of W3C Trace Context."""
    return sent if sent is not None and _TRACE.fullmatch(sent) else None
