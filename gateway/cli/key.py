"""`gateway key`: a new API key for a caller."""

import argparse
import sys
from datetime import UTC, datetime, timedelta

from gateway.callers.api_keys import new_api_key
from gateway.cli.subcommand import Subcommand, number
from gateway.principal import scopes
from gateway.users.model import UserSource

__all__ = ["COMMAND"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    known = sorted(map(str, scopes(UserSource)))
    parser.add_argument("name", help="unique name of the caller")
    parser.add_argument(
        "--scope",
        action="append",
        required=True,
        metavar="SCOPE",
        choices=known,
        help=f"scope of the caller; may be repeated: {', '.join(known)}",
    )
    parser.add_argument("--days", type=number, help="days until the key expires [default: it does not expire]")


def _run(parsed: argparse.Namespace) -> int:
    """Print the entry to standard output, so that it can be appended to the file, and the key to standard error."""
    try:
        expires = None if parsed.days is None else datetime.now(UTC) + timedelta(days=parsed.days)
    except (OverflowError, ValueError):  # the latter for NaN
        raise ValueError(f"--days: got {parsed.days:g}; the date would be after the year 9999") from None
    if parsed.days is not None and parsed.days <= 0:
        raise ValueError(f"--days: got {parsed.days:g}; must be more than 0")
    key, entry = new_api_key(parsed.name, parsed.scope, scopes(UserSource), expires=expires)
    print(entry.to_toml(), end="")
    print(f"API key, not stored anywhere: {key}", file=sys.stderr)
    return 0


COMMAND = Subcommand(_add_arguments, _run)
