"""Sources that the embedding program passes: they keep the deadlines as the configured ones do, and name the source."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from gateway.errors import GatewayError, Internal, Origin, Outcome, SourceTimeout
from gateway.kit.source_titles import titled
from gateway.kit.tasks import callee_result
from gateway.operation import seconds_left
from gateway.users.ids import Kind
from gateway.users.model import UserSource
from gateway.users.source import Directory, Source

__all__ = ["given_sources"]

_READS = ("fetch_user", "page_users", "complete", "changes_since")
_CHANGES = ("create_user", "update_user")
_OTHERS = (*("name", "tenant", "list_template", "recognises_keys", "now", "probes", "missing", "icon_rules"),)
_ADDED: Mapping[str, Any] = {  # members that a source of an earlier version of the protocol does not have
    "user_template": "",
    "constant_needs": frozenset(),
    "row_needs": lambda *_: None,
    "changed_needs": lambda *_: None,
}


def given_sources(sources: Sequence[Source], timeout: Callable[[UserSource], float]) -> dict[UserSource, Source]:
    """Return the sources by their names; each method ends at the deadline of its operation.

    `timeout` returns the seconds after which it ends in any case.

    Raises:
        ValueError: a name is none of `UserSource`, or two sources have the same one.
    """
    found: dict[UserSource, Source] = {}
    for source in sources:
        name = UserSource(source.name)
        if name in found:
            raise ValueError(f"two sources with the name {name}: pass one of them")
        found[name] = _limited(source, name, timeout(name))
    return found


def _named(error: GatewayError, name: UserSource) -> GatewayError:
    """Return the error with the source that raised it."""
    if error.origin.source is not None:
        return error
    named = copy.copy(error)
    named.origin = replace(error.origin, source=name)
    return named


def _limited(source: Source, name: UserSource, timeout: float) -> Source:
    """Return an object with the members that the source has, since its optional protocols are known by them."""

    def limited(method: Callable[..., Awaitable[Any]], outcome: Outcome | None = None) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            left = seconds_left()
            try:
                async with asyncio.timeout(timeout if left is None else min(left, timeout)) as limit:
                    return await callee_result(method(*args, **kwargs))
            except GatewayError as error:
                raise _named(error, name) from error
            except Exception as error:
                if isinstance(error, TimeoutError) and limit.expired():
                    message = f"The {titled(name)} source did not respond in time."
                    raise SourceTimeout(message, origin=Origin(source=name), outcome=outcome) from error
                message = f"The {titled(name)} source of the embedding program failed."
                raise Internal(message, origin=Origin(source=name), outcome=outcome) from error

        return call

    def limited_directory(directory: Directory[Any]) -> SimpleNamespace:
        fetch, page = limited(directory.fetch), limited(directory.page)
        return SimpleNamespace(template=directory.template, fetch=fetch, page=page)

    members: dict[str, Any] = {each: getattr(source, each) for each in _OTHERS if hasattr(source, each)}
    members |= {each: getattr(source, each, default) for each, default in _ADDED.items()}
    members["name"] = name  # which may be a text that is equal to it
    members |= {each: limited(getattr(source, each)) for each in _READS if hasattr(source, each)}
    members |= {each: limited(getattr(source, each), Outcome.UNKNOWN) for each in _CHANGES if hasattr(source, each)}
    directories: Mapping[Kind, Directory[Any]] = source.directories
    members["directories"] = {kind: limited_directory(each) for kind, each in directories.items()}
    return cast("Source", SimpleNamespace(**members))
