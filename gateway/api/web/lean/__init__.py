"""A site carried by asyncio's own protocols and a parser in C: `gateway.api.web.lean.server`."""
