"""The arguments of the command line, and what becomes of an error."""

import argparse
import sys
from collections.abc import Sequence
from errno import EADDRINUSE

from gateway.cli import check, config, demo, key, sandbox, schema, serve, status
from gateway.cli.subcommand import FAILED, USAGE
from gateway.settings.options import SettingsError

__all__ = ["main"]

_COMMANDS = (serve, demo, sandbox, schema, key, check, status, config)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Exit with 1 if it fails, and with 2 if the arguments or the settings are not valid."""
    parsed = _parser().parse_args(arguments)
    try:
        sys.exit(parsed.run(parsed))
    except (SettingsError, ValueError) as error:  # a ValueError: a file that a setting names is not valid
        print(error, file=sys.stderr)
        sys.exit(USAGE)
    except OSError as error:  # a port that is in use, a file that cannot be written
        advice = "; stop what uses it, or choose another port (0: a free one)" if error.errno == EADDRINUSE else ""
        print(f"gateway: {error.strerror or error}{advice}", file=sys.stderr)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gateway", description="One API, GraphQL and gRPC, over three user sources.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        command = module.COMMAND
        added = commands.add_parser(command.name, help=command.summary, description=command.summary)
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser
