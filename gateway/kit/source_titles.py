"""The names of the sources in sentences; in fields, settings and ids they are written in lower case."""

__all__ = ["titled"]

_TITLES = {"softwareone": "SoftwareOne"}


def titled(source: str) -> str:
    """Return the name of a source as one writes it in a sentence."""
    return _TITLES.get(source, source)
