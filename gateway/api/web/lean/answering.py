"""An answer on its way to the client."""

from collections.abc import AsyncIterable

from gateway.api.web.http import Response
from gateway.api.web.lean.flow import Flow
from gateway.api.web.lean.incoming import Incoming
from gateway.api.web.lean.writing import BODILESS, CHUNKED, CLOSE, KEEP_ALIVE, LAST_CHUNK, chunk, head

__all__ = ["answer"]


async def answer(incoming: Incoming, response: Response, flow: Flow, *, keep: bool) -> bool:
    """Send the answer, as fast as the client reads it; whether another request may follow, which `keep` allows.

    Raises:
        Closed: the client has gone.
        ValueError: there is a line break in a header; nothing was sent.
    """
    body, status, old = response.body, response.status, incoming.old
    keep = keep and incoming.keep and incoming.body.whole
    unsaid = status in BODILESS or incoming.method == "HEAD"
    if isinstance(body, bytes):
        # An empty body of HEAD is what is left of one whose length nobody knows here.
        lengthless = status in BODILESS or (unsaid and not body)
        length = "" if lengthless else f"Content-Length: {len(body)}\r\n"
        top = head(status, response.headers, length + _connection(keep=keep, old=old))
        flow.write(top if unsaid else top + body)
    else:
        keep = keep and (unsaid or not old)  # to HTTP/1.0 only its end tells the end of a body
        framing = "" if unsaid or old else CHUNKED
        flow.write(head(status, response.headers, framing + _connection(keep=keep, old=old)))
        if not unsaid:
            await _stream(body, flow, chunked=not old)
    incoming.body.drop()
    await flow.room()
    return keep


async def _stream(body: AsyncIterable[bytes], flow: Flow, *, chunked: bool) -> None:
    chunks = aiter(body)
    try:
        async for data in chunks:
            if data:
                flow.write(chunk(data) if chunked else data)
                await flow.room()
        if chunked:
            flow.write(LAST_CHUNK)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


def _connection(*, keep: bool, old: bool) -> str:
    if keep:
        return KEEP_ALIVE if old else ""
    return CLOSE
