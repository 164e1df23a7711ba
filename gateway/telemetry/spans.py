"""What all spans have in common: trace contexts as OpenTelemetry has them, and their status."""

import random
import re

from opentelemetry.trace import Link, Span, SpanContext, StatusCode, TraceFlags, TraceState

from gateway.trace_context import TraceContext

__all__ = ["fail", "link_to", "span_context", "trace_context", "unrecorded"]

_KNOWN_FLAGS = 0b11  # that the caller records the trace, and that its id is random

# What OpenTelemetry accepts as a member of `tracestate` (W3C Trace Context, 3.3.1). It logs any other as it was sent.
_KEY = r"[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"
_VALUE = r"[ -+\--<>-~]{0,255}[!-+\--<>-~]"
_MEMBER = rf"[ \t]*(?:(?:{_KEY})={_VALUE}[ \t]*)?"
_MAX_MEMBERS = 32
_STATE = re.compile(rf"{_MEMBER}(?:,{_MEMBER}){{0,{_MAX_MEMBERS - 1}}}")


def span_context(trace: TraceContext) -> SpanContext:
    """Return the span that a trace context names, which is in another process; a state that is not valid is dropped."""
    sent = trace.traceparent
    state = TraceState.from_header([trace.tracestate]) if _STATE.fullmatch(trace.tracestate) else None
    flags = TraceFlags(int(sent[53:55], 16))
    return SpanContext(int(sent[3:35], 16), int(sent[36:52], 16), is_remote=True, trace_flags=flags, trace_state=state)


def trace_context(context: SpanContext) -> TraceContext:
    """Return the trace context by which another process continues a span."""
    state = context.trace_state.to_header() if context.trace_state else ""
    traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return TraceContext(traceparent, state)


def unrecorded(sent: TraceContext | None) -> TraceContext:
    """Return the trace context of a request that is not recorded: that of its trace, or of a new one.

    Of the flags, those that W3C has not defined are not passed on by the author of a new `traceparent`.
    """
    span_id = f"{random.getrandbits(64) or 1:016x}"
    if sent is None:
        return TraceContext(f"00-{random.getrandbits(128) or 1:032x}-{span_id}-00")
    flags = int(sent.traceparent[53:55], 16) & _KNOWN_FLAGS
    return TraceContext(f"00-{sent.trace_id}-{span_id}-{flags:02x}", sent.tracestate)


def link_to(trace: TraceContext | None) -> list[Link] | None:
    """Return the links of a span that refers to one other span, None for one that refers to none."""
    return None if trace is None else [Link(span_context(trace))]


def fail(span: Span, error_type: str, cause: str = "") -> None:
    """Mark a span as failed; the type has few values, such as a status or an error code."""
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR, cause or None)
