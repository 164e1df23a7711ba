"""The command line `gateway`."""

import argparse
import asyncio
import difflib
import logging
import sys
import time
from collections.abc import Awaitable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from errno import EADDRINUSE
from pathlib import Path
from typing import Any

from gateway.api.graphql.schema.formats import FORMATS
from gateway.api.web.cors import LOOPBACK
from gateway.app import Gateway
from gateway.app.serving import Addresses, collect_less, serving, stop_requested
from gateway.callers.api_keys import new_api_key
from gateway.errors import GatewayError
from gateway.kit.log_limit import LogLimit
from gateway.operation import scopes
from gateway.settings import Settings
from gateway.settings.options import SettingsError, add_options, load, origins
from gateway.users.model import UserSource
from gateway.users.source import PolledSource

__all__ = ["main"]

_FAILED, _USAGE = 1, 2
_LOOPBACK_PAGES = "http://localhost:*, 127.0.0.1 and [::1]"
_POLLED = (UserSource.ACCOUNT, UserSource.SOFTWAREONE)  # the sources with a `poll_interval`


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Exit with 1 if it fails, and with 2 if the arguments or the settings are not valid."""
    parsed = _parser().parse_args(arguments)
    try:
        sys.exit(parsed.run(parsed))
    except (SettingsError, ValueError) as error:  # a ValueError: a file that a setting names is not valid
        print(error, file=sys.stderr)
        sys.exit(_USAGE)
    except OSError as error:  # a port that is in use, a file that cannot be written
        advice = "; stop what uses it, or choose another port (0: a free one)" if error.errno == EADDRINUSE else ""
        print(f"gateway: {error.strerror or error}{advice}", file=sys.stderr)
        sys.exit(_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("gateway", description="One API, GraphQL and gRPC, over three user sources.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    add_options(command("serve", _serve, "serve GraphQL and gRPC over the configured sources"))
    demo = command("demo", _demo, "serve GraphQL and gRPC over an embedded sandbox with example users")
    add_options(demo)
    _add_sandbox_options(demo)
    sandbox = command("sandbox", _sandbox, "run only the sandbox, a simulator of the three sources")
    sandbox.add_argument("--host", default="127.0.0.1", help="address to listen on [default 127.0.0.1]")
    sandbox.add_argument("--port", type=int, default=8100, help="port for all sources; 0: a free one [default 8100]")
    sandbox.add_argument("--webhook-url", metavar="URL", help="send the events of reseller users to this address")
    sandbox.add_argument("--webhook-token", help="token to sign webhooks with [default: a fixed one, which is printed]")
    _add_sandbox_options(sandbox)
    schema = command("schema", _schema, "print the GraphQL schema, or compare a file with it")
    schema.add_argument("--check", action="store_true", help="print a diff and exit with 1 if the file differs")
    schema.add_argument("--format", choices=list(FORMATS), default="sdl", help="format of the schema [default sdl]")
    schema.add_argument("--out", type=Path, metavar="FILE", help="file to write or check [--check: schema.graphql]")
    key = command("key", _key, "create an API key for a caller, and print its entry for the file of keys")
    key.add_argument("name", help="unique name of the caller")
    key.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=sorted(scopes(UserSource)),
        help="scope of the caller; may be repeated",
    )
    key.add_argument("--days", type=float, help="days until the key expires [default: it does not expire]")
    add_options(
        command(
            "check",
            _check,
            "call each source and Redis once, and print the result, the latency and the remaining calls",
        )
    )
    add_options(command("config", _config, "print all settings with their values, and where each value comes from"))
    return parser


def _add_sandbox_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--users", type=int, default=40, help="users in each simulated source [default 40]")
    parser.add_argument("--data", type=Path, metavar="FILE", help="store the state in a file instead of in memory")
    parser.add_argument("--no-rate-limits", action="store_true", help="disable the rate limits of the sources")


def _sandbox_options(parsed: argparse.Namespace) -> dict[str, Any]:
    return {"data": parsed.data, "users": parsed.users, "rate_limits": not parsed.no_rate_limits}


def _serve(parsed: argparse.Namespace) -> int:
    settings = load(parsed)

    async def run() -> int:
        stop = stop_requested()
        async with serving(settings) as addresses:
            collect_less()
            print(f"ready\n{_table(addresses)}", flush=True)
            await stop.wait()
        return 0

    return _run(run(), settings.log_level)


def _demo(parsed: argparse.Namespace) -> int:
    from gateway import sandbox as simulated  # noqa: PLC0415 - `serve` starts without it

    log_level = load(parsed).log_level

    async def run() -> int:
        stop = stop_requested()
        async with simulated.Sandbox(simulated.SandboxOptions(**_sandbox_options(parsed))) as sandbox:
            account = {"token": simulated.ACCOUNT_TOKEN, "account_id": simulated.ACCOUNT_ID}
            settings = load(
                parsed,
                account={"base_url": sandbox.account_url, **account},
                softwareone={"base_url": sandbox.softwareone_url, "token": simulated.SOFTWAREONE_TOKEN},
                reseller={
                    "base_url": sandbox.reseller_url,
                    "token": simulated.RESELLER_TOKEN,
                    "reseller_id": simulated.RESELLER_ID,
                    "webhook_token": simulated.WEBHOOK_TOKEN,
                },
            )
            if settings.in_development and "cors_origins" not in settings.model_fields_set:
                # A frontend under development is served at some port of this machine; the data are examples.
                settings = settings.model_copy(update={"cors_origins": (LOOPBACK,)})
            async with serving(settings) as addresses:
                collect_less()
                sandbox.webhooks.send_to(f"{addresses.http}/webhooks/reseller", simulated.WEBHOOK_TOKEN)
                ada = simulated.LANDMARKS["account"]["ada"]
                print(_welcome(addresses, settings.cors_origins, sandbox.control_url, ada), flush=True)
                await stop.wait()
        return 0

    return _run(run(), log_level)


def _welcome(addresses: Addresses, origins: Sequence[str], control: str, user_id: str) -> str:
    query = f'{{ user(id: "{user_id}", source: ACCOUNT) {{ name role {{ name }} }} }}'
    return (
        f"ready\n  GraphiQL  {addresses.http}/graphql\n{_table(addresses)}\n  sandbox   {control}/calls\n"
        f"  CORS      {_pages(origins)}\ntry\n  {query}"
    )


def _pages(origins: Sequence[str]) -> str:
    """Return whose pages may call the gateway, as the list of origins states it."""
    names = [_LOOPBACK_PAGES if origin == LOOPBACK else origin for origin in origins]
    return f"pages of {', '.join(names) or 'no other origin'} (GATEWAY_CORS_ORIGINS)"


def _table(addresses: Addresses) -> str:
    return (
        f"  GraphQL   {addresses.http}/graphql\n"
        f"  gRPC      {addresses.grpc or 'off'}\n"
        f"  metrics   {addresses.http}/metrics"
    )


def _sandbox(parsed: argparse.Namespace) -> int:
    from gateway import sandbox as simulated  # noqa: PLC0415 - `serve` starts without it

    token = simulated.WEBHOOK_TOKEN if parsed.webhook_token is None else parsed.webhook_token
    webhooks = {"webhook_url": parsed.webhook_url, "webhook_token": token}
    options = simulated.SandboxOptions(host=parsed.host, port=parsed.port, **webhooks, **_sandbox_options(parsed))

    async def run() -> int:
        stop = stop_requested()
        async with simulated.Sandbox(options) as sandbox:
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

    return _run(run(), "INFO")


def _schema(parsed: argparse.Namespace) -> int:
    text = FORMATS[parsed.format]()
    if parsed.check:
        if parsed.out is None and parsed.format != "sdl":
            raise ValueError("gateway schema --check --format needs --out with the file to compare")
        file = parsed.out or Path("schema.graphql")
        present = file.read_text() if file.exists() else ""
        lines = (present.splitlines(True), text.splitlines(True))
        sys.stdout.writelines(difflib.unified_diff(*lines, str(file), "schema of the code"))
        return 0 if present == text else _FAILED
    if parsed.out:
        parsed.out.write_text(text)
    else:
        print(text, end="")
    return 0


def _check(parsed: argparse.Namespace) -> int:
    settings = load(parsed)

    async def run() -> int:
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
        return _FAILED if failed else 0

    return _run(run(), settings.log_level)


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


def _key(parsed: argparse.Namespace) -> int:
    """Print the entry to standard output, so that it can be appended to the file, and the key to standard error."""
    expires = datetime.now(UTC) + timedelta(days=parsed.days) if parsed.days else None
    key, entry = new_api_key(parsed.name, parsed.scope, scopes(UserSource), expires=expires)
    print(entry.to_toml(), end="")
    print(f"API key, not stored anywhere: {key}", file=sys.stderr)
    return 0


def _config(parsed: argparse.Namespace) -> int:
    rows = [(leaf.variable, value, origin) for leaf, value, origin in origins(parsed, load(parsed))]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for variable, value, origin in rows:
        print(f"{variable:<{widths[0]}}  {value:<{widths[1]}}  {origin}")
    return 0


def _run(command: Coroutine[Any, Any, int], log_level: str) -> int:
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(LogLimit())
    return asyncio.run(command)
