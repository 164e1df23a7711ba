"""The names of the sources in sentences; in fields, settings and ids they are written in lower case."""

__all__ = ["source_title"]

_TITLES = {"softwareone": "SoftwareOne"}


def source_title(source: str) -> str:
    """Return the name of a source as one writes it in a sentence."""
    return _TITLES.get(source, source)
