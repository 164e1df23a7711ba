"""The pipeline of steps around each call to a source, and the transports at its end."""
