"""`gateway serve`: GraphQL and gRPC over the configured sources."""

import argparse

from gateway.app.serving import Addresses, collect_less, serving, stop_requested
from gateway.cli.sources import add_allow_none, require_sources, source_rows
from gateway.cli.subcommand import Subcommand, print_ready, run_logged
from gateway.settings.options import add_options, load
from gateway.telemetry.log_stream import LogStream

__all__ = ["COMMAND", "address_rows"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_allow_none(parser)
    add_options(parser)


def _run(parsed: argparse.Namespace) -> int:
    settings = load(parsed)
    require_sources(settings, parsed)

    async def serve(log: LogStream) -> int:
        stop = stop_requested()
        async with serving(settings, log) as addresses:
            collect_less()
            print_ready(address_rows(addresses) | source_rows(settings), settings.log_format)
            await stop.wait()
        return 0

    return run_logged(serve, settings.log_level, settings.log_format, settings.event_loop)


def address_rows(addresses: Addresses) -> dict[str, str]:
    """Return the addresses that the gateway is served at, by name."""
    rows = {
        "GraphQL": f"{addresses.http}/graphql",
        "gRPC": addresses.grpc or "off",
        "metrics": f"{addresses.admin}/metrics",
    }
    return rows | {"status": f"{addresses.admin}/status"} if addresses.status else rows


COMMAND = Subcommand(_add_arguments, _run)
