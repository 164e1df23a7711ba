"""Which sources are configured and which are left out, for the operator."""

import argparse

from gateway.app.sources import left_out_sources, settings_of
from gateway.settings import Settings
from gateway.settings.options import SettingsError
from gateway.users.model import UserSource

__all__ = ["add_allow_none", "require_sources", "source_rows"]


def add_allow_none(parser: argparse.ArgumentParser) -> None:
    """Add the option by which a command accepts that no source is configured."""
    parser.add_argument("--allow-none", action="store_true", help="accept that no source is configured")


def require_sources(settings: Settings, parsed: argparse.Namespace) -> None:
    """Check that a source is configured, unless the option permits that there is none.

    Raises:
        SettingsError: no source is configured; the message names what is missing.
    """
    if not parsed.allow_none and all(settings_of(settings, name).missing for name in UserSource):
        raise SettingsError(
            f"no source is configured: {_left_out(settings)}. Set them for one source at least, or use --allow-none"
        )


def source_rows(settings: Settings) -> dict[str, str]:
    """Return the configured sources with their base URLs, and those that are left out with the reason, by heading."""
    sources = {name: settings_of(settings, name) for name in UserSource}
    configured = [f"{name} {source.base_url}".rstrip("/") for name, source in sources.items() if not source.missing]
    left_out = _left_out(settings)
    return {"sources": ", ".join(configured) or "none"} | ({"left out": left_out} if left_out else {})


def _left_out(settings: Settings) -> str:
    return ", ".join(f"{name} ({reason})" for name, reason in left_out_sources(settings).items())
