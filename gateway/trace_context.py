"""The trace context with which a request arrives, and with which calls to sources are sent (W3C Trace Context)."""

import re
from collections.abc import Mapping
from typing import NamedTuple, Self

__all__ = ["TraceContext"]

# Neither the version ff nor an id of zeros is valid (sections 3.2.2.1 to 3.2.2.4).
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,200})?")
_TRACESTATE = re.compile(r"[ -~\t]{1,512}")


class TraceContext(NamedTuple):
    """The values of the headers `traceparent` and `tracestate`; the second is empty where there is none."""

    traceparent: str
    tracestate: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self | None:
        """Return the context in the headers of a request; None if its `traceparent` is missing or not valid."""
        sent = headers.get("traceparent")
        if sent is None:
            return None
        found = _TRACEPARENT.fullmatch(sent)
        if found is None or (found[1] and sent.startswith("00")):  # only later versions may have further fields
            return None
        state = headers.get("tracestate", "")
        return cls(sent, state if _TRACESTATE.fullmatch(state) else "")

    @property
    def trace_id(self) -> str:
        """The id of the trace: 32 hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """The id of the span that this context is of: 16 hexadecimal digits."""
        return self.traceparent[36:52]

    @property
    def is_sampled(self) -> bool:
        """Whether the caller records the trace."""
        return int(self.traceparent[53:55], 16) & 1 == 1

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request that is sent in this context."""
        if self.tracestate:
            return {"traceparent": self.traceparent, "tracestate": self.tracestate}
        return {"traceparent": self.traceparent}
