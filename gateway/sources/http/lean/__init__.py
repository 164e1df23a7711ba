"""A transport on asyncio protocols and a parser in C: `gateway.sources.http.lean.transport`."""
