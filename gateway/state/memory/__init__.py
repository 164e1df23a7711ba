"""State in the memory of one process: the same modules as in `gateway.state.redis`."""
