"""State in Redis, for several replicas: the modules of `gateway.state.memory`, the event stream and the client."""
