"""The root of mutations: the four changes. They are plain functions, which return the awaitable of the service.

All of them are nullable, so that in a document with several mutations an error of one does not remove the results of
the others. Null always comes with an error: a change gives the user after it, or raises.
"""

from typing import Annotated, Any

import strawberry

from gateway.api.graphql.limits.directives import Cost
from gateway.api.graphql.schema.directives import SemanticNonNull
from gateway.api.graphql.schema.fields import Info
from gateway.api.graphql.schema.inputs import (
    CreateAccountUserInput,
    UpdateAccountUserInput,
    UpdateResellerUserInput,
    UpdateSoftwareOneUserInput,
    to_plain,
)
from gateway.api.graphql.schema.users import UserObject

__all__ = ["MutationObject"]

_CHANGE = [Cost(weight="10"), SemanticNonNull()]
_UserId = Annotated[
    strawberry.ID, strawberry.argument(description="The global id of the user, or its id in the source.")
]
_NEW = "The fields of the new user."
_FIELDS = "The fields to change; the others stay as they are."
_IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "A text that the client chooses for this change, for example a UUID: the result is stored under it, and a "
            "repeated request returns the result. After an unknown outcome, a "
            "repeated request does not execute the change over what somebody else has changed since. "
            "By default the header `Idempotency-Key`; without either, a repeated request is a new change."
        )
    ),
]


@strawberry.type(
    name="Mutation",
    description=(
        "What can be changed: users can be created in the `ACCOUNT` source and changed in all of them. Each change is "
        "sent to the source of the user, and its result is the user after the change."
    ),
)
class MutationObject:
    @strawberry.mutation(
        description=(
            "Add a user to the account in the `ACCOUNT` source. If the e-mail address belongs to a user of the "
            "platform, that user is linked. A removed user of the account is restored."
        ),
        directives=_CHANGE,
    )
    def create_account_user(
        self,
        info: Info,
        input: Annotated[CreateAccountUserInput, strawberry.argument(description=_NEW)],
        idempotency_key: _IdempotencyKey = None,
    ) -> UserObject | None:
        created: Any = info.context.service.create_account_user(to_plain(input), **_idempotency(info, idempotency_key))
        return created

    @strawberry.mutation(description="Change a user of the `ACCOUNT` source.", directives=_CHANGE)
    def update_account_user(
        self,
        info: Info,
        id: _UserId,
        input: Annotated[UpdateAccountUserInput, strawberry.argument(description=_FIELDS)],
        idempotency_key: _IdempotencyKey = None,
    ) -> UserObject | None:
        updated: Any = info.context.service.update_account_user(
            id, to_plain(input), **_idempotency(info, idempotency_key)
        )
        return updated

    @strawberry.mutation(description="Change a user of the `SOFTWAREONE` source.", directives=_CHANGE)
    def update_software_one_user(
        self,
        info: Info,
        id: _UserId,
        input: Annotated[UpdateSoftwareOneUserInput, strawberry.argument(description=_FIELDS)],
        idempotency_key: _IdempotencyKey = None,
    ) -> UserObject | None:
        updated: Any = info.context.service.update_software_one_user(
            id, to_plain(input), loaders=info.context.loaders, **_idempotency(info, idempotency_key)
        )
        return updated

    @strawberry.mutation(description="Change a user of the `RESELLER` source.", directives=_CHANGE)
    def update_reseller_user(
        self,
        info: Info,
        id: _UserId,
        input: Annotated[UpdateResellerUserInput, strawberry.argument(description=_FIELDS)],
        reseller_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="The reseller of the user. Required with a source id if no reseller is configured."
            ),
        ] = None,
        idempotency_key: _IdempotencyKey = None,
    ) -> UserObject | None:
        updated: Any = info.context.service.update_reseller_user(
            id, to_plain(input), reseller_id=reseller_id, **_idempotency(info, idempotency_key)
        )
        return updated


def _idempotency(info: Info, key: str | None) -> dict[str, Any]:
    """Return the arguments for the service: the idempotency key, and a callback that records a replayed mutation."""
    name, context = str(info.path.key), info.context
    key = context.key(key, name)
    return {"idempotency_key": key, "on_replay": lambda: context.replayed.append(name)} if key else {}
