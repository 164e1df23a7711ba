"""What replicas have in common: stores in memory and in Redis, and the execution of a change at most once."""
