"""The domain: what a user is and what may be done with one. Knows no transport and no source."""
