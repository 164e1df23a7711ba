"""The root of subscriptions: what happens to users, as it happens."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import strawberry

from gateway.api.graphql.schema.fields import Info, attribute
from gateway.api.graphql.schema.scalars import DateTime, UserChange, UserSource
from gateway.api.graphql.schema.users import UserObject
from gateway.errors import BadUserInput, SourceUnavailable
from gateway.events.watching import MOST_IDS, watching
from gateway.users import model
from gateway.users.ids import Ref

__all__ = ["SubscriptionObject"]


@strawberry.type(name="UserEvent", description="Something that happened to a user.")
class UserEventObject:
    id: strawberry.ID = attribute("What to say as `after` in order to go on behind this event.")
    change: UserChange
    user: UserObject = attribute("The user after it. What has to be looked up is looked up anew for each event.")
    occurred_at: DateTime


@strawberry.type(name="Subscription")
class SubscriptionObject:
    @strawberry.subscription(  # type: ignore[untyped-decorator]  # Strawberry's gives no types
        description=(
            "Changes made through this gateway, and those that a source reports by webhook. It ends with RATE_LIMITED "
            "where its client does not keep up, with NOT_FOUND where what came behind `after` is no longer held, with "
            "SOURCE_UNAVAILABLE where the event log is away. Behind the last event received it can be gone on with."
        )
    )
    async def user_changed(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Only these users: global ids, or with one source that source's own."),
        ] = None,
        sources: Annotated[
            list[UserSource] | None, strawberry.argument(description="Only users of these systems.")
        ] = None,
        after: Annotated[
            str | None,
            strawberry.argument(description="The id of an event: what has happened since comes first."),
        ] = None,
    ) -> AsyncIterator[UserEventObject]:
        incoming = info.context.incoming
        if incoming.events is None:
            raise SourceUnavailable("There is no event log here.")
        refs = _refs(info, ids or (), sources or ())
        try:
            async with watching(
                incoming.events, incoming.principal, ids=refs, sources=sources or (), after=after
            ) as subscription:
                async for event in subscription:
                    happened: Any = event
                    yield happened
        except BadUserInput as error:  # the log's word for it is not this argument's name
            raise BadUserInput.at(("after",), "is no id of an event") from error


def _refs(info: Info, ids: Sequence[str], sources: Sequence[model.UserSource]) -> list[Ref]:
    if len(ids) > MOST_IDS:
        raise BadUserInput.at(("ids",), f"may name {MOST_IDS} users at most")
    only = sources[0] if len(sources) == 1 else None
    return [info.context.service.user_ref(text, only, path=("ids", place)) for place, text in enumerate(ids)]
