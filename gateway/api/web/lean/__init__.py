"""An HTTP/1.1 and WebSocket server on asyncio protocols and a parser in C: see `gateway.api.web.lean.server`."""
