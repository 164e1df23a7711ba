"""`gateway sandbox`: the simulator of the three sources alone."""

import argparse
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from gateway.app.serving import stop_requested
from gateway.cli.subcommand import Subcommand, integer, run_logged
from gateway.telemetry.log_stream import LogStream

__all__ = ["COMMAND", "add_sandbox_options", "sandbox_options"]


def add_sandbox_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `sandbox` and `demo` have in common."""
    parser.add_argument(
        "--users", type=integer(0, 1_000_000), default=40, help="users in each simulated source [default 40]"
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="store the state in a file instead of in memory")
    parser.add_argument("--no-rate-limits", action="store_true", help="disable the rate limits of the sources")


def sandbox_options(parsed: argparse.Namespace) -> dict[str, Any]:
    """Return the values of those options, as arguments of `SandboxOptions`."""
    return {"data": parsed.data, "users": parsed.users, "rate_limits": not parsed.no_rate_limits}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on [default 127.0.0.1]")
    parser.add_argument(
        "--port", type=integer(0, 65535), default=8100, help="port for all sources; 0: a free one [default 8100]"
    )
    parser.add_argument("--webhook-url", metavar="URL", help="send the events of reseller users to this address")
    parser.add_argument("--webhook-token", help="token to sign webhooks with [default: a fixed one, which is printed]")
    add_sandbox_options(parser)


def _run(parsed: argparse.Namespace) -> int:
    from gateway import sandbox as simulated  # noqa: PLC0415 - `serve` starts without it

    token = simulated.WEBHOOK_TOKEN if parsed.webhook_token is None else parsed.webhook_token
    webhooks = {"webhook_url": parsed.webhook_url, "webhook_token": token}
    options = simulated.SandboxOptions(host=parsed.host, port=parsed.port, **webhooks, **sandbox_options(parsed))

    async def serve(_log: LogStream) -> int:
        stop = stop_requested()
        async with AsyncExitStack() as at_the_end:
            try:
                sandbox = await at_the_end.enter_async_context(simulated.SandboxServer(options))
            except OSError as error:
                if error.errno is None or error.filename is not None:  # of the file of the state
                    raise
                problem = f"{parsed.host}:{parsed.port} cannot be used: {os.strerror(error.errno).lower()}"
                raise OSError(error.errno, f"{problem}; choose another port by --port (0: a free one)") from None
            print(
                "ready\n"
                f"  GATEWAY_ACCOUNT__BASE_URL={sandbox.account_url}\n"
                f"  GATEWAY_ACCOUNT__TOKEN={simulated.ACCOUNT_TOKEN}\n"
                f"  GATEWAY_ACCOUNT__ACCOUNT_ID={simulated.ACCOUNT_ID}\n"
                f"  GATEWAY_SOFTWAREONE__BASE_URL={sandbox.softwareone_url}\n"
                f"  GATEWAY_SOFTWAREONE__TOKEN={simulated.SOFTWAREONE_TOKEN}\n"
                f"  GATEWAY_RESELLER__BASE_URL={sandbox.reseller_url}\n"
                f"  GATEWAY_RESELLER__TOKEN={simulated.RESELLER_TOKEN}\n"
                f"  GATEWAY_RESELLER__RESELLER_ID={simulated.RESELLER_ID}\n"
                f"  GATEWAY_RESELLER__WEBHOOK_TOKEN={token}\n"
                f"control\n  {sandbox.control_url}",
                flush=True,
            )
            await stop.wait()
        return 0

    return run_logged(serve, "INFO")


COMMAND = Subcommand(_add_arguments, _run)
