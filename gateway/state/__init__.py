"""What replicas share, as small Protocols with an in-memory and a Redis form."""
