"""The arguments of the command line, and what becomes of an error."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from gateway.cli import check, config, demo, key, sandbox, schema, serve, status
from gateway.cli.subcommand import fail
from gateway.settings.names import nearest
from gateway.settings.options import SettingsError

__all__ = ["main"]

_COMMANDS = (serve, demo, sandbox, schema, key, check, status, config)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Exit with 1 if it fails, and with 2 if the arguments or the settings are not valid."""
    parsed, unknown = _parser().parse_known_args(arguments)
    if unknown:
        parsed.parser.error(_unknown(unknown[0], parsed.parser))
    try:
        sys.exit(parsed.run(parsed))
    except (SettingsError, ValueError, OSError) as error:
        # The settings may be what is wrong, so the format of the log is only known if it is set like this.
        sys.exit(fail(error, getattr(parsed, "log_format", None) or os.environ.get("GATEWAY_LOG_FORMAT", "text")))
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gateway", description="One API, GraphQL and gRPC, over three user sources.")
    parser.add_argument("--version", action="version", version=f"gateway {version('user-gateway')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        command = module.COMMAND
        added = commands.add_parser(
            command.name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            allow_abbrev=False,  # an option that is added later would make an abbreviation ambiguous
        )
        command.add_arguments(added)
        added.set_defaults(run=command.run, parser=added)
    return parser


def _unknown(argument: str, parser: argparse.ArgumentParser) -> str:
    """Return the message about an argument that the command does not have."""
    if not argument.startswith("-"):
        return f"{argument}: the command takes no such argument"
    option = argument.partition("=")[0]
    known = [name for name in parser._option_string_actions if name.startswith("--")]  # noqa: SLF001 - no other way
    found = nearest(option, known)
    advice = f"; did you mean {' or '.join(found)}?" if found else ""
    return f"there is no option {option}{advice}"
