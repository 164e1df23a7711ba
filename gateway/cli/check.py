"""`gateway check`: a few calls to each source, and one to Redis."""

import argparse
import sys

import orjson

from gateway.app.checks import CheckRow, run_checks
from gateway.cli.sources import add_allow_none, require_sources
from gateway.cli.subcommand import FAILED, Subcommand, run_logged
from gateway.settings.options import add_options, load
from gateway.telemetry.log_stream import LogStream
from gateway.users.model import UserSource

__all__ = ["COMMAND"]

_INDENT = " " * 33  # below the result of the row


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON array")
    parser.add_argument(
        "--source",
        action="append",
        choices=[source.value for source in UserSource],
        help="check only this source; may be repeated",
    )
    parser.add_argument(
        "--changes",
        action="store_true",
        help="check as well whether users may be changed, by a change without any value to a user that cannot exist",
    )
    add_allow_none(parser)
    add_options(parser, listed=False)


def _run(parsed: argparse.Namespace) -> int:
    settings = load(parsed)
    require_sources(settings, parsed)
    sources = [UserSource(name) for name in parsed.source or ()]

    async def check(_log: LogStream) -> int:
        rows = await run_checks(settings, sources, changes=parsed.changes)
        if parsed.json:
            sys.stdout.write(f"{orjson.dumps([row.to_json() for row in rows], option=orjson.OPT_INDENT_2).decode()}\n")
        else:
            print("\n".join(map(_text, rows)) or "no source is configured: nothing was checked")
        return 0 if all(row.ok for row in rows) else FAILED

    # The rows have the causes already, so that the warnings about them are only logged if a level was set.
    log_level = settings.log_level if "log_level" in settings.model_fields_set else "ERROR"
    return run_logged(check, log_level, settings.log_format, settings.event_loop)


def _text(row: CheckRow) -> str:
    """Return a line for the result, and one for each further problem and each note."""
    latency = f"{'':10}" if row.latency is None else f"{row.latency * 1000:7.1f} ms"
    results = [f"failed: {problem}" for problem in row.problems]
    if row.ok:
        left = "" if row.calls_left is None else f", {row.calls_left} calls left in the rate limit window"
        results = [f"ok: {', '.join(row.works)}{left}"]
    results += [f"note: {note}" for note in row.notes]
    return f"{row.name:<19} {latency}  " + f"\n{_INDENT}".join(results)


COMMAND = Subcommand(_add_arguments, _run)
