"""`gateway check`: one call to each source and to Redis."""

import argparse
import time
from collections.abc import Awaitable

from gateway.app import Gateway
from gateway.cli.subcommand import FAILED, Subcommand, run_logged
from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.settings.options import add_options, load
from gateway.telemetry.log_stream import LogStream
from gateway.users.model import UserSource
from gateway.users.source import PolledSource

__all__ = ["COMMAND"]

_POLLED = (UserSource.ACCOUNT, UserSource.SOFTWAREONE)  # the sources with a `poll_interval`


def _run(parsed: argparse.Namespace) -> int:
    settings = load(parsed)

    async def check(_log: LogStream) -> int:
        failed = 0
        if settings.redis_url is not None:
            failed += await _check_redis(settings.redis_url.get_secret_value())
        async with Gateway(_without_effects(settings)) as gateway:
            for source in gateway.sources:
                failed += await _check_call(source.name, source.probe())
                if isinstance(source, PolledSource) and getattr(settings, source.name).poll_interval is not None:
                    failed += await _check_call(f"{source.name}-polling", _first_poll(source))
            if not list(gateway.sources):
                failed += 1
                print("no source is configured: set a base URL and a token (`gateway config` prints the names)")
        return FAILED if failed else 0

    return run_logged(check, settings.log_level, settings.log_format)


def _without_effects(settings: Settings) -> Settings:
    """Return the settings with state in memory and without polling.

    A check must not write to what the replicas have in common, nor call a source for anything but the check.
    """
    polled = {str(source): getattr(settings, source).model_copy(update={"poll_interval": None}) for source in _POLLED}
    return settings.model_copy(update={"redis_url": None, **polled})


async def _check_call(name: str, call: Awaitable[str | None]) -> int:
    """Print the row of a call, which returns what is left of a rate limit, and return the number of failures."""
    started = time.perf_counter()
    try:
        calls_left = await call
    except GatewayError as error:
        _print_row(name, started, f"{error.code}: {error.message}")
        return 1
    _print_row(name, started, "ok" if calls_left is None else f"ok, {calls_left} calls left in the rate limit window")
    return 0


async def _first_poll(source: PolledSource) -> None:
    """Request the present position of a source: a token may read users and not what polling reads."""
    await source.changes_since(None)


async def _check_redis(url: str) -> int:
    """Print the row of Redis, and return the number of failures."""
    from gateway.app.state_redis import redis_problem  # noqa: PLC0415 - the Redis client takes 6 MiB

    started = time.perf_counter()
    problem = await redis_problem(url)
    _print_row("redis", started, "ok" if problem is None else f"failed: {problem}")
    return 0 if problem is None else 1


def _print_row(name: str, started: float, result: str) -> None:
    print(f"{name:<19} {(time.perf_counter() - started) * 1000:7.1f} ms  {result}")


COMMAND = Subcommand(
    "check",
    "call each source and Redis once, and print the result, the latency and the remaining calls",
    add_options,
    _run,
)
