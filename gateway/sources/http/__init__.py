"""The pipeline that every call to a source passes: small steps of one shape, the wire at its end."""
