"""Runs the checks of `gateway check` against what the settings name."""

import asyncio
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from gateway.app.checks.row import CheckRow, Problem
from gateway.app.checks.source import POLLING, check_probe, check_source
from gateway.app.checks.token import note_expiry
from gateway.app.checks.webhooks import check_webhooks
from gateway.app.command_line import CommandLineGateway
from gateway.app.sources import settings_of
from gateway.errors import Code
from gateway.kit.extras import require_extra
from gateway.settings import Settings
from gateway.settings.keeping import keep_notes
from gateway.settings.names import variable_of
from gateway.users.kept.lifetimes import UNPROVEN_LIFETIME
from gateway.users.model import UserSource
from gateway.users.source import Source

__all__ = ["run_checks"]


async def run_checks(
    settings: Settings, sources: Collection[UserSource] = (), *, changes: bool = False
) -> list[CheckRow]:
    """Check what is configured, or only these sources; at once, so that one that does not respond delays no other.

    `changes`: whether to find out as well if users may be changed, which may leave an entry in an audit log.
    """
    rows: list[CheckRow] = []
    if settings.redis_url is not None and not sources:
        rows.append(await _check_redis(settings.redis_url.get_secret_value()))
    async with CommandLineGateway(_without_effects(settings)) as gateway:
        configured = {source.name: source for source in gateway.sources}
        checks = [
            _check_configured(gateway, settings, configured[name], changes=changes)
            if name in configured
            else _left_out(settings, name)
            for name in UserSource
            if name in sources or (not sources and (name in configured or _is_mentioned(settings, name)))
        ]
        for found in await asyncio.gather(*checks):
            rows += found
    return rows


def _without_effects(settings: Settings) -> Settings:
    """Return the settings with state in memory and without polling.

    A check must not write to what the replicas have in common, nor call a source for anything but the check.
    """
    polled = {str(name): settings_of(settings, name).model_copy(update={"poll_interval": None}) for name in UserSource}
    return settings.model_copy(update={"redis_url": None, "access_log": "off", **polled})


async def _check_configured(
    gateway: CommandLineGateway, settings: Settings, source: Source, *, changes: bool
) -> list[CheckRow]:
    row = await check_source(source, changes=changes)
    given = settings_of(settings, source.name)
    if source.name in (kept := keep_notes(settings, UNPROVEN_LIFETIME)):
        row.notes.append(kept[source.name])
    if given.token is not None:
        note_expiry(row, given.token.get_secret_value(), variable_of((source.name, "token")))
    if given.forwards and given.token is None and row.is_unauthorized:
        row.problems.clear()
        row.works.append("reachable")
        row.notes.append("it is called with the credentials of callers, so that no permission was checked")
        return [row]
    rows = [row]
    if not row.works:
        return rows
    if source.name is UserSource.RESELLER:
        await check_webhooks(row, settings.reseller, gateway.asgi_app())
    if given.poll_interval is not None:
        rows += [await check_probe(f"{source.name}-{POLLING}", each) for each in source.probes if each.part == POLLING]
    return rows


def _is_mentioned(settings: Settings, name: UserSource) -> bool:
    """Whether a source has a base URL or a token: without the other one it is left out, which may be a mistake."""
    given = settings_of(settings, name)
    return given.base_url is not None or given.token is not None


async def _left_out(settings: Settings, name: UserSource) -> list[CheckRow]:
    """Return the row of a source that is not configured, with the settings that it lacks."""
    given = settings_of(settings, name)
    row = CheckRow(name, (given.base_url or "").rstrip("/"))
    cause = "the source is left out, because it is not configured"
    advice = f"set {' and '.join(variable_of((name, each)) for each in given.missing)}"
    row.problems.append(Problem("users", cause, advice, Code.SOURCE_NOT_CONFIGURED, url=row.url))
    return [row]


async def _check_redis(url: str) -> CheckRow:
    require_extra("redis", "GATEWAY_REDIS_URL")
    from gateway.app.state_redis import redis_problem  # noqa: PLC0415 - the Redis client takes 6 MiB

    address = urlsplit(url)
    row = CheckRow("redis", f"{address.scheme}://{address.netloc.rpartition('@')[2]}")
    started = time.perf_counter()
    problem = await redis_problem(url)
    row.latency = time.perf_counter() - started
    if problem is None:
        row.works.append("state")
    else:
        row.fail("state", problem, "check GATEWAY_REDIS_URL")
    return row
