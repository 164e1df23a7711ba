"""State in Redis, for several replicas: the same modules as in `gateway.state.memory`."""
