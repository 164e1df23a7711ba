"""State in the memory of one process: one module for each store, as in `gateway.state.redis`."""
