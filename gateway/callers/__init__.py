"""Authentication of callers: API keys, tokens, and the credentials that are forwarded to sources."""
