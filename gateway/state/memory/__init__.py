"""Shared state in the memory of one process: one module each, as in `gateway.state.redis`."""
