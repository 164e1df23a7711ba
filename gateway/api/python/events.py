"""Iterating over the changes of users."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import nullcontext

from msgspec.structs import replace

from gateway.api.python.operations import MethodCall, PythonSurface, read_plan_for
from gateway.errors import BadUserInput, GatewayError, Rule
from gateway.events.log import Draining, UserEvent
from gateway.events.watching import MAX_IDS, watching
from gateway.freshness import FreshnessReport
from gateway.operation import operation
from gateway.principal import ANYONE, Principal
from gateway.telemetry.report import RequestReport
from gateway.telemetry.telemetry import Telemetry
from gateway.users.ids import Ref
from gateway.users.model import User, UserSource
from gateway.users.read_plan import ReadPlan, View
from gateway.users.service import UserService
from gateway.users.validation import members_of

__all__ = ["watch_users"]


async def watch_users(
    surface: PythonSurface,
    principal: Principal,
    *,
    ids: Sequence[str],
    sources: Sequence[UserSource],
    view: View,
    fields: Sequence[str],
    resume_token: str | None,
    timeout: float | None,  # noqa: ASYNC109 - a deadline for calls to sources, not a cancellation
) -> AsyncGenerator[UserEvent]:
    """Iterate over the events of these users or sources, their users as far as the view or the fields state.

    No context variable is set while it waits: it may be continued, or closed, in another task.

    Raises:
        BadUserInput: an argument is not valid.
        GatewayError: the reason for the end, unless the gateway is drained or closed.
    """
    report = RequestReport("python", caller=principal.name, operation="subscribe", label="subscribe", kind="stream")
    surface.require_open()
    seconds = surface.timeout if timeout is None else timeout
    service = surface.by(principal)
    principal = service.principal
    failure: GatewayError | None = None
    with surface.telemetry.reporting(report, {}):
        try:
            principal.require_valid(surface.now())
            read_plan = read_plan_for("User", view, fields)
            known = members_of(UserSource, sources, "sources")
            refs = _refs(service, ids, known)
            async with watching(surface.events, principal, ids=refs, sources=known, after=resume_token) as events:
                until = nullcontext() if principal is ANYONE else surface.credentials.watch(None, principal, events.end)
                with until, surface.subscriptions.holding(events):
                    async for event in events:
                        user = await _user_of(
                            event.user, surface.telemetry, service, report, read_plan=read_plan, seconds=seconds
                        )
                        report.messages += 1
                        yield replace(event, user=user)
        except Draining:
            pass
        except GatewayError as error:
            report.add_error(error)
            failure = error
    if failure is not None:
        raise failure


async def _user_of(
    user: User,
    telemetry: Telemetry,
    service: UserService,
    subscription: RequestReport,
    *,
    read_plan: ReadPlan,
    seconds: float,
) -> User:
    """Return the user of an event: completed if its source left out fields of it, and with the lookups of the plan."""
    with telemetry.delivering(subscription) as report:
        method = MethodCall(service, report)
        try:
            with operation(
                timeout=seconds,
                trace=report.trace,
                calls=report.calls,
                request_id=report.request_id,
                freshness=FreshnessReport.of_event(),
            ):
                loaders = method.loaders(read_plan.plan)
                found = service.complete(user, loaders=loaders)
                completed = found if isinstance(found, User) else await found
                return (await method.load([completed], read_plan, loaders))[0]
        finally:
            method.close()


def _refs(service: UserService, ids: Iterable[str], sources: Sequence[UserSource]) -> list[Ref]:
    named = [ids] if isinstance(ids, str) else list(ids)
    if len(named) > MAX_IDS:
        raise BadUserInput.at(("ids",), f"must not have more than {MAX_IDS} users", Rule.MAX_ITEMS, max=MAX_IDS)
    source = sources[0] if len(sources) == 1 else None
    return [service.user_ref(user_id, source, path=("ids", index)) for index, user_id in enumerate(named)]
