"""`gateway demo`: GraphQL and gRPC over an embedded sandbox."""

import argparse
from collections.abc import Sequence

from gateway.api.web.cors import LOOPBACK
from gateway.app.serving import collect_less, serving, stop_requested
from gateway.cli.sandbox import add_sandbox_options, sandbox_options
from gateway.cli.serve import address_rows
from gateway.cli.subcommand import Subcommand, print_ready, run_logged
from gateway.settings.options import add_options, load
from gateway.telemetry.log_stream import LogStream

__all__ = ["COMMAND"]

_LOOPBACK_PAGES = "http://localhost:*, 127.0.0.1 and [::1]"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_options(parser)
    add_sandbox_options(parser)


def _run(parsed: argparse.Namespace) -> int:
    from gateway import sandbox as simulated  # noqa: PLC0415 - `serve` starts without it

    first = load(parsed)

    async def demo(log: LogStream) -> int:
        stop = stop_requested()
        async with simulated.SandboxServer(simulated.SandboxOptions(**sandbox_options(parsed))) as sandbox:
            account = {"token": simulated.ACCOUNT_TOKEN, "account_id": simulated.ACCOUNT_ID}
            no_file = {"token_file": None}  # a file that is set for a real source
            settings = load(
                parsed,
                account={"base_url": sandbox.account_url, **account, **no_file},
                softwareone={"base_url": sandbox.softwareone_url, "token": simulated.SOFTWAREONE_TOKEN, **no_file},
                reseller={
                    "base_url": sandbox.reseller_url,
                    "token": simulated.RESELLER_TOKEN,
                    "reseller_id": simulated.RESELLER_ID,
                    "webhook_token": simulated.WEBHOOK_TOKEN,
                    "webhook_token_file": None,
                    **no_file,
                },
            )
            if settings.in_development and "cors_origins" not in settings.model_fields_set:
                # A frontend under development is served at some port of this machine; the data are examples.
                settings = settings.model_copy(update={"cors_origins": (LOOPBACK,)})
            async with serving(settings, log) as addresses:
                collect_less()
                sandbox.webhooks.send_to(f"{addresses.http}/webhooks/reseller", simulated.WEBHOOK_TOKEN)
                ada = simulated.LANDMARKS["account"]["ada"]
                rows = {
                    "GraphiQL": f"{addresses.http}/graphql",
                    **address_rows(addresses),
                    "sandbox": f"{sandbox.control_url}/calls",
                    "CORS": _pages(settings.cors_origins),
                }
                print_ready(rows, settings.log_format, f"try\n  {_example(ada)}")
                await stop.wait()
        return 0

    return run_logged(demo, first.log_level, first.log_format, first.event_loop)


def _example(user_id: str) -> str:
    return f'{{ user(id: "{user_id}", source: ACCOUNT) {{ name role {{ name }} }} }}'


def _pages(origins: Sequence[str]) -> str:
    """Return whose pages may call the gateway, as the list of origins states it."""
    names = [_LOOPBACK_PAGES if origin == LOOPBACK else origin for origin in origins]
    return f"pages of {', '.join(names) or 'no other origin'} (GATEWAY_CORS_ORIGINS)"


COMMAND = Subcommand(_add_arguments, _run)
