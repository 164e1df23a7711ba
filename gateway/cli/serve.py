"""`gateway serve`: GraphQL and gRPC over the configured sources."""

import argparse

from gateway.app.serving import Addresses, collect_less, serving, stop_requested
from gateway.cli.subcommand import Subcommand, run_logged
from gateway.settings.options import add_options, load

__all__ = ["COMMAND", "address_table"]


def _run(parsed: argparse.Namespace) -> int:
    settings = load(parsed)

    async def serve() -> int:
        stop = stop_requested()
        async with serving(settings) as addresses:
            collect_less()
            print(f"ready\n{address_table(addresses)}", flush=True)
            await stop.wait()
        return 0

    return run_logged(serve(), settings.log_level)


def address_table(addresses: Addresses) -> str:
    """Return one line for each address that the gateway is served at."""
    return (
        f"  GraphQL   {addresses.http}/graphql\n"
        f"  gRPC      {addresses.grpc or 'off'}\n"
        f"  metrics   {addresses.http}/metrics"
    )


COMMAND = Subcommand("serve", "serve GraphQL and gRPC over the configured sources", add_options, _run)
