"""The default signing algorithms of tokens, in a module without the JWT library, which the settings must not import."""

__all__ = ["ALGORITHMS"]

ALGORITHMS = ("RS256", "ES256", "PS256", "EdDSA", "Ed25519")
"""Accepted unless others are configured. They use public keys only."""
