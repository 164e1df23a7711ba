"""The arguments of the command line, and what becomes of an error."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from gateway.cli.subcommand import Subcommand, fail

__all__ = ["main", "parse", "run"]

_SUMMARIES = {
    "serve": "serve GraphQL and gRPC over the configured sources",
    "demo": "serve GraphQL and gRPC over an embedded sandbox with example users",
    "sandbox": "run only the sandbox, a simulator of the three sources",
    "schema": "print the GraphQL schema, or compare a file with it",
    "proto": "print the .proto of the gRPC API, or write it with its imports",
    "key": "create an API key for a caller, and print its entry for the file of keys",
    "check": "check each source and Redis: reachable, the right API, permissions, clock, certificate, webhooks, "
    "latency",
    "status": "print the status of a running gateway: sources, callers, operations, warnings",
    "config": "print the settings that are set, and where each value comes from",
}
"""What each command does, by its name; the module of the name has its options and runs it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Exit with 1 if it fails, and with 2 if the arguments or the settings are not valid."""
    run(parse(sys.argv[1:] if arguments is None else arguments))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Import the command that the arguments name, and return its arguments. Exit with 2 if they are not valid.

    The other commands are not imported: most need less than a server, and would start three times as slowly.
    """
    name = next((argument for argument in arguments if not argument.startswith("-")), "")
    parsed, unknown = _parser(name).parse_known_args(arguments)
    if unknown:
        parsed.parser.error(_unknown(unknown[0], parsed.parser))
    return parsed


def run(parsed: argparse.Namespace) -> None:
    """Run the command with its arguments, and exit."""
    try:
        sys.exit(parsed.run(parsed))
    except (ValueError, OSError) as error:
        # The settings may be what is wrong, so the format of the log is only known if it is set like this.
        sys.exit(fail(error, getattr(parsed, "log_format", None) or os.environ.get("GATEWAY_LOG_FORMAT", "text")))
    except KeyboardInterrupt:
        sys.exit(130)


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "gateway",
        description="One API, GraphQL and gRPC, over three user sources.",
        epilog="gateway COMMAND --help shows the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"gateway {version('user-gateway')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in _SUMMARIES.items():
        added = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            allow_abbrev=False,  # an option that is added later would make an abbreviation ambiguous
        )
        if name == chosen:
            command: Subcommand = import_module(f"gateway.cli.{name}").COMMAND
            command.add_arguments(added)
            added.set_defaults(run=command.run, parser=added)
    return parser


def _unknown(argument: str, parser: argparse.ArgumentParser) -> str:
    """Return the message about an argument that the command does not have."""
    from gateway.settings.names import nearest  # noqa: PLC0415 - `--help` and `--version` start without it

    if not argument.startswith("-"):
        return f"{argument}: the command takes no such argument"
    option = argument.partition("=")[0]
    known = [name for name in parser._option_string_actions if name.startswith("--")]  # noqa: SLF001 - no other way
    found = nearest(option, known)
    advice = f"; did you mean {' or '.join(found)}?" if found else ""
    return f"there is no option {option}{advice}"
