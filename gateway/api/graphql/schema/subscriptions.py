"""The root of subscriptions: events of users."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import strawberry

from gateway.api.graphql.schema.fields import Info, attribute
from gateway.api.graphql.schema.scalars import DateTime, UserChange, UserSource
from gateway.api.graphql.schema.users import UserObject
from gateway.errors import BadUserInput, Rule, SourceUnavailable
from gateway.events.watching import MAX_IDS, watching
from gateway.users import model
from gateway.users.ids import Ref

__all__ = ["SubscriptionObject"]


def _user_after_change() -> Any:
    """Declare the field that holds the user of an event, completed by a read if the source left out fields of it."""

    def resolve(root: strawberry.Parent[Any], info: Info) -> Any:
        return info.context.service.complete(root.user, loaders=info.context.loaders)

    description = "The user after the change. Lookups are made anew for each event."
    return strawberry.field(resolver=resolve, description=description)


@strawberry.type(name="UserEvent", description="A change that happened to a user, as subscriptions report it.")
class UserEventObject:
    id: strawberry.ID = attribute("The value for `after` with which a new subscription continues after this event.")
    change: UserChange = attribute("What happened: the user was created, changed or deleted.")
    user: UserObject = _user_after_change()
    occurred_at: DateTime = attribute(
        "The time of the change: the time that a webhook states, else when the gateway recorded the change."
    )


@strawberry.type(
    name="Subscription",
    description="What can be followed live, over a WebSocket, as server-sent events or in a multipart response.",
)
class SubscriptionObject:
    @strawberry.subscription(  # type: ignore[untyped-decorator]  # Strawberry's gives no types
        description=(
            "Changes to users: those made through this gateway, and those that a source reports by webhook or that "
            "polling finds. The subscription ends with `RATE_LIMITED` if the client reads too slowly or the allowance "
            "of the caller does not suffice for the next event, with `SOURCE_UNAVAILABLE` if the event log is not "
            "available, and with `NOT_FOUND` if events after `after` are no longer stored. To continue without loss, "
            "subscribe again with the id of the last received event as `after`; after `NOT_FOUND`, subscribe without "
            "`after` and then read the users again."
        )
    )
    async def user_changed(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(
                description=(
                    f"Follow only these users, at most {MAX_IDS}, each by its global id, or by its id in the source if "
                    "`sources` has exactly one."
                )
            ),
        ] = None,
        sources: Annotated[
            list[UserSource] | None,
            strawberry.argument(description="Follow only users of these sources; by default of all."),
        ] = None,
        after: Annotated[
            str | None,
            strawberry.argument(description="The id of an event: the subscription begins with the events after it."),
        ] = None,
    ) -> AsyncIterator[UserEventObject]:
        incoming = info.context.incoming
        if incoming.events is None:
            raise SourceUnavailable("This gateway has no event log.")
        refs = _refs(info, ids or (), sources or ())
        try:
            async with watching(
                incoming.events, incoming.principal, ids=refs, sources=sources or (), after=after
            ) as subscription:
                async for event in subscription:
                    user_event: Any = event
                    yield user_event
        except BadUserInput as error:  # the log has another name for the argument
            raise BadUserInput.at(
                ("after",), "must be the id of an event", Rule.FORMAT, format="resumeToken"
            ) from error


def _refs(info: Info, ids: Sequence[str], sources: Sequence[model.UserSource]) -> list[Ref]:
    if len(ids) > MAX_IDS:
        raise BadUserInput.at(("ids",), f"must not have more than {MAX_IDS} users", Rule.MAX_ITEMS, max=MAX_IDS)
    source = sources[0] if len(sources) == 1 else None
    return [info.context.service.user_ref(user_id, source, path=("ids", index)) for index, user_id in enumerate(ids)]
