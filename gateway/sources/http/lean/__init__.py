"""The wire by asyncio's own protocols and a parser in C: `gateway.sources.http.lean.transport`."""
