"""The domain: the records of users, and reading and changing them. It imports no surface and no source."""
