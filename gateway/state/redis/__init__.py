"""Shared state in Redis, for several replicas: one module each, as in `gateway.state.memory`."""
